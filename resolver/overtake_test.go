package resolver

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"notyet/upstream"
	"notyet/upstream/upstreamtest"
)

const ms = time.Millisecond

// usually makes an upstream one that usually takes so long.
func (f *fake) usually(d time.Duration) *fake {
	for range 20 {
		f.health.Took(d)
	}
	return f
}

// forgetful is an upstream of which nothing is ever known.
type forgetful struct{ *fake }

func (forgetful) Health() *upstream.Health { return upstream.NewHealth() }

func TestSlowUpstreamIsOvertaken(t *testing.T) {
	t.Parallel()
	first, second := records("60 A 192.0.2.1"), records("60 A 192.0.2.2")
	tests := []struct {
		name      string
		usual     time.Duration // of the first
		upstreams []func(*upstream.Exchange)
		want      string
		took      time.Duration
		asks      []string // of each
	}{
		{
			name: "in time", usual: 20 * ms, upstreams: []func(*upstream.Exchange){slow(49*ms, first), second},
			want: "NOERROR A 192.0.2.1", took: 49 * ms, asks: []string{"0s", ""},
		},
		{
			name: "late", usual: 20 * ms, upstreams: []func(*upstream.Exchange){slow(300*ms, first), slow(10*ms, second)},
			want: "NOERROR A 192.0.2.2", took: 60 * ms, asks: []string{"0s", "50ms"},
		},
		{
			name: "as slow as usual", usual: 250 * ms, upstreams: []func(*upstream.Exchange){slow(249*ms, first), second},
			want: "NOERROR A 192.0.2.1", took: 249 * ms, asks: []string{"0s", ""},
		},
		{
			name: "slower than usual", usual: 250 * ms, upstreams: []func(*upstream.Exchange){slow(900*ms, first), slow(10*ms, second)},
			want: "NOERROR A 192.0.2.2", took: 260 * ms, asks: []string{"0s", "250ms"},
		},
		{
			name: "late, and the first all the same", usual: 20 * ms, upstreams: []func(*upstream.Exchange){slow(60*ms, first), slow(30*ms, second)},
			want: "NOERROR A 192.0.2.1", took: 60 * ms, asks: []string{"0s", "50ms"},
		},
		{
			name: "a denial is an answer", usual: 20 * ms, upstreams: []func(*upstream.Exchange){slow(300*ms, first), slow(10*ms, nxdomain)},
			want: "NXDOMAIN", took: 60 * ms, asks: []string{"0s", "50ms"},
		},
		{
			name: "the second fails", usual: 20 * ms,
			upstreams: []func(*upstream.Exchange){slow(300*ms, first), rcode(dns.RcodeServerFailure)},
			want:      "NOERROR A 192.0.2.1", took: 300 * ms, asks: []string{"0s", "50ms"},
		},
		{
			name: "the second fails, and the third is asked", usual: 20 * ms,
			upstreams: []func(*upstream.Exchange){slow(300*ms, first), rcode(dns.RcodeServerFailure), slow(10*ms, second)},
			want:      "NOERROR A 192.0.2.2", took: 60 * ms, asks: []string{"0s", "50ms", "50ms"},
		},
		{
			name: "both are slow, and a third waits its turn", usual: 20 * ms,
			upstreams: []func(*upstream.Exchange){slow(400*ms, first), slow(400*ms, second), second},
			want:      "NOERROR A 192.0.2.1", took: 400 * ms, asks: []string{"0s", "50ms", ""},
		},
		{
			name: "the first fails late", usual: 20 * ms,
			upstreams: []func(*upstream.Exchange){slow(300*ms, rcode(dns.RcodeRefused)), slow(400*ms, second)},
			want:      "NOERROR A 192.0.2.2", took: 450 * ms, asks: []string{"0s", "50ms"},
		},
		{
			name: "alone", usual: 20 * ms, upstreams: []func(*upstream.Exchange){slow(300*ms, first)},
			want: "NOERROR A 192.0.2.1", took: 300 * ms, asks: []string{"0s"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				var fakes []*fake
				var upstreams []Upstream
				for i, answer := range tt.upstreams {
					fakes = append(fakes, newFake(fmt.Sprintf("up%d", i), answer))
					upstreams = append(upstreams, fakes[i])
				}
				fakes[0].usually(tt.usual)
				b := newBed(t, upstreams...)
				b.want("www.example.com. A", tt.want, tt.took)
				time.Sleep(5 * time.Second) // for late replies
				for i, f := range fakes {
					if got := f.asks(); got != tt.asks[i] {
						t.Errorf("%s: got asked at %q, want %q", f, got, tt.asks[i])
					}
				}
				b.idle()
			})
		})
	}
}

