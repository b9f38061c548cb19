package resolver

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
)

// askMany asks that many different questions, one after the other.
func (b *bed) askMany(n int) {
	b.t.Helper()
	for range n {
		b.asked++
		b.ask(fmt.Sprintf("n%d.example.com. A", b.asked))
	}
}

// checked is how many upstreams are probed because they are down.
func (b *bed) checked() int {
	b.checks.mu.Lock()
	defer b.checks.mu.Unlock()
	return len(b.checks.all)
}

func TestUpstreamThatFailsThreeTimesInARowIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer func(*upstream.Exchange)
		down   bool
	}{
		{"a timeout", dead, true},
		{"a refused connection", unreachable, true},
		{"garbage", garbage, true},
		{"REFUSED", rcode(dns.RcodeRefused), true},
		{"a referral", referral, true},
		{"SERVFAIL: it is the zone's", rcode(dns.RcodeServerFailure), false},
		{"NOTIMP: it is the question's", rcode(dns.RcodeNotImplemented), false},
		{"NXDOMAIN", nxdomain, false},
		{"too much under way: it is ours", func(x *upstream.Exchange) { x.Done(nil, upstream.ErrBusy) }, false},
		{"stopped: it is ours", func(x *upstream.Exchange) { x.Done(nil, upstream.ErrStopped) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				bad, good := newFake("bad", tt.answer), newFake("good", slow(2*time.Second, records("60 A 192.0.2.1")))
				b := newBed(t, bad, good)
				var all []<-chan answer
				for i := range 3 { // no probe comes before they have failed
					all = append(all, b.start(fmt.Sprintf("first%d.example.com. A", i)))
				}
				for _, done := range all {
					b.wait(done)
				}
				good.change(records("60 A 192.0.2.1"))
				b.askMany(17)
				// The first two may be put to it once more, as they time out before the third does.
				if got := bad.count(); tt.down && got > 5 || !tt.down && got != 20 {
					t.Errorf("got %d of 20 questions, want it left alone: %v", got, tt.down)
				}
				if got := bad.health.Down(); got != tt.down {
					t.Errorf("got down %v, want %v", got, tt.down)
				}
			})
		})
	}
}

// The name's own servers may be dead; a client asks for its addresses, again and again.
func TestNameThatNobodyAnswersDoesNotTakeAnUpstreamDown(t *testing.T) {
	t.Parallel()
	for _, upstreams := range []int{1, 2} {
		inBubble(t, func(t *testing.T) {
			var fakes []*fake
			var all []Upstream
			for i := range upstreams {
				f := newFake(fmt.Sprintf("up%d", i), dead) // also to probes, which say nothing against it
				fakes, all = append(fakes, f), append(all, f)
			}
			b := newBed(t, all...)
			for range 5 {
				both := []<-chan answer{b.start("dead.example.com. A"), b.start("dead.example.com. AAAA")}
				for _, done := range both {
					b.wait(done)
				}
				time.Sleep(40 * time.Second) // no failure is kept for longer
			}
			for _, f := range fakes {
				if f.health.Down() {
					t.Errorf("%d upstreams: got %s down for one name, want it up", upstreams, f)
				}
			}
			b.askMany(2)
			for _, f := range fakes {
				if !f.health.Down() {
					t.Errorf("%d upstreams: got %s up after three names, want it down", upstreams, f)
				}
			}
		})
	}
}

// Then it isn't the name that is dead, whenever the others have their turn.
func TestNameThatOthersAnswerTakesASilentUpstreamDown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", dead), newFake("two", slow(ms, records("0 A 192.0.2.2")))
		b := newBed(t, one.usually(time.Second), two) // it times out before the other is asked
		b.budget.saved.Store(-1000)
		for i, want := range []time.Duration{2001 * ms, 2001 * ms, 2001 * ms, ms} {
			b.want("www.example.com. A", "NOERROR A 192.0.2.2", want)
			if got, want := one.health.Down(), i >= 2; got != want {
				t.Errorf("got down %v after %d questions, want %v", got, i+1, want)
			}
		}
	})
}

func TestUpstreamThatAnswersInBetweenIsNotLeftAlone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		bad, good := newFake("bad", nil), newFake("good", records("60 A 192.0.2.1"))
		b := newBed(t, bad, good)
		for range 5 {
			bad.change(unreachable)
			b.askMany(2)
			bad.change(nxdomain)
			b.askMany(1)
		}
		if bad.count() != 15 {
			t.Errorf("got %d of 15 questions, want all", bad.count())
		}
	})
}

