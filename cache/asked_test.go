package cache

import (
	"sync"
	"testing"
	"time"
)

// pending are limits with which a negative is kept for long, and what connects it with its pending name.
func pending() (Watched, *Asked) {
	a := new(Asked)
	return Watched{NXDOMAIN: 30 * s, NODATA: 30 * s, Asked: a}, a
}

func (w *world) wantLastAsked(a *Asked, want time.Duration) {
	w.Helper()
	if got := w.LastAsked(a); !got.Equal(at(want)) {
		w.Errorf("got last asked %v after the beginning, want %v", got.Sub(epoch), want)
	}
}

func TestLastAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits, asked := pending()
	w.watch(0, "www.example. A", nxdomain(300*s), limits)
	w.watch(8*s, "www.example. A", nxdomain(300*s), limits)
	if got := w.LastAsked(asked); !got.IsZero() {
		t.Errorf("got %v, want never", got)
	}
	w.get(8*s, "www.example. A")
	w.wantLastAsked(asked, 8*s)
	w.get(9*s+1, "wWw.Example. A rd edns")
	w.wantLastAsked(asked, 9*s+1)

	w.Peek(w.key("www.example. A"), at(10*s))
	w.get(10*s, "www.example. AAAA")
	w.get(10*s, "www.example. A do")
	w.get(16*s, "www.example. A") // it has expired
	w.wantLastAsked(asked, 9*s+1)

	w.Touch(asked, at(17*s))
	w.wantLastAsked(asked, 17*s)
	w.watch(18*s, "www.example. A do", nodata(300*s), limits)
	w.get(18*s, "www.example. A do")
	w.wantLastAsked(asked, 18*s)

	w.put(19*s, "www.example. A", nxdomain(300*s)) // no longer under watch
	w.get(19*s, "www.example. A")
	w.wantLastAsked(asked, 18*s)
	w.watch(20*s, "www.example. A", a("www.example.", 300*s), limits)
	w.get(20*s, "www.example. A")
	w.wantLastAsked(asked, 18*s)
}

func TestLastAskedAtTheBeginning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asked Asked
	w.Touch(&asked, epoch)
	w.wantLastAsked(&asked, 0)
}

// wantUsed checks whether Get and Peek use what is there for the question.
func (w *world) wantUsed(now time.Duration, question string, want bool) {
	w.Helper()
	misses := w.totals().misses
	peeked, got := w.Peek(w.key(question), at(now)) != nil, w.get(now, question) != nil
	if missed := w.totals().misses > misses; got != want || peeked != want || missed == want {
		w.Errorf("%s at %v: got %v, by Peek %v, counted as a miss %v, want it to be used %v", question, now, got, peeked, missed, want)
	}
}

func TestAskAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits, asked := pending()
	const question = "www.example. A"
	w.watch(0, question, nodata(300*s), limits)
	w.watch(8*s, question, nodata(300*s), limits) // until 16 s

	w.AskAnew(asked, at(9*s))
	w.wantUsed(9*s-1, question, true)
	w.wantUsed(9*s, question, false)
	w.wantUsed(10*s, question, false)
	w.wantLastAsked(asked, 9*s-1)

	w.AskAnew(asked, at(12*s))
	w.wantUsed(10*s, question, true)
	w.wantUsed(12*s, question, false)
	w.AskAnew(asked, at(11*s))
	w.wantUsed(11*s, question, false)

	// The name has been missing all the time.
	if e := w.watch(12*s, question, nodata(300*s), limits); e.Lifetime() != 12*s {
		t.Errorf("got lifetime %v, want 12s", e.Lifetime())
	}
	w.wantUsed(12*s, question, true)
	w.wantUsed(24*s-1, question, true)
	w.wantUsed(24*s, question, false)
}

func TestAskAnewAtTheBeginning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits, asked := pending()
	w.watch(0, "www.example. A", nxdomain(300*s), limits)
	w.AskAnew(asked, epoch)
	w.wantUsed(0, "www.example. A", false)
}

