package explain

import (
	"errors"
	"testing"

	"github.com/miekg/dns"

	"notyet/upstream"
)

func rr(t *testing.T, text string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// message is a reply to www.shipit.dev A.
func message(t *testing.T, rcode int, answer, ns []string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetRcode(new(dns.Msg).SetQuestion("www.shipit.dev.", dns.TypeA), rcode)
	m.RecursionAvailable = true
	for _, text := range answer {
		m.Answer = append(m.Answer, rr(t, text))
	}
	for _, text := range ns {
		m.Ns = append(m.Ns, rr(t, text))
	}
	return m
}

// soaWith is the SOA of shipit.dev with a TTL, and MINIMUM 1800.
func soaWith(ttl string) string {
	return "shipit.dev. " + ttl + " SOA ns1.shipit.dev. hostmaster.shipit.dev. 7 3600 600 86400 1800"
}

func zoneSOA(t *testing.T, text string) *SOA { return soaOf(rr(t, text).(*dns.SOA)) }

func TestWhatAResolverHasCached(t *testing.T) {
	t.Parallel()
	soa := []string{soaWith("1451")}
	for _, test := range []struct {
		name       string
		rcode      int
		answer, ns []string
		aa         bool
		err        error
		state      string
		words      string
	}{
		{name: "nxdomain", rcode: dns.RcodeNameError, ns: soa, state: NXDOMAIN,
			words: "will keep saying NXDOMAIN for another 24m 11s: it heard it 5m 49s ago, negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)"},
		{name: "nodata", ns: soa, state: NODATA,
			words: "will keep saying NODATA for another 24m 11s: it heard it 5m 49s ago, negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)"},
		{name: "heard this moment", rcode: dns.RcodeNameError, ns: []string{soaWith("1800")}, state: NXDOMAIN,
			words: "will keep saying NXDOMAIN for another 30m: it heard it just now, maybe as it asked others although it was told not to; negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)"},
		{name: "soa whose ttl is not lowered", rcode: dns.RcodeNameError, ns: []string{soaWith("1934")}, state: NXDOMAIN,
			words: "will keep saying NXDOMAIN for another 30m: it heard it just now, maybe as it asked others although it was told not to; negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)"},
		{name: "over now", rcode: dns.RcodeNameError, ns: []string{soaWith("0")}, state: NXDOMAIN, words: "has NXDOMAIN, and forgets it now"},
		{name: "minimum rewritten", rcode: dns.RcodeNameError, ns: []string{"shipit.dev. 2 SOA ns1.shipit.dev. hostmaster.shipit.dev. 7 3600 600 86400 2"},
			state: NXDOMAIN, words: "will keep saying NXDOMAIN for another 2s"},
		{name: "soa of another zone", rcode: dns.RcodeNameError, ns: []string{"dev. 60 SOA a.dev. b.dev. 7 3600 600 86400 1800"},
			state: NXDOMAIN, words: "will keep saying NXDOMAIN for another 1m"},
		{name: "soa of another view", rcode: dns.RcodeNameError, ns: []string{"shipit.dev. 60 SOA ad.corp. hostmaster.shipit.dev. 7 3600 600 86400 1800"},
			state: NXDOMAIN, words: "will keep saying NXDOMAIN for another 1m"},
		{name: "nxdomain without soa", rcode: dns.RcodeNameError, state: NXDOMAIN,
			words: "will keep saying NXDOMAIN, and does not say for how long: its answer has no SOA"},
		{name: "nxdomain behind a cname", rcode: dns.RcodeNameError, answer: []string{"www.shipit.dev. 30 CNAME lb.shipit.dev."}, ns: soa,
			state: NXDOMAIN, words: "will keep saying NXDOMAIN for another 30s"},
		{name: "positive", answer: []string{"www.shipit.dev. 243 A 192.0.2.7"}, state: Positive, words: "has the answer for another 4m 3s"},
		{name: "positive behind a cname", answer: []string{"www.shipit.dev. 30 CNAME lb.shipit.dev.", "lb.shipit.dev. 243 A 192.0.2.7"},
			state: Positive, words: "has the answer for another 30s"},
		{name: "record of another name", answer: []string{"lb.shipit.dev. 243 A 192.0.2.7"}, state: Unknown,
			words: "unknown: of the chain of CNAMEs it has no more than the part that leads to www.shipit.dev."},
		{name: "half a chain", answer: []string{"www.shipit.dev. 30 CNAME lb.shipit.dev."}, state: Unknown,
			words: "unknown: of the chain of CNAMEs it has no more than the part that leads to lb.shipit.dev."},
		{name: "of its own", answer: []string{"www.shipit.dev. 243 A 10.0.0.7"}, aa: true, state: Positive, words: "has the answer of its own, not from a cache"},
		{name: "denied of its own", rcode: dns.RcodeNameError, ns: soa, aa: true, state: NXDOMAIN, words: "has NXDOMAIN of its own, not from a cache"},
		{name: "referral", ns: []string{"shipit.dev. 300 NS ns1.shipit.dev."}, state: Unknown, words: "unknown: it refers to others when asked for what it has"},
		{name: "empty", state: Unknown, words: "unknown: it gives an empty answer when asked for what it has"},
		{name: "refused", rcode: dns.RcodeRefused, state: Unknown, words: "unknown: it says REFUSED when asked for what it has"},
		{name: "servfail", rcode: dns.RcodeServerFailure, ns: soa, state: Unknown, words: "unknown: it says SERVFAIL when asked for what it has"},
		{name: "timeout", err: upstream.ErrTimeout, state: Unknown, words: "unknown: it does not answer"},
		{name: "unreachable", err: errors.New("dial: no"), state: Unknown, words: "unknown: dial: no"},
	} {
		m := message(t, test.rcode, test.answer, test.ns)
		m.Authoritative = test.aa
		zone := zoneSOA(t, soaWith("1934"))
		got := readCached(m, test.err, "www.shipit.dev.", dns.TypeA)
		got.heard(zone)
		if got.State != test.state || got.inWords(zone) != test.words {
			t.Errorf("%s\n got %s, %s\nwant %s, %s", test.name, got.State, got.inWords(zone), test.state, test.words)
		}
		if test.aa && got.Heard != nil {
			t.Errorf("%s: got it heard %d s ago, want nothing of that: it is the resolver's own", test.name, *got.Heard)
		}
		if got.negative() && test.ns != nil && got.Left == nil {
			t.Errorf("%s: got no time that is left", test.name)
		}
	}
}

// TestDenialThatMayBeKeptForLessTime is of a zone whose negative TTL many resolvers cut short.
func TestDenialThatMayBeKeptForLessTime(t *testing.T) {
	t.Parallel()
	soa := "shipit.dev. 7200 SOA ns1.shipit.dev. hostmaster.shipit.dev. 7 3600 600 86400 7200"
	zone := zoneSOA(t, soa)
	got := readCached(message(t, dns.RcodeNameError, nil, []string{"shipit.dev. 3000 SOA ns1.shipit.dev. hostmaster.shipit.dev. 7 3600 600 86400 7200"}),
		nil, "www.shipit.dev.", dns.TypeA)
	got.heard(zone)
	want := "will keep saying NXDOMAIN for another 50m: it heard it at most 1h 10m ago, negative TTL 2h = min(SOA TTL 7200, MINIMUM 7200)"
	if s := got.inWords(zone); s != want {
		t.Errorf("got %q, want %q", s, want)
	}
}

func TestDenialOfAZoneThatNobodyFound(t *testing.T) {
	t.Parallel()
	got := readCached(message(t, dns.RcodeNameError, nil, []string{soaWith("60")}), nil, "www.shipit.dev.", dns.TypeA)
	got.heard(nil)
	if s := got.inWords(nil); got.Heard != nil || s != "will keep saying NXDOMAIN for another 1m" {
		t.Errorf("got %+v, %q, want it to say nothing of when that was heard", got, s)
	}
}
