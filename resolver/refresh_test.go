package resolver

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"notyet/cache"
	"notyet/upstream"
	"notyet/upstream/upstreamtest"
)

func TestAnswerThatIsAskedForIsHadAnewBeforeItExpires(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		b := newStaleBed(t, up)
		b.ask("www.example.com. A")
		up.change(slow(time.Second, records("60 A 192.0.2.2")))
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
			if got := b.ask("www.example.com. A"); !strings.HasPrefix(got.text, "cached NOERROR") {
				t.Errorf("got %s, want an answer from the cache all the time", got.text)
			}
		}
		if got, want := up.asks(), "0s 54s 1m49s"; got != want {
			t.Errorf("got the upstream asked at %s, want %s", got, want)
		}
		b.want("www.example.com. A", "cached NOERROR A 192.0.2.2", 0)
		if got := testutil.ToFloat64(b.meter.prefetches); got != 2 {
			t.Errorf("got %v prefetches counted, want 2", got)
		}
	})
}

func TestAnswerUnderWatchIsHadAnewBeforeItExpires(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		b := newStaleBed(t, up)
		staleWatch(t, b)
		b.ask("www.example.com. A")
		time.Sleep(55 * time.Second)
		b.ask("www.example.com. A")
		time.Sleep(10 * time.Second)
		b.want("www.example.com. A", "cached NOERROR A 192.0.2.1", 0)
		if got, want := up.asks(), "0s 55s"; got != want {
			t.Errorf("got the upstream asked at %s, want %s", got, want)
		}
	})
}

func TestAnswerThatNobodyAsksForIsNotHadAnew(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		b := newStaleBed(t, up)
		b.ask("www.example.com. A")
		time.Sleep(53 * time.Second)
		b.ask("www.example.com. A")
		time.Sleep(time.Minute)
		if up.count() != 1 {
			t.Errorf("got %d questions, want 1", up.count())
		}
	})
}

func TestPrefetchThatFailsHarmsNobody(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		b := newStaleBed(t, up)
		b.ask("www.example.com. A")
		up.change(unreachable)
		time.Sleep(59 * time.Second)
		for range 3 {
			b.want("www.example.com. A", "cached NOERROR A 192.0.2.1", 0)
			synctest.Wait()
		}
		if got, want := up.asks(), "0s 59s"; got != want {
			t.Errorf("got the upstream asked at %s, want %s", got, want)
		}
		time.Sleep(time.Second)
		b.want("www.example.com. A", "cached "+standsIn+` 23 "notyet: up: connection refused"`, 0)
	})
}

func TestPrefetchThatIsDeniedReplacesTheAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		b := newStaleBed(t, up)
		b.ask("www.example.com. A")
		up.change(nxdomain)
		time.Sleep(59 * time.Second)
		b.ask("www.example.com. A")
		synctest.Wait()
		b.want("www.example.com. A", "cached NXDOMAIN", 0)
	})
}

// The prefetch begins at 9.5 s and fails at 14.5 s; the answer is past its TTL at 10 s.
func TestWhoWaitsForAPrefetchDoesNotWaitLong(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("10 A 192.0.2.1"))
		b := newStaleBed(t, up)
		b.ask("www.example.com. A")
		up.change(dead)
		time.Sleep(9500 * time.Millisecond)
		b.ask("www.example.com. A")
		time.Sleep(time.Second)
		first := b.start("www.example.com. A")
		time.Sleep(time.Second)
		second := b.start("www.example.com. A")
		for done, want := range map[<-chan answer]answer{first: {tooLong, 1800 * time.Millisecond}, second: {tooLong, 800 * time.Millisecond}} {
			if got := b.wait(done); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		if got, want := up.asks(), "0s 9.5s 11.5s"; got != want {
			t.Errorf("got the upstream asked at %s, want %s", got, want)
		}
	})
}