func TestUpstreamThatIsDownOvertakesNobody(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", slow(300*ms, records("60 A 192.0.2.1"))), newFake("two", records("60 A 192.0.2.2"))
		three := newFake("three", slow(10*ms, records("60 A 192.0.2.3")))
		for range 3 {
			two.health.Failed(time.Now())
		}
		newBed(t, one, two, three).want("www.example.com. A", "NOERROR A 192.0.2.3", 60*ms)
		if two.count() != 0 {
			t.Errorf("got %d questions at the one that is down, want none", two.count())
		}
	})
}

// An upstream may get slower: then its usual time does too.
func TestUpstreamThatIsAlwaysSlowIsNotOvertakenForLong(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one := newFake("one", func(x *upstream.Exchange) { slow(180*ms+rand.N(20*ms), records("0 A 192.0.2.1"))(x) })
		two := newFake("two", slow(20*ms, records("0 A 192.0.2.2")))
		b := newBed(t, one.usually(10*ms), two)
		before := 0
		for i := range 300 {
			if i == 100 {
				before = two.count()
			}
			b.budget.saved.Store(maxSaved)
			b.askMany(1)
		}
		if got := two.count() - before; got > 40 {
			t.Errorf("got the other asked %d times of the last 200, want 5 %% of them", got)
		}
		if one.health.Down() {
			t.Error("got it down, want it up")
		}
	})
}

func TestOneQuestionInTenIsPutToAnotherAtMost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		// Every third takes 150 ms: too long to wait for, and too short to give up on it.
		n := 0
		one := newFake("one", func(x *upstream.Exchange) {
			if n++; n%3 == 0 {
				slow(150*ms, records("0 A 192.0.2.1"))(x)
				return
			}
			records("0 A 192.0.2.1")(x)
		})
		two := newFake("two", slow(20*ms, records("0 A 192.0.2.2")))
		b := newBed(t, forgetful{one}, two)
		const questions = 2000
		b.askMany(questions)
		most := questions/10 + maxSaved/price
		if got := two.count(); got < questions/10 || got > most {
			t.Errorf("got %d of %d questions put to another, want %d to %d", got, questions, questions/10, most)
		}
		if got := testutil.ToFloat64(b.meter.overtaken); got != float64(two.count()) {
			t.Errorf("got %v counted, want %d", got, two.count())
		}
	})
}

func TestNothingIsSpentWhenNobodyIsLeftToAsk(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", slow(100*ms, records("0 A 192.0.2.1"))), newFake("two", rcode(dns.RcodeServerFailure))
		for range 3 {
			two.health.Failed(time.Now())
		}
		b := newBed(t, one, two)
		b.askMany(5)
		if got := b.budget.saved.Load(); got != maxSaved {
			t.Errorf("got %d saved, want %d", got, maxSaved)
		}
		if got := testutil.ToFloat64(b.meter.overtaken); got != 0 {
			t.Errorf("got %v counted, want none", got)
		}
	})
}

// Without a budget the question waits, but not for the whole of an attempt.
func TestSilentUpstreamIsGivenUpOnWithoutABudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ usual, took time.Duration }{
		{20 * ms, 500 * ms},
		{200 * ms, 800 * ms},
	} {
		inBubble(t, func(t *testing.T) {
			one, two := newFake("one", dead), newFake("two", records("60 A 192.0.2.2"))
			b := newBed(t, one.usually(tt.usual), two)
			b.budget.saved.Store(0)
			b.want("www.example.com. A", "NOERROR A 192.0.2.2", tt.took)
		})
	}
}