func TestNewsEndsAskAnew(t *testing.T) {
	t.Parallel()
	const question = "www.example. A"
	for _, tt := range []struct {
		name string
		anew time.Duration
		news func(w *world, limits Watched)
		at   time.Duration
		used bool
	}{
		{"a negative at that moment", 9 * s, func(w *world, l Watched) { w.watch(9*s, question, nodata(300*s), l) }, 9 * s, true},
		{"a negative after it", 9 * s, func(w *world, l Watched) { w.watch(10*s, question, nxdomain(300*s), l) }, 10 * s, true},
		{"a negative before it", 9 * s, func(w *world, l Watched) { w.watch(9*s-1, question, nodata(300*s), l) }, 9 * s, false},
		{"a negative with DO", 9 * s, func(w *world, l Watched) { w.watch(9*s, question+" do", nodata(300*s), l) }, 9 * s, true},
		{"a denial without soa", 9 * s, func(w *world, l Watched) { w.watch(9*s, question, answer{}, l) }, 9 * s, false},
		{"a failure", 9 * s, func(w *world, _ Watched) { w.fail(9*s, question) }, 9 * s, false},
		{"another pending name", 9 * s, func(w *world, _ Watched) {
			other, _ := pending()
			w.watch(9*s, "web.example. A", nodata(300*s), other)
		}, 9 * s, false},
		{"a negative of a plain name", 9 * s, func(w *world, _ Watched) { w.put(9*s, question, nodata(300*s)) }, 9 * s, true},
		{"a positive", 9 * s, func(w *world, l Watched) { w.watch(9*s, question, a("www.example.", 300*s), l) }, 9 * s, true},
		{"another moment after a negative", 9 * s, func(w *world, l Watched) {
			w.watch(9*s, question, nodata(300*s), l)
			w.AskAnew(l.Asked, at(9*s))
		}, 9 * s, false},
	} {
		w := newWorld(t)
		limits, asked := pending()
		w.watch(0, question, nodata(300*s), limits)
		w.watch(8*s, question, nodata(300*s), limits)
		w.AskAnew(asked, at(tt.anew))
		tt.news(w, limits)
		w.wantUsed(tt.at, question, tt.used)
		if t.Failed() {
			t.Fatalf("that was %q", tt.name)
		}
	}
}

// TestAskAnewIsOfOnePendingName has other negatives, and a positive that was put in for the same pending name.
func TestAskAnewIsOfOnePendingName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits, asked := pending()
	other, _ := pending()
	w.watch(0, "www.example. A", nodata(300*s), limits)
	w.watch(0, "www.example. A do", nodata(300*s), limits)
	w.watch(0, "www.example. AAAA", nodata(300*s), other)
	w.watch(0, "www.example. MX", nodata(300*s), usual())
	w.watch(0, "web.example. A", a("web.example.", 300*s), limits)
	w.fail(0, "www.example. TXT")
	w.AskAnew(asked, at(0))
	for question, used := range map[string]bool{
		"www.example. A": false, "www.example. A do": false,
		"www.example. AAAA": true, "www.example. MX": true, "www.example. TXT": true, "web.example. A": true,
	} {
		w.wantUsed(0, question, used)
	}
}

// TestFailureDisplacesNothingThatIsAskedAnew has the servers fall silent when they are asked anew.
func TestFailureDisplacesNothingThatIsAskedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits, asked := pending()
	w.watch(0, "www.example. A", nodata(300*s), limits)
	e := w.watch(8*s, "www.example. A", nodata(300*s), limits)
	w.AskAnew(asked, at(9*s))
	if got := w.fail(9*s, "www.example. A"); got.Lifetime() != 0 {
		t.Errorf("got the failure kept for %v, want not at all", got.Lifetime())
	}
	w.AskAnew(asked, at(10*s))
	if got := w.get(9*s, "www.example. A"); !same(got, e) {
		t.Errorf("got %v until it is asked anew, want the negative", got)
	}
}

func TestAskedUnderConcurrentUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits, asked := pending()
	k, r := w.key("www.example. A"), w.reply("www.example. A", nodata(300*s))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for n := range 1000 {
				now := at(time.Duration(n) * 10 * ms)
				switch (n + worker) % 4 {
				case 0:
					w.PutWatched(k, r, limits, now)
				case 1:
					w.AskAnew(asked, now)
				case 2:
					w.got(k, now)
				case 3:
					w.LastAsked(asked)
				}
			}
		})
	}
	wg.Wait()
	w.AskAnew(asked, at(10*s))
	w.wantUsed(10*s, "www.example. A", false)
	w.PutWatched(k, r, limits, at(10*s))
	w.wantUsed(10*s, "www.example. A", true)
	w.wantLastAsked(asked, 10*s)
}
