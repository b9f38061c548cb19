package explain

import (
	"errors"
	"strings"
	"testing"
)

func printed(t *testing.T, f *Facts, colour bool) string {
	t.Helper()
	f.Verdict = conclude(f)
	var out strings.Builder
	if err := f.Write(&out, colour); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const cachedNoText = `www.shipit.dev A
  zone       shipit.dev      changed at ns1.shipit.dev, serial 7, negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)
                             delegated by dev to ns1.shipit.dev and ns2.shipit.dev
                             not signed
  servers    ns1.shipit.dev  www.shipit.dev. 60 IN A 192.0.2.7
             ns2.shipit.dev  www.shipit.dev. 60 IN A 192.0.2.7
  resolvers  10.0.0.2        will keep saying NXDOMAIN for another 24m 11s: it heard it 5m 49s ago, negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)
  notyet     not running

www.shipit.dev A is there, but 10.0.0.2 will keep saying NXDOMAIN for another 24m 11s: it heard it 5m 49s ago, negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)
  - it is over at 14:24:11: nothing but a flush there makes it sooner
  - flush www.shipit.dev at 10.0.0.2, if you may: unbound-control flush, rndc flushname
  - the next time create the record before anybody asks, or ask through notyet with a watch: notyet watch add www.shipit.dev
`

// known fills in what is known of the zone.
func known(f *Facts) {
	yes, no := true, false
	z := &f.Steps[0].Zones[1]
	z.NS, z.Delegated, z.DS, z.DNSKEY = []string{"ns1.shipit.dev.", "ns2.shipit.dev."}, &yes, &no, &no
}

func TestPageOfACachedNo(t *testing.T) {
	t.Parallel()
	f := facts(t, func(f *Facts) { known(f); f.keeps(NXDOMAIN, 1451) })
	if got := printed(t, f, false); got != cachedNoText {
		t.Errorf("got\n%s\nwant\n%s", got, cachedNoText)
	}
}

func TestPageHasColoursWhenTheyAreWanted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change func(*Facts)
		want   string
	}{
		{nil, "\n\x1b[32mwww.shipit.dev A resolves"},
		{func(f *Facts) { f.say(NXDOMAIN, NXDOMAIN) }, "\n\x1b[31mwww.shipit.dev A is not there yet"},
		{func(f *Facts) { f.say(Positive, NXDOMAIN) }, "  \x1b[31mNXDOMAIN\x1b[0m\n"},
		{func(f *Facts) { f.keeps(NXDOMAIN, 60) }, "  10.0.0.2        \x1b[31mwill keep saying NXDOMAIN"},
		{func(f *Facts) { f.Resolvers[0].Cached = Cached{State: Positive, Left: number(9)} },
			"  10.0.0.2        \x1b[32mhas the answer for another 9s\x1b[0m\n"},
		{nil, "  10.0.0.2        unknown: it says REFUSED"},
	} {
		got := printed(t, facts(t, test.change), true)
		if !strings.Contains(got, test.want) {
			t.Errorf("got %q, want %q in it", got, test.want)
		}
		if plain := printed(t, facts(t, test.change), false); strings.Contains(plain, "\x1b") {
			t.Errorf("got %q, want no escape sequence", plain)
		}
	}
}

func TestPageOfWhatResolversAndNotyetSay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change func(*Facts)
		want   string
	}{
		{func(f *Facts) {
			f.Resolvers[0].Cached = Cached{State: Positive, Left: number(9), Records: []string{"www.shipit.dev. 9 IN A 192.0.2.7"}}
		}, "10.0.0.2        has the answer for another 9s\n                             www.shipit.dev. 9 IN A 192.0.2.7\n"},
		{func(f *Facts) { f.answers(Answer{Says: Failure, Rcode: "SERVFAIL", Unchecked: true}) },
			"asked, says SERVFAIL, and without validation it has an answer\n"},
		{func(f *Facts) {
			f.answers(Answer{Says: NXDOMAIN, Rcode: "NXDOMAIN", SOA: zoneSOA(t, soaWith("1934"))})
		}, "asked, says NXDOMAIN, and keeps that for another 30m = min(SOA TTL 1934, MINIMUM 1800)\n"},
		{func(f *Facts) { f.answers(Answer{Says: NXDOMAIN, Rcode: "NXDOMAIN"}) }, "asked, says NXDOMAIN\n"},
		{func(f *Facts) { f.Resolvers[0].Cached = Cached{State: Positive, Left: number(0)} }, "10.0.0.2        has the answer, and forgets it now\n"},
		{func(f *Facts) {
			f.Resolvers[0].DomainSOA = &SOA{Owner: "shipit.dev.", MName: "ad.corp.", Serial: 42, TTL: 60, Minimum: 60}
		}, "has another zone shipit.dev: changed at ad.corp, serial 42, negative TTL 1m = min(SOA TTL 60, MINIMUM 60)\n"},
		{func(f *Facts) { f.Notyet = &Notyet{Fault: "send the token"} }, "notyet     unknown         send the token\n"},
		{func(f *Facts) { f.Admin = "127.0.0.1:8053" }, "notyet     not running     nobody listens at 127.0.0.1:8053\n"},
		{func(f *Facts) { f.Notyet = &Notyet{Watch: "dev.", Degraded: "no server"} }, "under the watch dev, which is degraded: no server\n"},
		{func(f *Facts) {
			f.Notyet = &Notyet{Watch: "dev.", Cached: []Cached{{Type: "A", State: NXDOMAIN, Left: number(2)}}}
		},
			"under the watch dev\n                             A: will keep saying NXDOMAIN for another 2s\n"},
		{func(f *Facts) { f.Steps[0].Zones[1] = Zone{Apex: "shipit.dev.", Fault: "timeout"} }, "shipit.dev      cannot be asked: timeout\n"},
		{func(f *Facts) { f.say(NODATA, NODATA); f.Steps[0].Types = []string{"MX"} }, "types      www.shipit.dev  has MX\n"},
		{func(f *Facts) { f.cname("lb.shipit.dev.", Positive, Positive) }, "\n\nlb.shipit.dev A\n"},
	} {
		if got := printed(t, facts(t, test.change), false); !strings.Contains(got, test.want) {
			t.Errorf("got no %q in\n%s", test.want, got)
		}
	}
}

func TestSignaturesInWords(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, test := range []struct {
		ds, key *bool
		want    string
	}{
		{nil, nil, ""}, {&yes, nil, ""},
		{&no, &no, "not signed"}, {nil, &no, "not signed"},
		{&yes, &no, "not signed, although the zone above has a DS: who validates cannot resolve it"},
		{&yes, &yes, "signed, with a DS in the zone above"},
		{&no, &yes, "signed, without a DS in the zone above: nobody validates it"},
		{nil, &yes, "signed; whether the zone above has a DS is not known"},
	} {
		if got := (&Zone{DS: test.ds, DNSKEY: test.key}).signed(); got != test.want {
			t.Errorf("DS %v, DNSKEY %v: got %q, want %q", test.ds, test.key, got, test.want)
		}
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left")

func TestPageThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	if err := facts(t, nil).Write(fullDisk{}, false); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}
