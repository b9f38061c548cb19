//go:build e2e && linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// outageQPS is the load while an upstream fails; all of it misses.
const outageQPS = 300

// unboundOfItself starts an Unbound that has the same address for every name below the plain zone, and asks nobody.
func unboundOfItself(t testing.TB, at netip.AddrPort) *testbed.Unbound {
	t.Helper()
	return unboundWithTTL(t, at, 60)
}

func unboundWithTTL(t testing.TB, at netip.AddrPort, ttl int) *testbed.Unbound {
	t.Helper()
	return testbed.StartUnbound(t, testbed.UnboundConfig{Addr: at, Options: []string{
		`local-zone: "` + plainZone + `." redirect`, fmt.Sprintf("local-data: %q", fmt.Sprintf("%s. %d A %s", plainZone, ttl, rightAddress)), "log-queries: no",
	}})
}

// upstreamUp is what the metric says of an upstream.
func upstreamUp(t testing.TB, n *testbed.Notyet, at netip.AddrPort) bool {
	t.Helper()
	return n.Metric(t, "notyet_upstream_up", `upstream="`+at.String()+`"`) == 1
}

// TestOutageUnderLoadIsHardlyNoticed has one of two upstreams fail for 4 s.
func TestOutageUnderLoadIsHardlyNoticed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		fail, heal  func(t testing.TB, u *testbed.Unbound)
		lostAtFault int // questions that were under way when it began and may have no answer
	}{
		{
			"killed and restarted",
			func(_ testing.TB, u *testbed.Unbound) { u.Signal(syscall.SIGKILL); <-u.Done() },
			func(t testing.TB, u *testbed.Unbound) { unboundOfItself(t, u.Addr) }, 3,
		},
		{
			"paused",
			func(_ testing.TB, u *testbed.Unbound) { u.Signal(syscall.SIGSTOP) },
			func(_ testing.TB, u *testbed.Unbound) { u.Signal(syscall.SIGCONT) }, 3,
		},
	} {
		t.Run(test.name, func(t *testing.T) { // one after the other: each is a load for the other tests
			first, second := unboundOfItself(t, nobody(t)), unboundOfItself(t, nobody(t))
			n := front(t, "", first.Addr, second.Addr)
			const long = 20 * time.Second
			load := startLoad(t, n.Addr, plainZone, outageQPS, long)
			<-time.After(2 * time.Second)
			test.fail(t, first)
			failed := time.Now()
			testbed.Until(t, 5*time.Second, "the upstream to be lost", func() bool { return !upstreamUp(t, n, first.Addr) })
			t.Logf("it was lost %v after it failed", time.Since(failed))
			<-time.After(time.Until(failed.Add(4 * time.Second)))
			test.heal(t, first)
			// The probes are 1, 2, 4 and 8 s apart, and each may take 2 s.
			testbed.Until(t, 2*patience, "the upstream to be back", func() bool { return upstreamUp(t, n, first.Addr) })
			t.Logf("it was back %v after it failed", time.Since(failed))
			l := endLoad(t, load)
			if got := l.failed(); got > test.lostAtFault {
				t.Errorf("got %d of %d questions without an answer, want at most %d: %v", got, l.asked(), test.lostAtFault, l.rcodes)
			}
			if got := l.later(2 * time.Second); got > l.asked()/100 {
				t.Errorf("got %d of %d answers after 2 s, want at most 1 %%", got, l.asked())
			}
			q := ask("afterwards."+plainZone, dns.TypeA)
			before := n.Metric(t, "notyet_upstream_queries_total", `upstream="`+first.Addr.String()+`"`)
			wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
			if after := n.Metric(t, "notyet_upstream_queries_total", `upstream="`+first.Addr.String()+`"`); after != before+1 {
				t.Errorf("%s: the upstream that is back was asked %v times, want once", describe(q), after-before)
			}
		})
	}
}

// TestOutageOfAllUnderLoad has both upstreams stopped for 5 s, while names are asked for whose records live for a second.
func TestOutageOfAllUnderLoad(t *testing.T) {
	t.Parallel()
	const names, long = 100, 14 * time.Second
	first, second := unboundWithTTL(t, nobody(t), 1), unboundWithTTL(t, nobody(t), 1)
	n := front(t, "", first.Addr, second.Addr)
	load := startLoadOf(t, n.Addr, plainZone, names, outageQPS, long)
	<-time.After(3 * time.Second)
	for _, u := range []*testbed.Unbound{first, second} {
		u.Signal(syscall.SIGSTOP)
		defer u.Signal(syscall.SIGCONT)
	}
	<-time.After(5 * time.Second)
	given := func() float64 {
		return n.Metric(t, "notyet_cache_hits_total", `kind="stale"`) + n.Metric(t, "notyet_queries_stale_total")
	}
	if given() == 0 {
		t.Error("got no stale answers while all upstreams are stopped, want some")
	}
	first.Signal(syscall.SIGCONT)
	second.Signal(syscall.SIGCONT)
	<-time.After(2 * time.Second)
	before := given()
	l := endLoad(t, load)
	if after := given(); after > before {
		t.Errorf("got %v stale answers from 2 s after the upstreams were back, want none", after-before)
	}
	if got := l.failed(); got > 0 {
		t.Errorf("got %d of %d questions without an answer, want none: %v", got, l.asked(), l.rcodes)
	}
	if got := l.later(2 * time.Second); got > 0 {
		t.Errorf("got %d of %d answers after 2 s, want none: there are stale ones", got, l.asked())
	}
}