// An upstream that falls silent under load is down within a second, and what waits for it is not held up till it times out.
func TestUpstreamThatFallsSilentUnderLoadIsFoundOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", slow(ms, records("0 A 192.0.2.1"))), newFake("two", slow(ms, records("0 A 192.0.2.2")))
		b := newBed(t, one, two)
		load := func(n int) (took []time.Duration) { // one question a millisecond
			var all []<-chan answer
			for i := range n {
				all = append(all, b.start(fmt.Sprintf("n%d-%d.example.com. A", time.Since(b.began), i)))
				time.Sleep(ms)
			}
			for _, done := range all {
				a := b.wait(done)
				if a.text != "NOERROR A 192.0.2.1" && a.text != "NOERROR A 192.0.2.2" {
					t.Errorf("got %s, want an address", a.text)
				}
				took = append(took, a.took)
			}
			return took
		}
		load(500)
		one.change(dead)
		took := load(3000)
		if got := slices.Max(took[:1000]); got > minPatience+2*ms {
			t.Errorf("got an answer after %v in the first second, want none after %v", got, minPatience+2*ms)
		}
		if got := slices.Max(took[1000:]); got > ms {
			t.Errorf("got an answer after %v later, want all after 1 ms", got)
		}
		if got := one.count(); got > 500+600 {
			t.Errorf("got %d questions put to the one that is silent, want 600 at most", got-500)
		}
		one.change(slow(ms, records("0 A 192.0.2.1")))
		time.Sleep(minProbeWait + maxProbeWait)
		before := one.count()
		load(100)
		if got := one.count() - before; got != 100 {
			t.Errorf("once it is back: got %d of 100 questions, want all", got)
		}
		synctest.Wait()
		b.idle()
	})
}

// With few questions it takes three of them.
func TestUpstreamThatFallsSilentIsFoundOutAtLeisure(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", dead), newFake("two", records("0 A 192.0.2.2"))
		b := newBed(t, one, two)
		for i, want := range []time.Duration{50 * ms, 50 * ms, 50 * ms, 0, 0} {
			b.want(fmt.Sprintf("n%d.example.com. A", i), "NOERROR A 192.0.2.2", want)
			time.Sleep(250 * ms)
		}
		if one.count() != 3 {
			t.Errorf("got %d questions, want 3", one.count())
		}
	})
}

// The reply of who was overtaken comes when the call may be in use for another question, were it not kept.
func TestLateReplyDoesNoHarm(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		own := func(x *upstream.Exchange) {
			q := new(dns.Msg)
			if err := q.Unpack(x.Query); err != nil {
				t.Errorf("query %x: %v", x.Query, err)
			}
			reply(x, upstreamtest.Answer(x.Query, fmt.Sprintf("0 TXT %q", q.Question[0].Name)))
		}
		after := func(most time.Duration) func(*upstream.Exchange) {
			return func(x *upstream.Exchange) { slow(rand.N(most), own)(x) }
		}
		one, two := newFake("one", after(1500*ms)), newFake("two", after(60*ms))
		b := newBed(t, forgetful{one}, forgetful{two})
		for round := range 300 {
			b.budget.saved.Store(maxSaved)
			var all []<-chan answer
			for i := range 10 {
				all = append(all, b.start(fmt.Sprintf("r%d-%d.example.com. TXT", round, i)))
			}
			for i, done := range all {
				if got, want := b.wait(done).text, fmt.Sprintf(`NOERROR TXT "r%d-%d.example.com."`, round, i); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if len(done) > 0 {
					t.Errorf("got the answer to question %d again", i)
				}
			}
		}
		if two.count() < 300 {
			t.Errorf("got %d questions put to the other, want some in each round", two.count())
		}
	})
}

