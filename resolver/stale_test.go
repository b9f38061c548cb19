package resolver

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"notyet/cache"
	"notyet/upstream"
	"notyet/upstream/upstreamtest"
	"notyet/watch"
	"notyet/wire"
)

// What a client gets when the answer, which was 192.0.2.1, is stale.
const (
	standsIn = `NOERROR A 192.0.2.1 3 "notyet: past its TTL"`
	tooLong  = standsIn + ` 22 "notyet: no upstream has answered within 1.8s"`
)

// newStaleBed makes a resolver whose cache has answers refreshed, and lets them stand in for an hour.
func newStaleBed(t testing.TB, upstreams ...Upstream) *bed {
	t.Helper()
	b := newBed(t, upstreams...)
	b.cache = cache.New(cache.Config{
		Memory: 64 << 20, MaxTTL: 24 * time.Hour, MaxNegativeTTL: 15 * time.Minute, Stale: time.Hour,
		Refresh: func(k cache.Key) bool { return b.Refresh(k) },
	}, time.Now())
	b.config.Cache = b.cache
	return b
}

// newStale makes a resolver whose cache has an answer to "www.example.com. A" that is past its TTL since a second, and
// an upstream that answers as it is told from now on.
func newStale(t testing.TB, answer func(*upstream.Exchange)) (*bed, *fake) {
	t.Helper()
	up := newFake("up", records("60 A 192.0.2.1"))
	b := newStaleBed(t, up)
	b.want("www.example.com. A", "NOERROR A 192.0.2.1", 0)
	time.Sleep(61 * time.Second)
	up.restart(answer)
	return b, up
}

// restart is change, from when on the questions and moments count.
func (f *fake) restart(answer func(*upstream.Exchange)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer, f.asked, f.began = answer, nil, time.Now()
}

func TestStaleAnswerIsGivenWhenNoUpstreamAnswersSoon(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, up := newStale(t, dead)
		b.want("www.example.com. A", tooLong, 1800*time.Millisecond)
		for range 10 { // while the exchange goes on, and afterwards
			b.want("www.example.com. A", "cached "+tooLong, 0)
			time.Sleep(300 * time.Millisecond)
		}
		if got, want := up.asks(), "0s 2s 4s"; got != want {
			t.Errorf("got the upstream asked at %s, want %s", got, want)
		}
		time.Sleep(time.Second)
		b.want("www.example.com. A", `cached `+standsIn+` 22 "notyet: up: timeout"`, 0) // all of the 5 s are over
	})
}

func TestAllWhoWaitGetTheStaleAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, up := newStale(t, dead)
		var all []<-chan answer
		for range 3 {
			all = append(all, b.start("www.example.com. A"))
			time.Sleep(500 * time.Millisecond)
		}
		for i, done := range all {
			want := answer{tooLong, 1800*time.Millisecond - time.Duration(i)*500*time.Millisecond}
			if got := b.wait(done); got != want {
				t.Errorf("query %d: got %v, want %v", i, got, want)
			}
		}
		if got := b.queries.Load(); got != 0 {
			t.Errorf("got %d queries under way, want none: all are answered", got)
		}
		// One that looked into the cache just before.
		if got := b.wait(b.start("www.example.com. A")); got != (answer{tooLong, 0}) {
			t.Errorf("after that: got %v, want %s at once", got, tooLong)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got, want := up.asks(), "0s 2s 4s"; got != want {
			t.Errorf("got the upstream asked at %s, want %s", got, want)
		}
		b.idle()
		for i, done := range all {
			if len(done) > 0 {
				t.Errorf("query %d was answered again", i)
			}
		}
	})
}

// The cache may have no room for what stands in.
func TestStaleAnswerIsGivenToWhoJoinsLater(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, _ := newStale(t, dead)
		b.want("www.example.com. A", tooLong, 1800*time.Millisecond)
		q, _ := b.question("www.example.com. A")
		b.cache.DropNegatives(q.Key.Name)
		if got := b.wait(b.start("www.example.com. A")); got != (answer{tooLong, 0}) {
			t.Errorf("got %v, want %s at once", got, tooLong)
		}
	})
}

