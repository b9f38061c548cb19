//go:build e2e && linux

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// TestNameIsVisibleWhenTheFirstOfThreeServersHasIt updates the servers of a zone one after the other. Unbound asks the third.
// Three names are waited for at the same time, each to be published at another server first.
func TestNameIsVisibleWhenTheFirstOfThreeServersHasIt(t *testing.T) {
	t.Parallel()
	b := watching()
	n := b.front(t, threeZone)
	after := someTime() // The same for all: they are polled in step.
	for _, order := range [][]int{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}} {
		t.Run(fmt.Sprintf("ns%d, then ns%d, then ns%d", order[0]+1, order[1]+1, order[2]+1), func(t *testing.T) {
			t.Parallel()
			qname := newLabel() + "." + threeZone + "."
			q := ask(qname, dns.TypeA)
			publish := func(server int) error { return b.knots[server].Change(threeZone, "add "+qname+" 1 A 192.0.2.7") }
			wantSoon(t, n.Addr, vigil{
				q: q, denied: dns.RcodeNameError, after: after,
				publish: func() error { return publish(order[0]) },
				within:  everyPoll + soon,
			})
			for _, server := range order[1:] {
				// The answer's TTL is a second, so the servers are asked again meanwhile.
				eachQuarter(2*time.Second, func() bool { wantAddress(t, n, q); return false })
				b.wantUnasked(t, qname)
				if err := publish(server); err != nil {
					t.Fatal(err)
				}
			}
			testbed.Until(t, tooLate, "the upstream to be asked about what all servers have", func() bool {
				wantAddress(t, n, q)
				return slices.Contains(b.unbound.Asked(), qname)
			})
		})
	}
}

// everyPoll is the watch's poll. Of three servers it asks two, so that one of them may have to wait for the next.
const everyPoll = time.Second

func wantAddress(t testing.TB, n *testbed.Notyet, q *dns.Msg) {
	t.Helper()
	if r := over(t, "udp", n.Addr, q); len(r.Answer) != 1 {
		t.Fatalf("%s: got %s while a server has it, want the address\n%v", describe(q), rcode(r.Rcode), r)
	}
}

// TestRemovedRecordIsNotKeptAliveByOneServer removes a record that all have from two of the three servers.
func TestRemovedRecordIsNotKeptAliveByOneServer(t *testing.T) {
	t.Parallel()
	b := watching()
	n := b.front(t, threeZone)
	qname := newLabel() + "." + threeZone + "."
	q := ask(qname, dns.TypeA)
	for _, k := range b.knots {
		k.Update(t, threeZone, "add "+qname+" 1 A 192.0.2.7")
	}
	testbed.Until(t, tooLate, "the upstream to be asked about what all servers have", func() bool {
		wantAddress(t, n, q)
		return slices.Contains(b.unbound.Asked(), qname)
	})
	for _, server := range []int{0, 2} {
		b.knots[server].Update(t, threeZone, "del "+qname+" A")
	}
	denied := func() bool { return over(t, "udp", n.Addr, q).Rcode == dns.RcodeNameError }
	removed := time.Now()
	// The TTL here and that of the upstream add up.
	testbed.Until(t, 2*time.Second+slack, "the record to be gone", denied)
	t.Logf("%s: gone %v after it was removed", describe(q), time.Since(removed).Round(time.Millisecond))
	eachQuarter(5*time.Second, func() bool {
		if !denied() {
			t.Errorf("%s: got it back %v after it was removed from two of three servers", describe(q), time.Since(removed))
		}
		return t.Failed()
	})
}
