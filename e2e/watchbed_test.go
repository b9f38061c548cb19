//go:build e2e && linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"notyet/e2e/testbed"
)

// Zones of a watchBed that no other bed has.
const (
	euZone      = "eu." + plainZone      // on another server than its parent
	farZone     = "far." + plainZone     // as well, and that server's name is in another zone
	stagingZone = "staging." + plainZone // as well; for one test alone
	otherZone   = "other.dev"            // not under watch
	threeZone   = "three.dev"            // on three servers
	provenZone  = "proven.dev"           // signed; Unbound has proofs of its denials
)

// A watchBed is a notyet that watches before an Unbound before the zones' own servers, which can be found: they are at port 53.
// Denials live for 60 s, and Unbound makes more of those it has (RFC 8198).
type watchBed struct {
	knots   []*testbed.Knot
	unbound *testbed.Unbound
	notyet  *testbed.Notyet
}

// owns is where a zone of the bed is changed: by its index in knots.
var owns = map[string]int{
	plainZone: 0, signedZone: 0, nsec3Zone: 0, provenZone: 0,
	euZone: 1, farZone: 1, stagingZone: 1, otherZone: 1,
}

// watching starts the bed at the first call.
var watching = sync.OnceValue(func() *watchBed {
	addrs := []netip.Addr{testbed.Address(&run), testbed.Address(&run), testbed.Address(&run)}
	apex := func(servers ...netip.Addr) string { return testbed.Apex("60", "60", servers...) }
	three := testbed.Zone{Name: threeZone, Text: apex(addrs...)}
	b := new(watchBed)
	for i, zones := range [][]testbed.Zone{
		{
			{Name: plainZone, Text: apex(addrs[0]) + `
eu          NS    ns1.eu
ns1.eu      A     ` + addrs[1].String() + `
far         NS    ns1.other.dev.
staging     NS    ns1.staging
ns1.staging A     ` + addrs[1].String() + `
old         DNAME new
`},
			{Name: signedZone, Text: apex(addrs[0]), Sign: true},
			{Name: nsec3Zone, Text: apex(addrs[0]), NSEC3: true},
			{Name: provenZone, Text: apex(addrs[0]), Sign: true},
			three,
		},
		{
			{Name: euZone, Text: apex(addrs[1])},
			{Name: farZone, Text: "$TTL 60\n@ SOA ns1.other.dev. hostmaster 1 3600 600 86400 60\n@ NS ns1.other.dev.\n"},
			{Name: stagingZone, Text: apex(addrs[1])},
			{Name: otherZone, Text: apex(addrs[1]) + "host A 192.0.2.7\nx.there A 192.0.2.7\n"},
			three,
		},
		{three},
	} {
		at := netip.AddrPortFrom(addrs[i], testbed.DNSPort)
		b.knots = append(b.knots, testbed.StartKnot(&run, testbed.KnotConfig{Addr: at, Zones: zones}))
	}
	first, second, third := b.knots[0].Addr, b.knots[1].Addr, b.knots[2].Addr
	c := testbed.UnboundConfig{
		Zones: map[string]netip.AddrPort{
			plainZone: first, signedZone: first, nsec3Zone: first, provenZone: first, otherZone: second, threeZone: third,
		},
		Options: []string{"aggressive-nsec: yes"},
	}
	for _, zone := range []string{signedZone, nsec3Zone, provenZone} {
		c.Anchors = append(c.Anchors, b.knots[0].Anchor(&run, zone, zone))
	}
	b.unbound = testbed.StartUnbound(&run, c)
	b.notyet = b.front(&run, plainZone, signedZone, nsec3Zone, threeZone)
	return b
})

// roomy is a watch's options for tests that ask about many names and aren't about the budget.
const roomy = ", upstream_after: 0s, queries_per_second: 500"

// front starts a notyet of its own before the bed's Unbound. A watch is a zone, and after a comma what differs from the
// defaults; with a zone alone roomy does.
func (b *watchBed) front(o testbed.Owner, watches ...string) *testbed.Notyet {
	o.Helper()
	var extra strings.Builder
	extra.WriteString("watch:\n")
	for _, w := range watches {
		if !strings.Contains(w, ",") {
			w += roomy
		}
		fmt.Fprintf(&extra, "  - {zone: %s}\n", w)
	}
	return testbed.StartNotyet(o, testbed.NotyetConfig{
		Binary: notyetBinary, Upstreams: []netip.AddrPort{b.unbound.Addr}, Extra: extra.String(),
	})
}

// add publishes a record, such as "www.shipit.dev. 60 A 192.0.2.7", where its zone is.
func (b *watchBed) add(record string) error {
	owner, _, _ := strings.Cut(strings.ToLower(record), ". ")
	zone := ""
	for z := range owns {
		if (owner == z || strings.HasSuffix(owner, "."+z)) && len(z) > len(zone) {
			zone = z
		}
	}
	return b.knots[owns[zone]].Change(zone, "add "+record)
}

// wantUnasked checks that Unbound was not asked about the names, nor about those above them down to the registered domain: a
// denial of those would take the names along (RFC 8020).
func (b *watchBed) wantUnasked(t testing.TB, qnames ...string) {
	t.Helper()
	asked := b.unbound.Asked()
	if len(asked) == 0 {
		t.Errorf("unbound logs no queries")
	}
	for _, qname := range qnames {
		n := strings.TrimSuffix(strings.ToLower(qname), ".") + "."
		for ; strings.Count(n, ".") > 2; n = n[strings.Index(n, ".")+1:] {
			if slices.Contains(asked, n) {
				t.Errorf("%s: got unbound asked about %s, want only the zone's own servers to be", qname, n)
			}
		}
	}
}

// newLabel is one that nobody has used.
func newLabel() string { return fmt.Sprintf("n%x", rand.Uint32()) }
