//go:build e2e && linux

package e2e

import (
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// kinds has one question for every kind of answer; the names lack the zone.
var kinds = []struct {
	name  string
	qname string
	qtype uint16
}{
	{"one address", "four", dns.TypeA},
	{"two addresses", "www", dns.TypeA},
	{"forty addresses", "many", dns.TypeA},
	{"ipv6 address", "six", dns.TypeAAAA},
	{"cname", "alias", dns.TypeA},
	{"cname itself", "alias", dns.TypeCNAME},
	{"cname chain", "one", dns.TypeAAAA},
	{"cname chain to nxdomain", "dead2", dns.TypeA},
	{"cname to nodata", "nodata", dns.TypeA},
	{"dname", "x.old", dns.TypeA},
	{"mx at the apex", "", dns.TypeMX},
	{"ns at the apex", "", dns.TypeNS},
	{"soa", "", dns.TypeSOA},
	{"caa", "", dns.TypeCAA},
	{"srv", "_sip._tcp", dns.TypeSRV},
	{"https", "www", dns.TypeHTTPS},
	{"svcb", "svc", dns.TypeSVCB},
	{"unknown type", "typed", 65400},
	{"txt", "txt", dns.TypeTXT},
	{"txt over 512 bytes", "txt700", dns.TypeTXT},
	{"txt over 1232 bytes", "txt1300", dns.TypeTXT},
	{"txt over 4096 bytes", "txt4000", dns.TypeTXT},
	{"wildcard", "any.wild", dns.TypeA},
	{"wildcard without the type", "any.wild", dns.TypeAAAA},
	{"wildcard cname", "any.wildalias", dns.TypeA},
	{"nxdomain", "missing", dns.TypeA},
	{"nxdomain of the unknown type", "missing", 65400},
	{"nxdomain below a name", "a.b.www", dns.TypeA},
	{"nodata", "four", dns.TypeAAAA},
	{"nodata at an empty non-terminal", "ent", dns.TypeA},
	{"child zone", "www.child", dns.TypeA},
	{"ds of a delegation", "withds", dns.TypeDS},
}

func inZone(label, zone string) string {
	return strings.TrimPrefix(label+"."+zone, ".")
}

// TestAnswersAreThoseOfTheAuthority asks everything twice: the second answer comes from the cache.
func TestAnswersAreThoseOfTheAuthority(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, zone := range []string{plainZone, signedZone, nsec3Zone} {
		for _, k := range kinds {
			for name, options := range map[string][]option{"": nil, " with edns": {withEDNS(1232)}, " with do": {withDO}} {
				t.Run(zone+"/"+k.name+name, func(t *testing.T) {
					t.Parallel()
					q := ask(inZone(k.qname, zone), k.qtype, options...)
					want := direct(t, b.knot.Addr, q)
					first := lookup(t, b.notyet.Addr, q)
					sameAnswer(t, q, first, want)
					second := lookup(t, b.notyet.Addr, q)
					sameAnswer(t, q, second, want)
					sameRecords(t, q, "answer", second.Answer, first.Answer)
				})
			}
		}
	}
}

// sameAnswer compares what notyet gives with what the authority does.
func sameAnswer(t testing.TB, q, got, want *dns.Msg) {
	t.Helper()
	wantRcode(t, q, got, want.Rcode)
	sameRecords(t, q, "answer", got.Answer, want.Answer)
	denial := got.Rcode == dns.RcodeNameError || len(ofType(want.Ns, dns.TypeSOA)) > 0
	if !denial {
		return
	}
	if n := len(ofType(got.Ns, dns.TypeSOA)); n != 1 {
		t.Errorf("%s: got %d SOA records in the authority section of a denial, want 1", describe(q), n)
	}
	if wantsDO(q) {
		sameRecords(t, q, "authority", got.Ns, want.Ns)
	}
}

// TestSignedAnswersHaveTheirProof checks that DO is worth its bytes.
func TestSignedAnswersHaveTheirProof(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		qname   string
		qtype   uint16
		section func(*dns.Msg) []dns.RR
		want    uint16
	}{
		{"www." + signedZone, dns.TypeA, answerSection, dns.TypeRRSIG},
		{signedZone, dns.TypeDNSKEY, answerSection, dns.TypeRRSIG},
		{"one." + signedZone, dns.TypeA, answerSection, dns.TypeRRSIG},
		{"missing." + signedZone, dns.TypeA, authoritySection, dns.TypeNSEC},
		{"missing." + signedZone, dns.TypeA, authoritySection, dns.TypeRRSIG},
		{"four." + signedZone, dns.TypeAAAA, authoritySection, dns.TypeNSEC},
		{"missing." + nsec3Zone, dns.TypeA, authoritySection, dns.TypeNSEC3},
		{"four." + nsec3Zone, dns.TypeAAAA, authoritySection, dns.TypeNSEC3},
		{"any.wild." + signedZone, dns.TypeA, authoritySection, dns.TypeNSEC},
	} {
		for range 2 { // The second answer comes from the cache.
			q := ask(test.qname, test.qtype, withDO)
			r := lookup(t, b.notyet.Addr, q)
			if len(ofType(test.section(r), test.want)) == 0 {
				t.Errorf("%s: got no %s\n%v", describe(q), dns.TypeToString[test.want], r)
			}
			q = ask(test.qname, test.qtype)
			r = lookup(t, b.notyet.Addr, q)
			if len(ofType(test.section(r), test.want)) != 0 {
				t.Errorf("%s: got %s, want none without DO\n%v", describe(q), dns.TypeToString[test.want], r)
			}
		}
	}
}

