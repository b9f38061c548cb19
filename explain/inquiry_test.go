package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/upstream"
)

// inquiryBed is an inquiry among servers and one resolver that are functions: dev at 192.0.2.31, and shipit.dev at 192.0.2.1
// and 192.0.2.2.
type inquiryBed struct {
	*inquiry
	t *testing.T

	mu      sync.Mutex
	records map[string][]string // address → records, of the zone that it serves
	asked   []string            // of the resolver, as in "www.shipit.dev. A +rd"
	says    func(qname string, qtype uint16, rd, cd bool) *dns.Msg
}

const devZone = `dev. 60 SOA a.dev. b.dev. 7 3600 600 86400 60
dev. 60 NS a.nic.dev.
shipit.dev. 60 NS ns1.shipit.dev.`

func newInquiry(t *testing.T, qname string, lines ...string) *inquiryBed {
	b := &inquiryBed{t: t, records: map[string][]string{"192.0.2.31": strings.Split(devZone, "\n")}}
	shipit := append([]string{soaWith("1934"), "shipit.dev. 60 NS ns1.shipit.dev."}, lines...)
	b.records["192.0.2.1"], b.records["192.0.2.2"] = shipit, shipit
	b.says = func(string, uint16, bool, bool) *dns.Msg { return &dns.Msg{} }
	b.inquiry = &inquiry{
		question: Question{Name: qname, Type: dns.TypeA}, exchange: b.serve, path: b.find, resolvers: []resolver{b}, why: error.Error,
		request: func(qname string, qtype uint16) authority.Request { return authority.Request{Name: qname, Type: qtype} },
	}
	return b
}

// find is the way to what is in shipit.dev or dev, as far as discovery may begin at the suffix.
func (b *inquiryBed) find(_ context.Context, r authority.Request) ([]authority.Zone, error) {
	if r.Watch != "dev." {
		b.t.Errorf("%s: got discovery begun at %q, want it at the suffix", r.Name, r.Watch)
	}
	at := func(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), 53) }
	soa := func(addr string) *dns.SOA { return rr(b.t, b.records[addr][0]).(*dns.SOA) }
	zones := []authority.Zone{{Apex: "dev.", SOA: soa("192.0.2.31"), Servers: []authority.Server{{Name: "a.nic.dev", Addr: at("192.0.2.31")}}}}
	if dns.IsSubDomain("shipit.dev.", r.Name) {
		zones = append(zones, authority.Zone{Apex: "shipit.dev.", SOA: soa("192.0.2.1"), Servers: []authority.Server{
			{Name: "ns1.shipit.dev", Addr: at("192.0.2.1")}, {Name: "ns2.shipit.dev", Addr: at("192.0.2.2")},
		}})
	}
	return zones, nil
}

// serve answers from a server's records.
func (b *inquiryBed) serve(_ context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	if q.RecursionDesired {
		b.t.Errorf("%v: got %s with recursion", at, q.Question[0].Name)
	}
	lines := b.records[at.Addr().String()]
	if lines == nil {
		return nil, upstream.ErrTimeout
	}
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	name, qtype := q.Question[0].Name, q.Question[0].Qtype
	apex := strings.Fields(lines[0])[0]
	exists := false
	for _, line := range lines {
		r := rr(b.t, line)
		owner := r.Header().Name
		exists = exists || dns.IsSubDomain(name, owner)
		switch {
		case r.Header().Rrtype == dns.TypeNS && owner != apex && dns.IsSubDomain(owner, name) && qtype != dns.TypeDS:
			m.Authoritative, m.Ns = false, append(m.Ns, r)
			return m, nil
		case owner == name && (r.Header().Rrtype == qtype || r.Header().Rrtype == dns.TypeCNAME):
			m.Answer = append(m.Answer, r)
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, rr(b.t, lines[0]))
		if !exists {
			m.Rcode = dns.RcodeNameError
		}
		if q.IsEdns0().Do() {
			m.Ns = append(m.Ns, rr(b.t, "preview."+apex+" 60 NSEC zebra."+apex+" A"))
		}
	}
	return m, nil
}

func (b *inquiryBed) String() string { return "10.0.0.2:53" }

func (b *inquiryBed) Ask(_ context.Context, qname string, qtype uint16, rd bool) (*dns.Msg, error) {
	return b.put(qname, qtype, rd, false)
}

func (b *inquiryBed) AskUnchecked(_ context.Context, qname string, qtype uint16) (*dns.Msg, error) {
	return b.put(qname, qtype, true, true)
}

func (b *inquiryBed) put(qname string, qtype uint16, rd, cd bool) (*dns.Msg, error) {
	text := qname + " " + dns.TypeToString[qtype]
	if rd {
		text += " +rd"
	}
	if cd {
		text += " +cd"
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, text)
	m := b.says(qname, qtype, rd, cd)
	if m == nil {
		return nil, upstream.ErrTimeout
	}
	return m, nil
}

