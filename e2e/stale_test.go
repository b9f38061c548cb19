//go:build e2e && linux

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// renewedAddress is what the records have become by the time that the upstreams are back.
const renewedAddress = "192.0.2.77"

// staleTTL is the TTL that a stale answer is given with.
const staleTTL = 30

// atOnce is far less than anybody waits for an upstream, and enough for a machine that is busy.
const atOnce = time.Second

// isStale tells whether a reply says that it is past its TTL.
func isStale(r *dns.Msg) bool {
	o := r.IsEdns0()
	if o == nil {
		return false
	}
	for _, opt := range o.Option {
		if ede, ok := opt.(*dns.EDNS0_EDE); ok && ede.InfoCode == dns.ExtendedErrorCodeStaleAnswer {
			return true
		}
	}
	return false
}

// staleQuestion is the i-th of those that are asked in these tests.
func staleQuestion(i int) *dns.Msg { return ask(label(i)+plainZone, dns.TypeA, withEDNS(1232)) }

// wantStale asks all questions at once until each answer is stale, and checks it and how long it took.
func wantStale(t testing.TB, n *testbed.Notyet, most time.Duration, questions ...*dns.Msg) {
	t.Helper()
	var left []*dns.Msg
	for len(questions) > 0 && !t.Failed() {
		asked := time.Now()
		var socks []*client
		for _, q := range questions {
			c := dial(t, "udp", n.Addr)
			if err := c.send(pack(t, q)); err != nil {
				t.Fatalf("%v", err)
			}
			socks = append(socks, c)
		}
		for i, c := range socks {
			q := questions[i]
			b, err := c.receive(patience)
			if err != nil {
				t.Fatalf("%s: no answer: %v", describe(q), err)
			}
			c.Close()
			r := parse(t, q, b)
			wantRcode(t, q, r, dns.RcodeSuccess)
			if !isStale(r) {
				left = append(left, q)
				continue
			}
			if took := time.Since(asked); took > most {
				t.Errorf("%s: got a stale answer after %v, want it within %v", describe(q), took, most)
			}
			if len(r.Answer) != 1 || r.Answer[0].Header().Ttl != staleTTL {
				t.Errorf("%s: got %v, want one record with TTL %d", describe(q), r.Answer, staleTTL)
			}
		}
		questions, left = left, nil
		<-time.After(20 * time.Millisecond) // more often would be a load test
	}
}

// TestAllUpstreamsStopForAWhile has two real ones, which are stopped and go on.
func TestAllUpstreamsStopForAWhile(t *testing.T) {
	t.Parallel()
	const names = 20
	zone := testbed.UnboundConfig{Options: []string{fmt.Sprintf("local-zone: %q static", plainZone+".")}}
	for i := range names {
		zone.Options = append(zone.Options, fmt.Sprintf("local-data: %q", label(i)+plainZone+". 2 IN A "+rightAddress))
	}
	upstreams := []*testbed.Unbound{testbed.StartUnbound(t, zone), testbed.StartUnbound(t, zone)}
	n := front(t, "", upstreams[0].Addr, upstreams[1].Addr)
	questions := warm(t, n, names)
	for _, u := range upstreams {
		u.Signal(syscall.SIGSTOP)
		defer u.Signal(syscall.SIGCONT)
	}
	wantStale(t, n, 2*time.Second, questions...)
	stopped := time.Now()
	testbed.Within(12*time.Second, func() bool { // which is longer than an exchange
		wantStale(t, n, atOnce, questions...) // nobody has to wait any more
		return t.Failed()
	})
	if n.Metric(t, "notyet_cache_hits_total", `kind="stale"`) == 0 || n.Metric(t, "notyet_queries_stale_total") == 0 {
		t.Errorf("stopped for %v: got no stale answers counted, want some at once and some that were waited for", time.Since(stopped))
	}
	for _, u := range upstreams {
		u.Signal(syscall.SIGCONT)
	}
	wantFresh(t, n, questions)
}

// warm has as many answers in the cache, and returns the questions.
func warm(t testing.TB, n *testbed.Notyet, names int) (questions []*dns.Msg) {
	t.Helper()
	for i := range names {
		q := staleQuestion(i)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
		questions = append(questions, q)
	}
	return questions
}