func answerSection(m *dns.Msg) []dns.RR    { return m.Answer }
func authoritySection(m *dns.Msg) []dns.RR { return m.Ns }

// TestAnswersAreThoseOfTheAuthorityByKdig lets a program that shares no code with us read the answers.
func TestAnswersAreThoseOfTheAuthorityByKdig(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, args := range [][]string{
		{"www." + plainZone, "A"},
		{"six." + plainZone, "AAAA"},
		{"one." + plainZone, "A"},
		{plainZone, "MX"},
		{"txt4000." + plainZone, "TXT"},
		{"www." + plainZone, "HTTPS"},
		{"svc." + plainZone, "SVCB"},
		{"typed." + plainZone, "TYPE65400"},
		{"www." + signedZone, "A", "+dnssec"},
		{signedZone, "DNSKEY", "+dnssec", "+tcp"},
		{"dead." + nsec3Zone, "A", "+dnssec"},
		{"www." + plainZone, "A", "+padding=128", "+ednsopt=65001:0102", "+nsid"},
		{"WwW." + plainZone, "A", "+tcp", "+keepopen"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			q := ask(args[0], dns.StringToType[args[1]])
			want := kdig(t, b.knot.Addr, args)
			if len(want) == 0 {
				t.Fatalf("kdig %v: the authority gives no record", args)
			}
			for range 2 {
				sameRecords(t, q, "answer", kdig(t, b.notyet.Addr, args), want)
			}
		})
	}
}

// kdig returns the records of the answer section as kdig prints them.
func kdig(t testing.TB, at netip.AddrPort, args []string) []dns.RR {
	t.Helper()
	args = append([]string{"@" + at.Addr().String(), "-p", strconv.Itoa(int(at.Port())), "+noall", "+answer", "+nocrypto=off"}, args...)
	out, err := exec.Command(testbed.Look(t, "kdig"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kdig %v: %v\n%s", args, err, out)
	}
	var found []dns.RR
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, ";") || strings.TrimSpace(line) == "" {
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatalf("kdig %v: record %q: %v", args, line, err)
		}
		found = append(found, rr)
	}
	return found
}

func TestSpellingOfTheQuestionComesBack(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, qname := range []string{"WwW.ShIpIt.DeV.", "www.SHIPIT.dev.", "mIxEd.shipit.dev.", "MISSING.shipit.DEV.", "oNe.shipit.dev."} {
		for _, proto := range []string{"udp", "tcp"} {
			q := ask(qname, dns.TypeA)
			r := over(t, proto, b.notyet.Addr, q) // compares the question byte by byte
			want := direct(t, b.knot.Addr, q)
			wantRcode(t, q, r, want.Rcode)
			sameRecords(t, q, "answer", r.Answer, want.Answer)
		}
	}
}

func TestCheckingDisabledReachesTheValidator(t *testing.T) {
	t.Parallel()
	b := shared()
	bogus := "www." + bogusZone
	for _, test := range []struct {
		name    string
		options []option
		want    int
	}{
		{"validated", nil, dns.RcodeServerFailure},
		{"validated with do", []option{withDO}, dns.RcodeServerFailure},
		{"checking disabled", []option{withCD}, dns.RcodeSuccess},
		{"checking disabled with do", []option{withCD, withDO}, dns.RcodeSuccess},
		{"validated after the bogus answer was cached", nil, dns.RcodeServerFailure},
	} {
		q := ask(bogus, dns.TypeA, test.options...)
		r := lookup(t, b.notyet.Addr, q)
		if r.Rcode != test.want {
			t.Errorf("%s: %s: got %s, want %s", test.name, describe(q), rcode(r.Rcode), rcode(test.want))
		}
	}
}

