package cache

import (
	"testing"
	"time"

	"notyet/wire"
)

// newRefreshed makes a world that counts what it wants refreshed, and says whether that can be.
func newRefreshed(t *testing.T, can bool) (w *world, count func() int) {
	t.Helper()
	var keys []Key
	w = newWorld(t, staleFor(time.Hour), func(c *Config) {
		c.Refresh = func(k Key) bool {
			keys = append(keys, k)
			if e, _ := w.PeekStale(k, at(0)); e == nil { // no lock is held
				t.Errorf("refreshed %q, which there is no answer to", wire.String(k.Name))
			}
			return can
		}
	})
	return w, func() int { return len(keys) }
}

func TestAnswerIsRefreshedInTheLastTenthOfItsLife(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer answer
		from   time.Duration // 0: never
		end    time.Duration
	}{
		{"TTL 300", a("www.example.", 300*s), 270 * s, 300 * s},
		{"TTL 10", a("www.example.", 10*s), 9 * s, 10 * s},
		{"TTL 9", a("www.example.", 9*s), 0, 9 * s},
		{"TTL 1", a("www.example.", 1*s), 0, 1 * s},
		{"a chain with 20 and 300", answer{answer: "www.example. 300 CNAME web.example.\nweb.example. 20 A 192.0.2.1"}, 18 * s, 20 * s},
		{"longer than max_ttl", a("www.example.", (1<<31-1)*s), 24 * time.Hour * 9 / 10, 24 * time.Hour},
	} {
		w, count := newRefreshed(t, true)
		w.put(0, "www.example. A", tt.answer)
		last := tt.from
		if last == 0 {
			last = tt.end
		}
		w.get(0, "www.example. A")
		w.get(last-1, "www.example. A")
		w.Peek(w.key("www.example. A"), at(tt.end-1))
		if count() != 0 {
			t.Errorf("%s: got refreshed before %v, want it not to be", tt.name, last)
		}
		want := 0
		if tt.from > 0 {
			want = 1
			w.get(tt.from, "www.example. A")
		}
		w.get(tt.end-1, "www.example. A") // another client
		w.get(tt.end, "www.example. A")   // is a miss
		if count() != want {
			t.Errorf("%s: got refreshed %d times, want %d", tt.name, count(), want)
		}
		w.put(tt.end, "www.example. A", tt.answer)
		w.get(tt.end+last, "www.example. A")
		if count() != 2*want {
			t.Errorf("%s: after the second answer: got refreshed %d times, want %d", tt.name, count(), 2*want)
		}
	}
}

func TestNegativesAreNotRefreshed(t *testing.T) {
	t.Parallel()
	w, count := newRefreshed(t, true)
	for now, end := time.Duration(0), 200*s; now < end; now += s / 2 {
		if w.get(now, "gone.example. A") == nil {
			w.put(now, "gone.example. A", nxdomain(300*s))
		}
		if w.get(now, "bad.example. A") == nil {
			w.fail(now, "bad.example. A")
		}
	}
	if count() != 0 {
		t.Errorf("got refreshed %d times, want not at all", count())
	}
}

func TestWhatStandsInIsRefreshedOnceASecond(t *testing.T) {
	t.Parallel()
	w, count := newRefreshed(t, true)
	w.put(0, "www.example. A", a("www.example.", 5*s))
	w.standsIn(5*s, "www.example. A")
	for _, tt := range []struct {
		at   time.Duration
		want int
	}{
		{5 * s, 0}, {6*s - 1, 0}, {6 * s, 1}, {6 * s, 1}, {7*s - 1, 1}, {7500 * ms, 2}, {8499 * ms, 2}, {8500 * ms, 3}, {35*s - 1, 4}, {35 * s, 4},
	} {
		w.get(tt.at, "www.example. A")
		if count() != tt.want {
			t.Errorf("asked at %v: got refreshed %d times, want %d", tt.at, count(), tt.want)
		}
	}
}

func TestWhatCanNotBeRefreshedIsTriedAgainSoon(t *testing.T) {
	t.Parallel()
	w, count := newRefreshed(t, false)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	w.put(0, "old.example. A", a("old.example.", 260*s))
	w.get(270*s, "www.example. A")
	w.get(270*s+99*ms, "www.example. A")
	if count() != 1 {
		t.Errorf("soon after the first time: got %d tries, want 1", count())
	}
	w.get(270*s+100*ms, "www.example. A")
	if count() != 2 {
		t.Errorf("100 ms after the first time: got %d tries, want 2", count())
	}
	w.standsIn(270*s, "old.example. A")
	w.get(271*s, "old.example. A")
	w.get(271*s+100*ms, "old.example. A")
	if count() != 4 {
		t.Errorf("what stands in: got %d tries, want 4", count())
	}
}

func TestNothingIsRefreshedWithoutSomebodyToDoIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	w.put(0, "www.example. A", a("www.example.", 300*s))
	w.get(299*s, "www.example. A")
	w.standsIn(300*s, "www.example. A")
	w.get(302*s, "www.example. A")
}