func TestUpstreamThatIsDownIsProbedUntilItAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		bad  func(*upstream.Exchange)
		want string // when it is probed; the third failure is at the start
	}{
		// From the end of a probe to the next.
		{"unreachable", unreachable, "1s 3s 7s 15s 31s 1m1s 1m31s"},
		{"refusing", rcode(dns.RcodeRefused), "1s 3s 7s 15s 31s 1m1s 1m31s"},
		{"silent", func(x *upstream.Exchange) {
			if x.Type == dns.TypeTXT { // a probe
				dead(x)
				return
			}
			unreachable(x)
		}, "1s 5s 11s 21s 39s 1m11s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				bad, good := newFake("bad", tt.bad), newFake("good", records("60 A 192.0.2.1"))
				b := newBed(t, bad, good)
				b.askMany(3)
				time.Sleep(100 * time.Second)
				if got := bad.probes(); got != tt.want {
					t.Errorf("got probes at %q, want %q", got, tt.want)
				}
				b.askMany(5)
				if bad.count() != 3 {
					t.Errorf("got %d questions while it is down, want none", bad.count()-3)
				}
				bad.change(nxdomain)
				time.Sleep(32 * time.Second)
				b.askMany(5)
				if bad.count() != 8 {
					t.Errorf("got %d of 5 questions once a probe was answered, want all", bad.count()-3)
				}
				probes := len(bad.probed)
				time.Sleep(time.Hour)
				if got := len(bad.probed); got != probes {
					t.Errorf("got %d probes more once it is up, want none", got-probes)
				}
				lines := b.log.lines()
				if len(lines) != 2 || !strings.Contains(lines[0], `level=WARN msg="upstream lost" upstream=bad err=`) ||
					!strings.Contains(lines[1], `level=INFO msg="upstream back" upstream=bad`) {
					t.Errorf("got log %q, want that it was lost and is back", lines)
				}
			})
		})
	}
}

// An upstream may refuse all but the zones it has; that shows that it is there.
func TestAnyReplyToAProbeShowsThatTheUpstreamIsBackUnlessItWasLostForThat(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		bad, then func(*upstream.Exchange)
		down      bool // at the end
	}{
		{"refuses the probe", unreachable, rcode(dns.RcodeRefused), false},
		{"refuses, and goes on", rcode(dns.RcodeRefused), rcode(dns.RcodeRefused), true},
		{"refuses, and then fails", rcode(dns.RcodeRefused), rcode(dns.RcodeServerFailure), false},
		{"garbage, and goes on", garbage, garbage, true},
		{"garbage, and then refuses", garbage, rcode(dns.RcodeRefused), false},
		{"unreachable, and then silent", unreachable, dead, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				bad := newFake("bad", tt.bad)
				b := newBed(t, bad, newFake("good", records("60 A 192.0.2.1")))
				b.askMany(3)
				bad.change(tt.then)
				time.Sleep(20 * time.Second)
				if got := bad.health.Down(); got != tt.down {
					t.Errorf("got down %v, want %v", got, tt.down)
				}
			})
		})
	}
}

// Whoever comes back for a moment is not probed as rarely as before.
func TestUpstreamThatIsLostAgainIsProbedAfterASecond(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		bad, good := newFake("bad", unreachable), newFake("good", records("60 A 192.0.2.1"))
		b := newBed(t, bad, good)
		b.askMany(3)
		time.Sleep(20 * time.Second)    // the next probe is at 31 s
		bad.health.Answered(time.Now()) // by a late reply, say
		b.back(bad)
		bad.mu.Lock()
		bad.probed = nil
		bad.mu.Unlock()
		b.askMany(3)
		time.Sleep(8 * time.Second)
		if got, want := bad.probes(), "21s 23s 27s"; got != want {
			t.Errorf("got probes at %q, want %q", got, want)
		}
		if n := b.checked(); n != 1 {
			t.Errorf("got %d upstreams that are probed, want 1", n)
		}
	})
}

// Two questions may find out at the same time.
func TestUpstreamThatIsLostTwiceIsProbedOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		bad := newFake("bad", unreachable)
		b := newBed(t, bad, newFake("good", records("60 A 192.0.2.1")))
		b.askMany(3)
		time.Sleep(500 * time.Millisecond)
		b.lost(b.routes.Load().root, bad, "connection refused")
		time.Sleep(5 * time.Second)
		if got, want := bad.probes(), "1.5s 3.5s"; got != want {
			t.Errorf("got probes at %q, want %q", got, want)
		}
	})
}

func TestProbingEndsWithTheUpstream(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		bad, good := newFake("bad", unreachable), newFake("good", records("60 A 192.0.2.1"))
		b := newBed(t, bad, good)
		b.askMany(3)
		bad.change(func(x *upstream.Exchange) { x.Done(nil, upstream.ErrStopped) })
		time.Sleep(time.Hour)
		if got := bad.probes(); got != "1s" {
			t.Errorf("got probes at %q, want one", got)
		}
		if n := b.checked(); n != 0 {
			t.Errorf("got %d upstreams that are probed, want none", n)
		}
	})
}

func TestUpstreamsAreTriedAllTheSameWhenAllAreDown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", unreachable), newFake("two", unreachable)
		b := newBed(t, one, two)
		b.askMany(10)
		if one.count() != 10 || two.count() != 10 {
			t.Errorf("got %d and %d of 10 questions, want all at both", one.count(), two.count())
		}
		two.change(records("60 A 192.0.2.1"))
		b.want("www.example.com. A", "NOERROR A 192.0.2.1", 0) // without waiting for a probe
		before := one.count()
		b.askMany(5)
		if one.count() != before || two.count() != 16 {
			t.Errorf("once one is back: got %d and %d of 5 questions, want all at that one", one.count()-before, two.count()-11)
		}
	})
}