// wantFresh asks until no answer is stale, which has to be within 2 s of the upstream's recovery, which is now.
func wantFresh(t testing.TB, n *testbed.Notyet, questions []*dns.Msg) {
	t.Helper()
	since := time.Now()
	testbed.Until(t, patience, "no stale answers", func() bool {
		fresh := true
		for _, q := range questions { // each of them, as it is being asked for that has it refreshed
			r := over(t, "udp", n.Addr, q)
			wantRcode(t, q, r, dns.RcodeSuccess)
			fresh = fresh && !isStale(r)
		}
		return fresh || t.Failed()
	})
	if took := time.Since(since); took > 2*time.Second {
		t.Errorf("got stale answers until %v after the upstream was back, want none after 2 s", took)
	}
}

func TestAllUpstreamsAreGoneForAWhile(t *testing.T) {
	t.Parallel()
	answer := func(address string) func(*incoming) {
		return func(in *incoming) { in.reply(in.answer(in.Question[0].Name + " 1 A " + address)) }
	}
	u := startUpstream(t, answer(rightAddress))
	n := front(t, "", u.addr, nobody(t))
	questions := warm(t, n, 20)
	u.stop()
	wantStale(t, n, atOnce, questions...) // it is clear at once that nobody is there
	q := ask(label(0)+plainZone, dns.TypeA)
	for _, proto := range []string{"udp", "tcp"} {
		r := over(t, proto, n.Addr, q)
		if r.IsEdns0() != nil || len(r.Answer) != 1 || r.Answer[0].Header().Ttl != staleTTL {
			t.Errorf("%s over %s: got %v, want TTL %d and no OPT", describe(q), proto, r, staleTTL)
		}
	}
	q = ask("never."+plainZone, dns.TypeA)
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeServerFailure)

	startUpstreamAt(t, u.addr, answer(renewedAddress))
	wantFresh(t, n, questions)
	q = questions[0]
	sameRecords(t, q, "answer", over(t, "udp", n.Addr, q).Answer, []dns.RR{mustRR(label(0) + plainZone + ". 1 A " + renewedAddress)})
}

func TestStaleAnswersCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.answer(in.Question[0].Name + " 1 A " + rightAddress)) })
	n := front(t, "cache: {stale: 0s}", u.addr)
	q := ask("www."+plainZone, dns.TypeA, withEDNS(1232))
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
	u.stop()
	testbed.Until(t, patience, "SERVFAIL", func() bool { return over(t, "udp", n.Addr, q).Rcode == dns.RcodeServerFailure })
}

func TestRemovedNameIsNotStale(t *testing.T) {
	t.Parallel()
	soa := plainZone + ". 300 SOA ns.shipit.dev. h.shipit.dev. 1 3600 600 86400 60"
	u := startUpstream(t, func(in *incoming) { in.reply(in.answer(in.Question[0].Name + " 1 A " + rightAddress)) })
	n := front(t, "", u.addr)
	q := ask("www."+plainZone, dns.TypeA, withEDNS(1232))
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
	u.stop()
	wantStale(t, n, atOnce, q)
	u = startUpstreamAt(t, u.addr, func(in *incoming) { in.reply(in.deny(dns.RcodeNameError, soa)) })
	testbed.Until(t, patience, "NXDOMAIN", func() bool { return over(t, "udp", n.Addr, q).Rcode == dns.RcodeNameError })
	u.stop()
	testbed.Until(t, patience, "SERVFAIL", func() bool {
		r := over(t, "udp", n.Addr, q)
		if len(r.Answer) > 0 {
			t.Errorf("%s: got %v after NXDOMAIN, want no answer", describe(q), r.Answer)
		}
		return t.Failed() || r.Rcode == dns.RcodeServerFailure
	})
}

// TestPopularAnswerIsAlwaysThere asks all the time for longer than the answer lives.
func TestPopularAnswerIsAlwaysThere(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.answer(in.Question[0].Name + " 10 A " + rightAddress)) })
	n := front(t, "", u.addr)
	q := ask("www."+plainZone, dns.TypeA)
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
	missed := n.Metric(t, "notyet_cache_misses_total")
	testbed.Within(11*time.Second, func() bool {
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
		return t.Failed()
	})
	if got := n.Metric(t, "notyet_cache_misses_total"); got != missed {
		t.Errorf("%s for 11 s with a TTL of 10 s: got %v misses, want none", describe(q), got-missed)
	}
	if asked, counted := u.count("www."+plainZone), n.Metric(t, "notyet_prefetches_total"); asked != 2 || counted != 1 {
		t.Errorf("%s: got %d questions upstream and %v prefetches counted, want 2 and 1", describe(q), asked, counted)
	}
}