// wantAsked checks what the resolver was asked, in that order.
func (b *inquiryBed) wantAsked(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.asked, want) {
		b.t.Errorf("asked at the resolver\n got %q\nwant %q", b.asked, want)
	}
}

func rcode(code int) *dns.Msg { return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: code}} }

func TestResolverHearsOfTheNameWithoutRecursionOnly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, qname string
		want        []string
	}{
		{"name", "a.b.shipit.dev.", []string{"dev. NS +rd", "a.b.shipit.dev. A", "shipit.dev. SOA +rd"}},
		{"registrable domain", "shipit.dev.", []string{"dev. NS +rd", "shipit.dev. A"}},
		{"domain that is not registered", "a.fresh.dev.", []string{"dev. NS +rd", "a.fresh.dev. A", "fresh.dev. SOA"}},
	} {
		b := newInquiry(t, test.qname)
		b.run(t.Context())
		b.t.Log(test.name)
		b.wantAsked(test.want...)
	}
}

func TestResolverThatDoesNotKnowTheZonesAboveIsNotAsked(t *testing.T) {
	t.Parallel()
	b := newInquiry(t, "www.shipit.dev.", "www.shipit.dev. 60 A 192.0.2.7")
	b.says = func(string, uint16, bool, bool) *dns.Msg { return rcode(dns.RcodeRefused) }
	f := b.run(t.Context())
	b.wantAsked("dev. NS +rd", "shipit.dev. NS +rd", "shipit.dev. SOA +rd")
	if c := f.Resolvers[0].Cached; c.State != Unknown || c.Why != "it says REFUSED to shipit.dev NS already" {
		t.Errorf("got %+v, want its cache unknown as it says REFUSED", c)
	}

	b = newInquiry(t, "www.shipit.dev.")
	b.says = func(string, uint16, bool, bool) *dns.Msg { return nil }
	if c := b.run(t.Context()).Resolvers[0].Cached; c.State != Unknown || c.Why != "it does not answer" {
		t.Errorf("got %+v, want its cache unknown as it does not answer", c)
	}
	b.wantAsked("dev. NS +rd", "shipit.dev. NS +rd")
}

// TestDiscoveryGoesOnFromTheDomain has resolvers that say nothing of the suffix.
func TestDiscoveryGoesOnFromTheDomain(t *testing.T) {
	t.Parallel()
	b := newInquiry(t, "www.shipit.dev.", "www.shipit.dev. 60 A 192.0.2.7")
	all, _ := b.find(t.Context(), authority.Request{Name: "www.shipit.dev.", Watch: "dev."})
	lost := []authority.Zone{{Apex: "dev.", Why: upstream.ErrTimeout}}
	b.path = func(_ context.Context, r authority.Request) ([]authority.Zone, error) {
		if r.Watch == "dev." {
			return lost, nil
		}
		return all[1:], nil
	}
	f := b.run(t.Context())
	if f.Verdict.Code != Fine || f.Steps[0].Zones[0].Apex != "shipit.dev." || f.Steps[0].Zones[0].Delegated != nil {
		t.Errorf("got %+v and %+v, want it fine, and nothing known of the delegation", f.Verdict, f.Steps[0].Zones)
	}

	all[1].Why, all[1].SOA = authority.ErrDiffers, nil
	f = b.run(t.Context())
	if z := f.Steps[0].Zones; f.Verdict.Code != PrivateZone || len(z) != 1 || !z[0].Differs {
		t.Errorf("got %+v and %+v, want the zone to be another one than the resolvers have", f.Verdict, z)
	}
	all[1].Servers = nil
	f = b.run(t.Context())
	if z := f.Steps[0].Zones; f.Verdict.Code != Undecided || len(z) != 1 || z[0].Fault != "timeout" {
		t.Errorf("got %+v and %+v, want the suffix to be what cannot be asked", f.Verdict, z)
	}
	b.path = func(context.Context, authority.Request) ([]authority.Zone, error) { return nil, authority.ErrStopped }
	f = b.run(t.Context())
	if z := f.Steps[0].Zones; f.Verdict.Code != Undecided || len(z) != 1 || z[0].Fault != "stopped" {
		t.Errorf("got %+v and %+v, want it to say what went wrong", f.Verdict, z)
	}
}

func TestAskLetsResolversResolve(t *testing.T) {
	t.Parallel()
	b := newInquiry(t, "www.shipit.dev.", "www.shipit.dev. 60 A 192.0.2.7")
	b.question.Ask = true
	b.says = func(qname string, _ uint16, rd, cd bool) *dns.Msg {
		if qname == "www.shipit.dev." && rd && !cd {
			return rcode(dns.RcodeServerFailure)
		}
		return rcode(dns.RcodeSuccess)
	}
	f := b.run(t.Context())
	b.wantAsked("dev. NS +rd", "www.shipit.dev. A", "shipit.dev. SOA +rd", "www.shipit.dev. A +rd", "www.shipit.dev. A +rd +cd")
	if f.Verdict.Code != Bogus {
		t.Errorf("got %+v, want bogus: without validation there is an answer", f.Verdict)
	}
}

