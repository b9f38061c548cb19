//go:build e2e && linux

package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// A recordSet is owner, class, type and rdata → TTL in seconds. The owner's spelling and the order do not count.
type recordSet map[string]uint32

func records(section []dns.RR) recordSet {
	set := recordSet{}
	for _, rr := range section {
		if rr.Header().Rrtype == dns.TypeOPT {
			continue
		}
		c := dns.Copy(rr)
		c.Header().Ttl = 0
		c.Header().Name = strings.ToLower(c.Header().Name)
		if cname, ok := c.(*dns.CNAME); ok {
			// What is made from a DNAME has the spelling of whoever asked first.
			cname.Target = strings.ToLower(cname.Target)
		}
		set[c.String()] = rr.Header().Ttl
	}
	return set
}

// ofType returns the records of a section that have one of the types.
func ofType(section []dns.RR, types ...uint16) []dns.RR {
	var found []dns.RR
	for _, rr := range section {
		if slices.Contains(types, rr.Header().Rrtype) {
			found = append(found, rr)
		}
	}
	return found
}

// sameRecords checks that a section has the records of another, each with a TTL that is no higher.
func sameRecords(t testing.TB, q *dns.Msg, section string, got, want []dns.RR) {
	t.Helper()
	gotSet, wantSet := records(got), records(want)
	if len(got) != len(want) {
		t.Errorf("%s: got %d records in the %s section, want %d", describe(q), len(got), section, len(want))
	}
	for rr, ttl := range wantSet {
		gotTTL, ok := gotSet[rr]
		if !ok {
			t.Errorf("%s: %s section lacks %q; got %q", describe(q), section, rr, slices.Sorted(maps.Keys(gotSet)))
		} else if gotTTL > ttl {
			t.Errorf("%s: %s section: got TTL %d of %q, want at most %d", describe(q), section, gotTTL, rr, ttl)
		}
	}
	for rr := range gotSet {
		if _, ok := wantSet[rr]; !ok {
			t.Errorf("%s: %s section has %q, which the authority does not give", describe(q), section, rr)
		}
	}
}