// A call that is over belongs to nobody else as long as an upstream may still write to it.
func TestCallIsNotUsedAgainWhileAnUpstreamIsBeingAsked(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		var under []*upstream.Exchange
		one := newFake("one", func(x *upstream.Exchange) { under = append(under, x) })
		two := newFake("two", records("60 A 192.0.2.2"))
		b := newBed(t, one, two)
		b.want("www.example.com. A", "NOERROR A 192.0.2.2", 50*ms)
		query := slices.Clone(under[0].Query)
		b.askMany(1)
		if !slices.Equal(query, under[0].Query) {
			t.Error("got the query changed while it was under way")
		}
		if len(under) != 2 || under[0] == under[1] {
			t.Errorf("got %d exchanges, want two different ones", len(under))
		}
		for _, x := range under {
			records("60 A 192.0.2.66")(x)
		}
		b.want("www.example.com. A", "cached NOERROR A 192.0.2.2", 0)
		b.idle()
	})
}

// A question that waits for want of a budget is freed by what others find out.
func TestQuestionDoesNotWaitForAnUpstreamThatIsDownMeanwhile(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", dead), newFake("two", records("60 A 192.0.2.2"))
		b := newBed(t, one, two)
		b.budget.saved.Store(0)
		done := b.start("www.example.com. A")
		time.Sleep(60 * ms)
		for range 3 {
			one.health.Failed(time.Now())
		}
		if got := b.wait(done); got.took != 100*ms {
			t.Errorf("got %s after %v, want it after 100 ms", got.text, got.took)
		}
	})
}

// Nobody is to blame for having been asked later.
func TestUpstreamThatWasToOvertakeHasNotFailed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", slow(60*ms, records("60 A 192.0.2.1"))), newFake("two", slow(time.Minute, nxdomain))
		b := newBed(t, forgetful{one}, two)
		for i := range 5 {
			b.want(fmt.Sprintf("n%d.example.com. A", i), "NOERROR A 192.0.2.1", 60*ms)
			time.Sleep(250 * ms)
		}
		if two.count() != 5 || two.health.Down() {
			t.Errorf("got %d questions and down %v, want 5, and up", two.count(), two.health.Down())
		}
	})
}

func TestQuestionCountsAsOneFailureWhetherOvertakenOrTimedOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", dead), newFake("two", records("60 A 192.0.2.2"))
		b := newBed(t, one, two)
		for i := range 2 {
			b.want(fmt.Sprintf("n%d.example.com. A", i), "NOERROR A 192.0.2.2", 50*ms)
			time.Sleep(250 * ms)
		}
		time.Sleep(5 * time.Second)
		if one.health.Down() {
			t.Error("got it down after two questions that were overtaken and have timed out since, want it up")
		}

		// The same call is used for other questions, which time out.
		one.health.Answered(time.Now())
		for range 3 {
			two.health.Failed(time.Now())
		}
		for i, want := range []time.Duration{5 * time.Second, 5 * time.Second, 2 * time.Second} { // in the end both are down
			if got := b.ask(fmt.Sprintf("m%d.example.com. A", i)); got.took != want {
				t.Errorf("got %s after %v, want it after %v", got.text, got.took, want)
			}
			if got, want := one.health.Down(), i == 2; got != want {
				t.Errorf("got down %v after %d questions that timed out, want %v", got, i+1, want)
			}
		}
	})
}

// A timer that can't be stopped any more calls too early, for whatever the call is used by then.
func TestTimerThatIsEarlyDoesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		one, two := newFake("one", slow(300*ms, records("60 A 192.0.2.1"))), newFake("two", slow(200*ms, records("60 A 192.0.2.2")))
		b := newBed(t, one, two)
		done := b.start("www.example.com. A")
		var under *call
		for i := range b.shards {
			for _, c := range b.shards[i].calls {
				under = c
			}
		}
		for range 3 {
			under.late()
		}
		if two.count() != 0 {
			t.Errorf("got %d questions put to the other before the first is late, want none", two.count())
		}
		if got := b.wait(done); got.took != 250*ms {
			t.Errorf("got %s after %v, want it after 250 ms", got.text, got.took)
		}
		under.late() // it is over, and not used for anything yet
		if one.count() != 1 || two.count() != 1 {
			t.Errorf("got %d and %d questions, want one each", one.count(), two.count())
		}
	})
}