func TestAuthenticatedDataIsTheUpstreamsWord(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		name    string
		qname   string
		options []option
		want    bool
	}{
		{"signed, asked for with ad", "www." + signedZone, []option{withAD}, true},
		{"signed, asked for with do", "www." + signedZone, []option{withDO}, true},
		{"signed, not asked for", "www." + signedZone, nil, false},
		{"signed, not asked for, with edns", "www." + signedZone, []option{withEDNS(1232)}, false},
		{"signed, not asked for first and then with ad", "six." + signedZone, nil, false},
		{"signed, with ad after a client without it", "six." + signedZone, []option{withAD}, true},
		{"signed denial with ad", "missing." + signedZone, []option{withAD}, true},
		{"signed denial with do", "missing." + nsec3Zone, []option{withDO}, true},
		{"unsigned with ad", "www." + plainZone, []option{withAD}, false},
		{"unsigned with do", "www." + plainZone, []option{withDO}, false},
		{"bogus with cd and do", "www." + bogusZone, []option{withCD, withDO}, false},
	} {
		for _, proto := range []string{"udp", "tcp"} {
			q := ask(test.qname, dns.TypeA, test.options...)
			if r := over(t, proto, b.notyet.Addr, q); r.AuthenticatedData != test.want {
				t.Errorf("%s over %s: %s: got AD %v, want %v", test.name, proto, describe(q), r.AuthenticatedData, test.want)
			}
		}
	}
}

func TestANYGetsHINFO(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, proto := range []string{"udp", "tcp"} {
		for _, qname := range []string{"www." + plainZone, "missing." + plainZone, "www." + signedZone} {
			q := ask(qname, dns.TypeANY, withEDNS(1232))
			r := over(t, proto, b.notyet.Addr, q)
			wantRcode(t, q, r, dns.RcodeSuccess)
			if len(r.Answer) != 1 {
				t.Fatalf("%s over %s: got %d records, want 1 HINFO\n%v", describe(q), proto, len(r.Answer), r)
			}
			h, ok := r.Answer[0].(*dns.HINFO)
			// RFC 8482, section 4.2.
			if !ok || h.Cpu != "RFC8482" || h.Os != "" || !strings.EqualFold(h.Hdr.Name, dns.Fqdn(qname)) {
				t.Errorf("%s over %s: got %v, want %s HINFO \"RFC8482\" \"\"", describe(q), proto, r.Answer[0], qname)
			}
		}
	}
}

func TestServerTellsItsVersionAndName(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, proto := range []string{"udp", "tcp"} {
		for _, qname := range []string{"version.bind.", "id.server.", "VeRsIoN.bInD."} {
			q := ask(qname, dns.TypeTXT)
			q.Question[0].Qclass = dns.ClassCHAOS
			r := over(t, proto, b.notyet.Addr, q)
			wantRcode(t, q, r, dns.RcodeSuccess)
			if len(r.Answer) != 1 {
				t.Fatalf("%s over %s: got %d records, want 1\n%v", describe(q), proto, len(r.Answer), r)
			}
			rr, ok := r.Answer[0].(*dns.TXT)
			if !ok || rr.Hdr.Class != dns.ClassCHAOS || strings.Join(rr.Txt, "") == "" {
				t.Errorf("%s over %s: got %v, want a TXT record of class CH with text", describe(q), proto, r.Answer[0])
			}
		}
	}
}

// TestAnswersFromNSD has notyet ask an authoritative server itself, and another one than everywhere else.
func TestAnswersFromNSD(t *testing.T) {
	t.Parallel()
	nsd := testbed.StartNSD(t, testbed.Zone{Name: plainZone, Text: zoneText})
	n := front(t, "", nsd.Addr)
	for _, k := range kinds {
		if strings.HasSuffix(k.qname, "child") {
			continue // NSD gives a referral, which no forwarder can follow.
		}
		q := ask(inZone(k.qname, plainZone), k.qtype)
		want := direct(t, nsd.Addr, q)
		for range 2 {
			sameAnswer(t, q, lookup(t, n.Addr, q), want)
		}
	}
}