func TestOnlyUpstreamIsAskedAlsoWhenItIsDown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", unreachable)
		b := newBed(t, up)
		b.askMany(10)
		if up.count() != 10 || !up.health.Down() {
			t.Errorf("got %d of 10 questions and down %v, want all, and down", up.count(), up.health.Down())
		}
		up.change(records("60 A 192.0.2.1"))
		b.want("www.example.com. A", "NOERROR A 192.0.2.1", 0)
		if up.health.Down() {
			t.Error("got it down after an answer, want it up")
		}
	})
}

// That a zone is broken is told at once, and not when those who are down have timed out too.
func TestUpstreamThatIsDownIsNotAskedForASecondOpinion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		bad, good := newFake("bad", unreachable), newFake("good", rcode(dns.RcodeServerFailure))
		b := newBed(t, bad, good)
		b.askMany(3)
		bad.change(dead)
		b.want("www.example.com. A", `SERVFAIL 0 "notyet: good: SERVFAIL"`, 0)
	})
}

// A question that has been under way for long leaves no time to the upstream that is asked last.
func TestUpstreamThatHadNoTimeHasNotFailed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", slow(4800*time.Millisecond, rcode(dns.RcodeServerFailure))), newFake("two", dead)
		b := newBed(t, one, two)
		for range 3 {
			two.health.Failed(time.Now()) // so that it isn't asked at first
		}
		var all []<-chan answer
		for i := range 3 {
			all = append(all, b.start(fmt.Sprintf("n%d.example.com. A", i)))
		}
		time.Sleep(4 * time.Second)
		two.health.Answered(time.Now())
		for _, done := range all {
			if got := b.wait(done); got.took != 5*time.Second {
				t.Errorf("got %s after %v, want it after 5 s", got.text, got.took)
			}
		}
		if got := two.asks(); got != "4.8s 4.8s 4.8s" || two.health.Down() {
			t.Errorf("got asked at %q and down %v, want three times at 4.8 s, and up", got, two.health.Down())
		}
	})
}

// What is down in one route is down in the others: it is the same server.
func TestHealthIsThatOfTheUpstreamInEveryRoute(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		bad, good := newFake("bad", unreachable), newFake("good", records("60 A 192.0.2.1"))
		b := newBedOf(t, Config{Routes: []Route{
			{Zone: zone(t, "."), Upstreams: []Upstream{bad, good}},
			{Zone: zone(t, "cluster.local."), Upstreams: []Upstream{bad, good}},
		}})
		b.askMany(3)
		b.want("www.cluster.local. A", "NOERROR A 192.0.2.1", 0)
		if bad.count() != 3 {
			t.Errorf("got %d questions, want none once it is down", bad.count())
		}
	})
}

func TestRandomPolicySharesWhatIsLeftEvenly(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		var fakes []*fake
		var upstreams []Upstream
		for i := range 4 {
			f := newFake(fmt.Sprintf("up%d", i), records("0 A 192.0.2.1"))
			fakes, upstreams = append(fakes, f), append(upstreams, f)
		}
		for range 3 {
			fakes[0].health.Failed(time.Now())
		}
		b := newBedOf(t, Config{Routes: []Route{{Zone: []byte{0}, Upstreams: upstreams, Policy: Random}}})
		const questions = 3000
		b.askMany(questions)
		for i, f := range fakes[1:] {
			// 1,000 of 3,000, and a little more for the first of them, when the one before has been drawn four times.
			if n := f.count(); n < 850 || n > 1150 {
				t.Errorf("up%d: got %d of %d questions, want a third", i+1, n, questions)
			}
		}
	})
}

// There is no room for a name of ours below such a zone; still the upstream has to be found again.
func TestUpstreamOfALongZoneIsProbedByTheZoneItself(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		text := strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456.", 4)
		long := zone(t, text)
		var probed []string
		bad := newFake("bad", unreachable)
		b := newBedOf(t, Config{Routes: []Route{
			{Zone: zone(t, "."), Upstreams: []Upstream{newFake("root", nxdomain)}},
			{Zone: long, Upstreams: []Upstream{bad}},
		}})
		for range 3 {
			b.wait(b.forward("x." + text + " A"))
		}
		bad.change(func(x *upstream.Exchange) {
			probed = append(probed, dns.Type(x.Type).String())
			if string(x.Name) != string(long) {
				t.Errorf("got a probe for %q, want one for the zone", x.Name)
			}
			nxdomain(x)
		})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(probed) != 1 || bad.health.Down() {
			t.Errorf("got probes %q and down %v, want one, and the upstream up", probed, bad.health.Down())
		}
	})
}

func TestLostUpstreamIsToldOnceAndWhy(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", func(x *upstream.Exchange) { x.Done(nil, errors.New("no route to host")) })
		b := newBed(t, up)
		b.askMany(50)
		synctest.Wait()
		lines := b.log.lines()
		if len(lines) != 1 || !strings.Contains(lines[0], `err="no route to host"`) {
			t.Errorf("got log %q, want one line with the reason", lines)
		}
	})
}