func TestNothingIsRefreshedThatIsGone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", nxdomain)
		b := newStaleBed(t, up)
		b.ask("gone.example.com. A")
		for _, question := range []string{"gone.example.com. A", "never.example.com. A"} {
			q, _ := b.question(question)
			b.Refresh(q.Key)
		}
		if up.count() != 1 || b.behind.underWay != 0 {
			t.Errorf("got %d questions and %d under way, want 1 and none", up.count(), b.behind.underWay)
		}
		b.idle()
	})
}

func TestRefreshIsShedWhenTooMuchIsUnderWay(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, up := newStale(t, records("60 A 192.0.2.2"))
		q, _ := b.question("www.example.com. A")
		b.exchanges.Add(maxExchanges)
		b.Refresh(q.Key)
		b.exchanges.Add(-maxExchanges)
		if up.count() != 0 || b.behind.underWay != 0 {
			t.Errorf("got %d questions and %d under way, want none", up.count(), b.behind.underWay)
		}
		b.idle()
	})
}

func TestBudgetOfWhatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var b behind
	take := func(after time.Duration, missed int64) (n int) {
		for b.begin(began.Add(after), missed) {
			n++
			if n > 10*maxBehind {
				t.Fatalf("at %v: got no end", after)
			}
		}
		return n
	}
	ended := func(n int, why purpose, e *cache.Entry) {
		for range n {
			b.end(why, e)
		}
	}
	failed := cache.Failure(cache.Key{Name: []byte{0}}, nil)
	for _, tt := range []struct {
		name   string
		after  time.Duration
		missed int64 // exchanges for clients so far
		want   int
	}{
		{"as many as may be under way", 0, 0, maxBehind},
		{"at once again", 0, 0, 0},
		{"100 ms later", 100 * time.Millisecond, 0, 5},
		{"a minute later", time.Minute, 0, maxBehind},
		{"after 200 exchanges for clients", time.Minute, 200, 20},
		{"after as many", time.Minute, 200, 0},
		{"by a clock that was read before", time.Minute - time.Second, 100, 0},
	} {
		if got := take(tt.after, tt.missed); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
		ended(b.underWay, toRecover, failed)
	}

	b = behind{}
	take(0, 0)
	if got := take(time.Hour, 0); got != 0 {
		t.Errorf("with %d under way: got %d more, want none", maxBehind, got)
	}
}

// 500 names are asked for every 100 ms while the upstream is dead, and again when it is back.
func TestUpstreamThatIsDeadIsNotFloodedAndOneThatIsBackSoonHeard(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]func(*upstream.Exchange){"unreachable": unreachable, "silent": dead} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				const names = 500
				up := newFake("up", records("10 A 192.0.2.1"))
				b := newStaleBed(t, up)
				askAll := func() (stale int) {
					for i := range names {
						if b.isStale(fmt.Sprintf("n%d.example.com. A", i)) {
							stale++
						}
					}
					synctest.Wait()
					return stale
				}
				askAll()
				time.Sleep(20 * time.Second)
				up.change(failing)
				askAll()
				time.Sleep(10 * time.Second)
				before := up.count()
				const during = 10 * time.Second
				for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
					if got := askAll(); got != names {
						t.Fatalf("got %d stale answers at once, want %d", got, names)
					}
				}
				// Each exchange may be three packets.
				if got, most := up.count()-before, 3*(maxBehind+int(during.Seconds())*behindRate); got > most || got == 0 {
					t.Errorf("got %d questions in %v, want some, and at most %d", got, during, most)
				}
				up.change(slow(5*time.Millisecond, func(x *upstream.Exchange) { reply(x, upstreamtest.Answer(x.Query, "60 A 192.0.2.2")) }))
				for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
					askAll()
				}
				if got := askAll(); got != 0 {
					t.Errorf("2 s after the upstream is back: got %d stale answers, want none", got)
				}
			})
		})
	}
}

// isStale asks without waiting, and reports whether the answer comes at once and is stale.
func (b *bed) isStale(question string) bool {
	b.t.Helper()
	q, _ := b.question(question)
	if e := new(cache.Entry); b.cache.Get(e, q.Key, time.Now()) {
		return e.Stale()
	}
	q.Done = func(*cache.Entry) {}
	b.Serve(&q)
	return false
}