// TestBadLinkIsHardlyNoticed has upstreams behind links that lose packets or take long.
func TestBadLinkIsHardlyNoticed(t *testing.T) {
	t.Parallel()
	bad := link{loss: 0.3, delay: 200 * time.Millisecond}
	for _, test := range []struct {
		name          string
		first, second link
		failed, late  float64 // percent of the questions that may fail, or take longer than 2 s
	}{
		{name: "the first loses 30 %", first: link{loss: 0.3}, late: 1},
		{name: "the first takes 200 ms", first: link{delay: bad.delay}, late: 1},
		{name: "the first loses 30 % and takes 200 ms", first: bad, late: 1},
		// Four attempts have begun within 4 s, and 0.3^4 is 0.8 %.
		{name: "both lose 30 % and take 200 ms", first: bad, second: bad, failed: 2, late: 15},
	} {
		t.Run(test.name, func(t *testing.T) { // one after the other, as above
			var upstreams []netip.AddrPort
			for _, l := range []link{test.first, test.second} {
				at := unboundOfItself(t, nobody(t)).Addr
				if l != (link{}) {
					at = startRelay(t, at, l)
				}
				upstreams = append(upstreams, at)
			}
			n := front(t, "", upstreams...)
			// What is lost at the very end would be lost in a row, as nothing is answered after it; so there is always something to come.
			startLoad(t, n.Addr, "more."+plainZone, 100, 20*time.Second)
			l := endLoad(t, startLoad(t, n.Addr, plainZone, outageQPS, 8*time.Second))
			if got := l.failed(); float64(got) > test.failed/100*float64(l.asked()) {
				t.Errorf("got %d of %d questions without an answer, want at most %v %%: %v", got, l.asked(), test.failed, l.rcodes)
			}
			if got := l.later(2 * time.Second); float64(got) > test.late/100*float64(l.asked()) {
				t.Errorf("got %d of %d answers after 2 s, want at most %v %%", got, l.asked(), test.late)
			}
			if !upstreamUp(t, n, upstreams[0]) {
				t.Error("got the first upstream down, want it up: it does answer")
			}
			t.Logf("%v questions were put to another upstream", n.Metric(t, "notyet_upstream_overtaken_total"))
		})
	}
}

// TestWrongAnswersUnderLoadAreNotNoticed has the first of two upstreams say all sorts of things that are of no use.
func TestWrongAnswersUnderLoadAreNotNoticed(t *testing.T) {
	t.Parallel()
	lies := []func(*incoming){
		func(in *incoming) { in.reply(in.deny(dns.RcodeRefused)) },
		func(in *incoming) { in.reply(in.deny(dns.RcodeServerFailure)) },
		func(in *incoming) { in.reply(in.deny(dns.RcodeSuccess, "dev. 3600 NS ns.nic.dev.")) },
		func(in *incoming) { b := mustPack(in.address(forgedAddress)); in.write(b[:len(b)-20]) },
		func(in *incoming) { m := in.address(forgedAddress); m.Id++; in.reply(m) },
		func(in *incoming) {
			m := in.address(forgedAddress)
			m.Question[0].Name = "x." + plainZone + "."
			in.reply(m)
		},
		silent,
	}
	first := startUpstream(t, func(in *incoming) { lies[rand.IntN(len(lies))](in) })
	n := front(t, "", first.addr, unboundOfItself(t, nobody(t)).Addr)
	load := startLoad(t, n.Addr, plainZone, outageQPS, 10*time.Second)
	want := []dns.RR{mustRR("x." + plainZone + ". 60 A " + rightAddress)}
	for i := range 200 {
		q := ask(fmt.Sprintf("right%d.%s", i, plainZone), dns.TypeA)
		r := over(t, "udp", n.Addr, q)
		want[0].Header().Name = q.Question[0].Name
		sameRecords(t, q, "answer", r.Answer, want)
	}
	l := endLoad(t, load)
	if l.failed() > 0 {
		t.Errorf("got %d of %d questions without an answer, want none: %v", l.failed(), l.asked(), l.rcodes)
	}
	if got := l.later(2 * time.Second); got > l.asked()/100 {
		t.Errorf("got %d of %d answers after 2 s, want at most 1 %%", got, l.asked())
	}
}
