//go:build e2e && linux

package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// differences are the questions that notyet answers otherwise than Unbound does, on purpose.
var differences = []struct {
	why   string
	match func(*dns.Msg) bool
}{
	{"ANY gets HINFO (RFC 8482); Unbound gives what it has", func(q *dns.Msg) bool { return q.Question[0].Qtype == dns.TypeANY }},
	{"DS of a zone is asked at its parent, which Unbound refuses here; for us an upstream that refuses has failed", func(q *dns.Msg) bool {
		zones := []string{plainZone + ".", signedZone + ".", nsec3Zone + ".", bogusZone + "."}
		return q.Question[0].Qtype == dns.TypeDS && slices.Contains(zones, strings.ToLower(q.Question[0].Name))
	}},
}

func TestNotyetAnswersLikeUnbound(t *testing.T) {
	t.Parallel()
	b := shared()
	const questions = 2000
	rng := rand.New(rand.NewPCG(2308, 8482))
	explained := map[string]int{}
	wrong := 0
	for range questions {
		q := randomQuestion(rng)
		var want string
		timely(t, func() (err error) { want, err = comparison(t, b.unbound.Addr, q); return err }) // what is bogus takes it long
		got, err := comparison(t, b.notyet.Addr, q)
		if err != nil {
			t.Fatal(err)
		}
		if got == want {
			continue
		}
		if why := explanation(q); why != "" {
			explained[why]++
			continue
		}
		t.Errorf("%s: got\n%swant, by Unbound,\n%s", describe(q), got, want)
		if wrong++; wrong == 20 {
			t.Fatalf("and so on")
		}
	}
	for _, d := range differences {
		if explained[d.why] == 0 {
			t.Errorf("no question met the difference %q", d.why)
		}
	}
}

func explanation(q *dns.Msg) string {
	for _, d := range differences {
		if d.match(q) {
			return d.why
		}
	}
	return ""
}

// randomQuestion asks for something there or not there, in one of the zones.
func randomQuestion(rng *rand.Rand) *dns.Msg {
	labels := []string{
		"", "www", "mail", "four", "six", "mixed", "svc", "typed", "txt", "txt700", "txt1300", "many", // there
		"alias", "one", "two", "dead", "dead2", "nodata", "old", "x.old", "a.b.old", // chains
		fmt.Sprintf("w%d.wild", rng.IntN(50)), "a.b.wild", "wild", "any.wildalias", // wildcards
		"ent", "x.ent", "y.ent", "_sip._tcp", "_tcp", // empty non-terminals
		"child", "www.child", "up.child", "no.child", "ns.child", "withds", "www.withds", // delegations, the last to a server that is not there
		fmt.Sprintf("missing%d", rng.IntN(50)), "below.www", "a.b.c.d.missing",
	}
	types := []uint16{
		dns.TypeA, dns.TypeA, dns.TypeA, dns.TypeAAAA, dns.TypeAAAA, dns.TypeMX, dns.TypeTXT, dns.TypeCNAME, dns.TypeNS, dns.TypeSOA,
		dns.TypeSRV, dns.TypeHTTPS, dns.TypeSVCB, 65400, dns.TypeDS, dns.TypeDNSKEY, dns.TypeCAA, dns.TypeDNAME, dns.TypePTR, dns.TypeNSEC, dns.TypeANY,
	}
	zones := []string{plainZone, signedZone, nsec3Zone, signedZone, bogusZone}
	qname, qtype := inZone(labels[rng.IntN(len(labels))], zones[rng.IntN(len(zones))]), types[rng.IntN(len(types))]
	q := ask(spell(rng, qname), qtype)
	if rng.IntN(2) == 0 {
		withCD(q)
	}
	if rng.IntN(4) == 0 {
		withAD(q)
	}
	switch rng.IntN(4) {
	case 0, 1:
		withDO(q)
	case 2:
		withEDNS(1232)(q)
	}
	return q
}

// spell writes a name in mixed case.
func spell(rng *rand.Rand, qname string) string {
	b := []byte(qname)
	for i, c := range b {
		if c >= 'a' && c <= 'z' && rng.IntN(3) == 0 {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// comparison writes down what must be equal in the answers of two servers: the flags over UDP, and what they give
// in the end, over TCP when truncated. Its error is that there was no answer.
func comparison(t testing.TB, at netip.AddrPort, q *dns.Msg) (string, error) {
	t.Helper()
	var b strings.Builder
	c := dns.Client{Timeout: patience, UDPSize: 1232}
	q = q.Copy()
	q.Id = dns.Id()
	r, _, err := c.Exchange(q, at.String())
	if err != nil {
		return "", fmt.Errorf("ask %v for %s: %w", at, describe(q), err)
	}
	fmt.Fprintf(&b, "  over udp: tc %v\n", r.Truncated)
	if r.Truncated {
		r = direct(t, at, q)
	}
	fmt.Fprintf(&b, "  %s qr %v aa %v tc %v rd %v ra %v ad %v cd %v\n  question %v\n",
		rcode(r.Rcode), r.Response, r.Authoritative, r.Truncated, r.RecursionDesired, r.RecursionAvailable, r.AuthenticatedData, r.CheckingDisabled, r.Question)
	for _, rr := range slices.Sorted(maps.Keys(records(r.Answer))) {
		fmt.Fprintf(&b, "  %s\n", rr)
	}
	if o := r.IsEdns0(); o != nil {
		fmt.Fprintf(&b, "  opt do %v\n", o.Do())
	}
	return b.String(), nil
}