func TestUpstreamThatIsLateRefreshesBehind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer func(*upstream.Exchange)
		want   string // from then on
	}{
		{"positive", records("60 A 192.0.2.2"), "cached NOERROR A 192.0.2.2"},
		{"NXDOMAIN", nxdomain, "cached NXDOMAIN"},
		{"SERVFAIL", rcode(dns.RcodeServerFailure), "cached " + standsIn + ` 0 "notyet: up: SERVFAIL"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b, up := newStale(t, slow(1900*time.Millisecond, tt.answer))
				b.want("www.example.com. A", tooLong, 1800*time.Millisecond)
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				b.want("www.example.com. A", tt.want, 0)
				if up.count() != 1 {
					t.Errorf("got %d questions, want 1", up.count())
				}
			})
		})
	}
}

func TestUpstreamThatAnswersInTimeIsWaitedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, _ := newStale(t, slow(1799*time.Millisecond, records("60 A 192.0.2.2")))
		b.want("www.example.com. A", "NOERROR A 192.0.2.2", 1799*time.Millisecond)
		if n := b.waits.list.Len(); n != 0 {
			t.Errorf("got %d calls waited for, want none: it has ended", n)
		}
	})
	inBubble(t, func(t *testing.T) {
		b, up := newStale(t, slow(1799*time.Millisecond, nxdomain))
		b.want("www.example.com. A", "NXDOMAIN", 1799*time.Millisecond)
		up.change(unreachable) // what was stale is gone
		time.Sleep(10 * time.Second)
		b.want("www.example.com. A", `SERVFAIL 23 "notyet: up: connection refused"`, 0)
	})
}

func TestStaleAnswerIsGivenAtOnceWhenTheUpstreamsFail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer func(*upstream.Exchange)
		why    string
		took   time.Duration
	}{
		{"SERVFAIL", rcode(dns.RcodeServerFailure), `0 "notyet: up: SERVFAIL"`, 0},
		{"SERVFAIL with an extended error", failing(dns.ExtendedErrorCodeNoReachableAuthority, "lame"), `22 "lame"`, 0},
		{"REFUSED", rcode(dns.RcodeRefused), `0 "notyet: up: REFUSED"`, 0},
		{"garbage", garbage, `24 "notyet: up: malformed message"`, 0},
		{"unreachable after a second", slow(time.Second, unreachable), `23 "notyet: up: connection refused"`, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b, up := newStale(t, tt.answer)
				want := standsIn + " " + tt.why
				b.want("www.example.com. A", want, tt.took)
				b.want("www.example.com. A", "cached "+want, 0)
				// One that looked into the cache just before.
				if got := b.wait(b.start("www.example.com. A")); got != (answer{want, 0}) || up.count() != 1 {
					t.Errorf("got %v after %d questions, want %s at once after 1", got, up.count(), want)
				}
			})
		})
	}
}

func TestVerdictOfTheUpstreamIsNotGotAround(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, up := newStale(t, failing(dns.ExtendedErrorCodeDNSBogus, "bogus"))
		b.want("www.example.com. A", `SERVFAIL 6 "bogus"`, 0)
		up.change(dead)
		time.Sleep(10 * time.Second)
		b.want("www.example.com. A", `SERVFAIL 22 "notyet: up: timeout"`, 5*time.Second)
	})
}

// RFC 8767, section 5: for 30 s nobody waits for upstreams that have just failed.
func TestUpstreamsAreAskedBehindWhileTheyFail(t *testing.T) {
	t.Parallel()
	const failed = standsIn + ` 23 "notyet: up: connection refused"`
	inBubble(t, func(t *testing.T) {
		b, up := newStale(t, unreachable)
		b.want("www.example.com. A", failed, 0)
		for range 45 {
			time.Sleep(100 * time.Millisecond)
			b.want("www.example.com. A", "cached "+failed, 0)
			synctest.Wait()
		}
		if got, want := up.asks(), "0s 1s 2s 3s 4s"; got != want {
			t.Errorf("asked every 100 ms: got the upstream asked at %s, want %s", got, want)
		}
		up.change(records("60 A 192.0.2.2"))
		time.Sleep(time.Second)
		b.want("www.example.com. A", "cached "+failed, 0) // and that is the question that brings the answer
		synctest.Wait()
		b.want("www.example.com. A", "cached NOERROR A 192.0.2.2", 0)
	})
	inBubble(t, func(t *testing.T) {
		b, up := newStale(t, unreachable)
		b.want("www.example.com. A", failed, 0)
		up.change(dead)
		time.Sleep(30*time.Second - 1)
		b.want("www.example.com. A", "cached "+failed, 0)
		time.Sleep(10 * time.Second) // that has failed 5 s later, with which the 30 s begin anew
		b.want("www.example.com. A", "cached "+standsIn+` 22 "notyet: up: timeout"`, 0)
		time.Sleep(40 * time.Second)
		b.want("www.example.com. A", tooLong, 1800*time.Millisecond) // nobody asked for so long
	})
}

func TestStaleAnswerHasAnEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, _ := newStale(t, unreachable)
		time.Sleep(time.Hour)
		b.want("www.example.com. A", `SERVFAIL 23 "notyet: up: connection refused"`, 0)
	})
	inBubble(t, func(t *testing.T) {
		b, _ := newStale(t, dead)
		time.Sleep(time.Hour - 2*time.Second) // and while it is waited for
		b.want("www.example.com. A", `SERVFAIL 22 "notyet: up: timeout"`, 5*time.Second)
	})
}

func TestNegativeIsNeverStale(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", nxdomain)
		b := newStaleBed(t, up)
		b.want("www.example.com. A", "NXDOMAIN", 0)
		up.change(dead)
		time.Sleep(10 * time.Second)
		b.want("www.example.com. A", `SERVFAIL 22 "notyet: up: timeout"`, 5*time.Second)
	})
}

// It asks for what the upstream has, and is told that.
func TestQuestionWithoutRecursionWaitsForTheUpstream(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, _ := newStale(t, dead)
		b.want("www.example.com. A +norec", `SERVFAIL 22 "notyet: up: timeout"`, 5*time.Second)
	})
}

func TestEveryQuestionHasItsOwn1800Milliseconds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		b := newStaleBed(t, up)
		const names = 50
		question := func(i int) string { return fmt.Sprintf("n%d.example.com. A", i) }
		for i := range names {
			b.ask(question(i))
		}
		time.Sleep(61 * time.Second)
		// Every third is answered before its time is over, and its call is used again.
		up.change(func(x *upstream.Exchange) {
			var i int
			if _, err := fmt.Sscanf(wire.String(x.Name), "n%d.", &i); err != nil || i%3 > 0 {
				dead(x)
				return
			}
			slow(time.Second, records("60 A 192.0.2.2"))(x)
		})
		var all []<-chan answer
		for i := range names {
			all = append(all, b.start(question(i)))
			time.Sleep(70 * time.Millisecond)
		}
		for i, done := range all {
			want := answer{tooLong, 1800 * time.Millisecond}
			if i%3 == 0 {
				want = answer{"NOERROR A 192.0.2.2", time.Second}
			}
			if got := b.wait(done); got != want {
				t.Errorf("%s: got %v, want %v", question(i), got, want)
			}
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := b.waits.list.Len(); n != 0 {
			t.Errorf("got %d calls waited for, want none", n)
		}
		b.idle()
	})
}

// A call may end, and be used for another question, just before its time is over.
func TestCallThatHasEndedIsNotOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, _ := newStale(t, dead)
		done := b.start("www.example.com. A")
		q, _ := b.question("www.example.com. A")
		ended, _ := b.question("other.example.com. A")
		s := &b.shards[q.Key.Hash()%uint64(len(b.shards))]
		s.mu.Lock()
		c := s.calls[q.Key.Hash()]
		s.mu.Unlock()
		b.standIn(c, ended.Key.Hash())
		if got := b.wait(done); got != (answer{tooLong, 1800 * time.Millisecond}) {
			t.Errorf("got %v, want the stale answer after 1.8s", got)
		}
	})
}

func TestStaleAnswersAreCounted(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, _ := newStale(t, dead)
		first, second := b.start("www.example.com. A"), b.start("www.example.com. A")
		b.wait(first)
		b.wait(second)
		b.ask("www.example.com. A")
		if got := testutil.ToFloat64(b.meter.stale); got != 2 {
			t.Errorf("got %v queries that waited in vain, want 2: the third is a hit", got)
		}
	})
}

// staleWatch watches example.com, whose own servers are not asked.
func staleWatch(t *testing.T, b *bed) {
	t.Helper()
	var err error
	b.config.Watches, err = watch.New(watch.Config{
		Watches: []watch.Zone{{Name: "example.com", Options: watch.Options{NegativeTTL: 2 * time.Second, Verify: watch.Off, QueriesPerSecond: 10}}},
		Cache:   b.cache, Log: b.config.Log, Forward: forwarder(b),
	})
	if err != nil {
		t.Fatalf("watch.New: %v", err)
	}
	running(t, b.config.Watches)
}

func TestWatchedNameHasStaleAnswersToo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, up := newStale(t, dead)
		staleWatch(t, b)
		b.want("www.example.com. A", tooLong, 1800*time.Millisecond)
		time.Sleep(10 * time.Second)
		up.change(rcode(dns.RcodeServerFailure))
		b.ask("www.example.com. A")
		synctest.Wait()
		b.want("www.example.com. A", "cached "+standsIn+` 0 "notyet: up: SERVFAIL"`, 0)

		up.change(nxdomain)
		time.Sleep(2 * time.Second)
		b.ask("www.example.com. A")
		synctest.Wait()
		const no = `cached NXDOMAIN 0 "notyet: NXDOMAIN, kept 1s instead of 60s"`
		b.want("www.example.com. A", no, 0)
		up.change(unreachable)
		time.Sleep(2 * time.Second)
		b.want("www.example.com. A", `SERVFAIL 23 "notyet: up: connection refused"`, 0)
	})
}

// The upstream is asked with its own question: an answer is not taken for one to another that looks alike.
func TestRefreshAsksTheQuestion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		b := newStaleBed(t, up)
		b.want("www.example.com. A +do +cd", "NOERROR A 192.0.2.1", 0)
		time.Sleep(61 * time.Second)
		up.change(unreachable)
		b.ask("www.example.com. A +do +cd")
		time.Sleep(2 * time.Second)
		var query *dns.Msg
		up.change(func(x *upstream.Exchange) {
			query = new(dns.Msg)
			if err := query.Unpack(x.Query); err != nil {
				t.Errorf("query %x: %v", x.Query, err)
			}
			reply(x, upstreamtest.Answer(x.Query, "60 A 192.0.2.2"))
		})
		b.ask("www.example.com. A +do +cd +norec") // which is as good as any to find out
		synctest.Wait()
		if query == nil || !query.RecursionDesired || !query.CheckingDisabled || !query.IsEdns0().Do() {
			t.Errorf("got the query %v, want it with RD, CD and DO", query)
		}
		b.want("www.example.com. A +do +cd", "cached NOERROR A 192.0.2.2", 0)
	})
}
