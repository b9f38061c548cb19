//go:build e2e && linux

package e2e

import (
	"slices"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// TestPoisonedUpstreamIsOverruled has an upstream that will deny the name for a minute, because somebody else asked it.
func TestPoisonedUpstreamIsOverruled(t *testing.T) {
	t.Parallel()
	b := watching()
	for _, poison := range []struct {
		name  string
		zone  string
		asked string // the end of the label that somebody asked Unbound about
		qname string // the end of the one that the client waits for
	}{
		{"asked for the same name", plainZone, "-a", "-a"},
		{"synthesised from the proof for another name", provenZone, "-a", "-b"},
	} {
		for _, verify := range []string{"before", "after"} {
			t.Run(poison.name+"/verify "+verify, func(t *testing.T) {
				t.Parallel()
				n := b.front(t, poison.zone+", upstream_after: 0s, verify: "+verify)
				label := newLabel()
				name := func(end string) string { return label + end + "." + poison.zone + "." }
				q := ask(name(poison.qname), dns.TypeA)
				wantPoisoned(t, b.unbound, ask(name(poison.asked), dns.TypeA))
				s := wantSoon(t, n.Addr, vigil{
					q: q, denied: dns.RcodeNameError, after: someTime(),
					publish: func() error { return b.add(q.Question[0].Name + " 1 A 192.0.2.7") },
				})
				wantPoisoned(t, b.unbound, q)
				if got := n.Metric(t, "notyet_watch_rescues_total"); got < 1 {
					t.Errorf("notyet_watch_rescues_total: got %v %v after it was published, want 1", got, s.took())
				}
				wantStaysThere(t, b, n, q)
			})
		}
	}
}

func wantPoisoned(t testing.TB, u *testbed.Unbound, q *dns.Msg) {
	t.Helper()
	if r := direct(t, u.Addr, q); r.Rcode != dns.RcodeNameError {
		t.Fatalf("%s: got %s from the upstream, want NXDOMAIN", describe(q), rcode(r.Rcode))
	}
}

// wantStaysThere asks until the upstream, which denies the name, has been asked for it twice because the answer's TTL
// of a second was over.
func wantStaysThere(t testing.TB, b *watchBed, n *testbed.Notyet, q *dns.Msg) {
	t.Helper()
	asked := func() int {
		return len(slices.DeleteFunc(b.unbound.Asked(), func(qname string) bool { return qname != q.Question[0].Name }))
	}
	before := asked()
	testbed.Until(t, tooLate, "the upstream to be asked about "+q.Question[0].Name, func() bool {
		if r := over(t, "udp", n.Addr, q); len(r.Answer) != 1 {
			t.Fatalf("%s: got %s once it was visible, want the address\n%v", describe(q), rcode(r.Rcode), r)
		}
		return asked() >= before+2
	})
}