func TestFactsOfAName(t *testing.T) {
	t.Parallel()
	zone := []string{
		"www.shipit.dev. 60 CNAME lb.shipit.dev.", "lb.shipit.dev. 60 A 192.0.2.7", "text.shipit.dev. 60 TXT x", "text.shipit.dev. 60 AAAA ::1",
		"loop.shipit.dev. 60 CNAME loop.shipit.dev.", "far.shipit.dev. 60 CNAME www.fresh.dev.", "x.ent.shipit.dev. 60 A 192.0.2.7",
	}
	for _, test := range []struct {
		qname string
		want  Code
		steps string // names | types | missing | near of the last
	}{
		{"www.shipit.dev.", Fine, "www.shipit.dev. lb.shipit.dev. | | |"},
		{"far.shipit.dev.", CNAMEToNowhere, "far.shipit.dev. www.fresh.dev. | | fresh.dev. |"},
		{"loop.shipit.dev.", CNAMEToNowhere, "loop.shipit.dev. | | |"},
		{"text.shipit.dev.", TypeMissing, "text.shipit.dev. | AAAA TXT | |"},
		{"ent.shipit.dev.", TypeMissing, "ent.shipit.dev. | | |"},
		{"gone.shipit.dev.", NotThereYet, "gone.shipit.dev. | | |"},
		{"txet.shipit.dev.", NotThereYet, "txet.shipit.dev. | | | text.shipit.dev."},
		{"a.b.tex.shipit.dev.", NoSuchZone, "a.b.tex.shipit.dev. | | tex.shipit.dev. | text.shipit.dev."},
		{"a.previw.shipit.dev.", NoSuchZone, "a.previw.shipit.dev. | | previw.shipit.dev. |"}, // the proof's name does not exist
		{"a.fresh.dev.", NotRegistered, "a.fresh.dev. | | fresh.dev. |"},
	} {
		b := newInquiry(t, test.qname, zone...)
		b.question.Notyet = func(context.Context) *Notyet { return &Notyet{Zones: []string{"text.shipit.dev.", "a.example."}} }
		f := b.run(t.Context())
		var names []string
		for _, s := range f.Steps {
			names = append(names, s.Name)
		}
		s := f.end()
		got := fmt.Sprintf("%s | %s | %s | %s", strings.Join(names, " "), strings.Join(s.Types, " "), s.Missing, strings.Join(s.Near, " "))
		if f.Verdict.Code != test.want || strings.Join(strings.Fields(got), " ") != test.steps {
			t.Errorf("%s\n got %s: %s\nwant %s: %s", test.qname, f.Verdict.Code, got, test.want, test.steps)
		}
	}
}

func TestNamesInProofsAreSuggested(t *testing.T) {
	t.Parallel()
	f := newInquiry(t, "a.previw.shipit.dev.", "preview.shipit.dev. 60 A 192.0.2.7").run(t.Context())
	if got := f.Steps[0].Near; !slices.Equal(got, []string{"preview.shipit.dev."}) {
		t.Errorf("got the names %v near, want preview.shipit.dev. alone", got)
	}
}

func TestFactsOfZonesAndGivenServers(t *testing.T) {
	t.Parallel()
	b := newInquiry(t, "www.shipit.dev.", "shipit.dev. 60 DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==")
	b.records["192.0.2.31"] = append(b.records["192.0.2.31"], "shipit.dev. 60 DS 1 13 2 3A5B8F1C9D7E6F50413223140596877869A0B1C2D3E4F5061728394A5B6C7D8E")
	b.records["192.0.2.9"] = []string{"www.shipit.dev. 60 SOA a. b. 7 3600 600 86400 60", "www.shipit.dev. 60 A 192.0.2.7"}
	b.question.Given = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.9:53"), netip.MustParseAddrPort("192.0.2.8:53")}
	b.question.Notyet = func(context.Context) *Notyet { return &Notyet{Authorities: []string{"192.0.2.31:53"}} }
	f := b.run(t.Context())
	var out strings.Builder
	if err := f.Write(&out, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"  zone       shipit.dev      changed at ns1.shipit.dev, serial 7, negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)\n",
		"delegated by dev to ns1.shipit.dev\n", "signed, with a DS in the zone above\n",
		"  servers    ns1.shipit.dev  NXDOMAIN\n", "             ns2.shipit.dev  NXDOMAIN\n",
		"  given      192.0.2.9       www.shipit.dev. 60 IN A 192.0.2.7, in the zone www.shipit.dev\n",
		"             192.0.2.8       it does not answer\n", "             192.0.2.31      it refers elsewhere\n",
		"  resolvers  10.0.0.2        unknown: it gives an empty answer when asked for what it has\n",
		"  notyet     running         the name is under no watch\n",
		"\n192.0.2.9 has the zone www.shipit.dev, but the servers of shipit.dev do not refer to it: the delegation is missing\n  - add NS",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got no %q in\n%s", want, out.String())
		}
	}
}
