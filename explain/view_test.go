package explain

import (
	"context"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"notyet/wire"
)

// TestResolverIsAskedForTheZoneOfTheDomain has a name that the zone's servers deny, and a resolver that has a zone of its own, the
// public one, or none.
func TestResolverIsAskedForTheZoneOfTheDomain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		soa  string // in the resolver's answer; empty: none
		dead bool   // it does not answer
		want Code
		has  bool // the SOA is taken for the domain's
	}{
		{name: "the public zone", soa: soaWith("60"), want: NotThereYet, has: true},
		{name: "a zone of its own", soa: "shipit.dev. 60 SOA ad.corp. b. 42 1 1 1 60", want: PrivateZone, has: true},
		{name: "the zone above", soa: "dev. 60 SOA ad.corp. b. 42 1 1 1 60", want: NotThereYet},
		{name: "none", want: NotThereYet},
		{name: "no answer", dead: true, want: NotThereYet},
	} {
		b := newInquiry(t, "www.shipit.dev.")
		b.says = func(_ string, qtype uint16, _, _ bool) *dns.Msg {
			switch {
			case qtype == dns.TypeSOA && test.dead:
				return nil
			case qtype == dns.TypeSOA && test.soa != "":
				return message(t, dns.RcodeSuccess, []string{test.soa}, nil)
			}
			return rcode(dns.RcodeSuccess)
		}
		f := b.run(t.Context())
		if got := f.Resolvers[0].DomainSOA; f.Verdict.Code != test.want || (got != nil) != test.has {
			t.Errorf("%s: got %s, and %+v of the domain, want %s and an SOA: %v", test.name, f.Verdict.Code, got, test.want, test.has)
		}
	}
}

// TestValidationIsAtFaultIfThereIsAnAnswerWithoutIt has a resolver that says SERVFAIL.
func TestValidationIsAtFaultIfThereIsAnAnswerWithoutIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		reply *dns.Msg // without validation; nil: none
		want  Code
	}{
		{"answer", rcode(dns.RcodeSuccess), Bogus},
		{"denial", rcode(dns.RcodeNameError), Bogus},
		{"the same", rcode(dns.RcodeServerFailure), ServerFailure},
		{"silence", nil, ServerFailure},
	} {
		b := newInquiry(t, "www.shipit.dev.", "www.shipit.dev. 60 A 192.0.2.7")
		b.question.Ask = true
		b.says = func(qname string, _ uint16, rd, cd bool) *dns.Msg {
			switch {
			case cd:
				return test.reply
			case rd && qname == b.question.Name:
				return rcode(dns.RcodeServerFailure)
			}
			return rcode(dns.RcodeSuccess)
		}
		if got := b.run(t.Context()).Verdict; got.Code != test.want {
			t.Errorf("%s: got %+v, want %s", test.name, got, test.want)
		}
	}
}

// TestGivenServerHasAZoneThatItAnswersFor has servers that are named, and not delegated to.
func TestGivenServerHasAZoneThatItAnswersFor(t *testing.T) {
	t.Parallel()
	const soa = " 60 SOA a. b. 7 3600 600 86400 60"
	for _, test := range []struct {
		name, apex string
		aa         bool
		zone, says string
		why        string
	}{
		{"the name's", "www.shipit.dev.", true, "www.shipit.dev.", NODATA, ""},
		{"one above", "shipit.dev.", true, "shipit.dev.", NXDOMAIN, ""},
		{"another one", "other.dev.", true, "", Lame, "it answers for another zone, other.dev"},
		{"without authority", "www.shipit.dev.", false, "", Lame, "it answers without authority"},
	} {
		b := newInquiry(t, "www.shipit.dev.")
		b.records["192.0.2.9"] = []string{test.apex + soa}
		b.exchange = func(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
			m, err := b.serve(ctx, at, q)
			if at.Addr() == netip.MustParseAddr("192.0.2.9") {
				m.Authoritative = test.aa
			}
			return m, err
		}
		b.question.Given = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.9:53")}
		if g := b.run(t.Context()).Given[0]; g.Zone != test.zone || g.Says != test.says || g.Why != test.why {
			t.Errorf("%s: got %+v, want %s in the zone %q", test.name, g, test.says, test.zone)
		}
	}
}

func TestNameIsNowhereIfNobodyPublicServesIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*Facts)
		want   bool
	}{
		{"served", nil, false},
		{"denied", func(f *Facts) { f.say(NXDOMAIN, NXDOMAIN) }, false},
		{"no zone", func(f *Facts) { f.Steps[0].Zones, f.Steps[0].Servers = nil, nil }, true},
		{"no server", func(f *Facts) { f.Steps[0].Zones[1].Fault, f.Steps[0].Servers = "no NS", nil }, true},
		{"servers that cannot be asked", func(f *Facts) { f.Steps[0].Zones[1].Fault = "timeout"; f.say(Silent, Silent) }, false},
		{"servers unknown, and no fault", func(f *Facts) { f.Steps[0].Servers = nil }, false},
		{"not registered", func(f *Facts) { f.Steps[0].Zones = f.Steps[0].Zones[:1]; f.say(NXDOMAIN, NXDOMAIN) }, true},
		{"zone above that is silent", func(f *Facts) { f.Steps[0].Zones = f.Steps[0].Zones[:1]; f.say(Silent, Silent) }, false},
	} {
		if got := facts(t, test.change).nowhere(); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestDenialsThatCachesHeardAreTold(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cached Cached
		want   string
	}{
		{Cached{State: NXDOMAIN, Left: number(60)}, "; 10.0.0.2 has heard that and keeps it for another 1m"},
		{Cached{State: NODATA, Left: number(0)}, "; 10.0.0.2 has heard that and forgets it now"},
		{Cached{State: NXDOMAIN}, ""},
		{Cached{State: NXDOMAIN, Left: number(60), Own: true}, ""},
		{Cached{State: Positive, Left: number(60)}, ""},
		{unknown("it says " + wire.RcodeName(dns.RcodeRefused)), ""},
	} {
		f := facts(t, func(f *Facts) { f.Resolvers[0].Cached = test.cached })
		if got := f.andCaches(); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.cached, got, test.want)
		}
	}
}
