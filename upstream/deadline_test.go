package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// wheel is a wheel of deadlines in a bubble of fake time, and what was told.
type wheel struct {
	t         *testing.T
	deadlines *Deadlines
	source    *source
	lastID    uint16
}

// ended is one exchange in the wheel.
type ended struct {
	exchange *Exchange
	attempt  attempt
	deadline time.Time
	at       []time.Time // when Done was called
}

// inBubble runs a test with a wheel that runs.
func inBubble(t *testing.T, test func(t *testing.T, w *wheel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := NewDeadlines()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go d.Run(ctx)
		u := New(Config{Deadlines: d, Metrics: NewMetrics()})
		defer u.Close()
		test(t, &wheel{t: t, deadlines: d, source: &source{upstream: u, pending: make(map[uint16]*Exchange)}})
	})
}

func (w *wheel) add(deadline time.Time) *ended {
	e := &ended{deadline: deadline}
	x := &Exchange{upstream: w.source.upstream}
	x.Done = func(_ []byte, err error) {
		e.at = append(e.at, time.Now())
		if !errors.Is(err, ErrTimeout) {
			w.t.Errorf("got %v, want %v", err, ErrTimeout)
		}
	}
	w.source.mu.Lock()
	w.source.seq++
	w.lastID++
	x.seq = w.source.seq
	w.source.pending[w.lastID] = x
	e.exchange, e.attempt = x, attempt{exchange: x, source: w.source, id: w.lastID, seq: x.seq}
	w.deadlines.add(e.attempt, deadline)
	w.source.mu.Unlock()
	return e
}

// remove does what a reply does, and reports whether it came in time.
func (w *wheel) remove(e *ended) bool {
	if !w.source.take(e.attempt) {
		return false
	}
	w.deadlines.remove(e.exchange)
	return true
}

// check reports e unless it ended once, and in time.
func (w *wheel) check(e *ended) {
	w.t.Helper()
	if len(e.at) != 1 {
		w.t.Errorf("deadline %v: got %d calls of Done, want 1", e.deadline.Sub(w.deadlines.epoch), len(e.at))
		return
	}
	if late := e.at[0].Sub(e.deadline); late < 0 || late > 2*tick {
		w.t.Errorf("deadline %v: got Done %v late, want 0 to %v", e.deadline.Sub(w.deadlines.epoch), late, 2*tick)
	}
}

func TestExchangesEndAtTheirDeadline(t *testing.T) {
	t.Parallel()
	for _, in := range []time.Duration{
		1, tick - 1, tick, tick + 1, 3*tick/2 + 1, 500 * time.Millisecond, 2 * time.Second, 5 * time.Second, (slots - 3) * tick,
	} {
		for _, phase := range []time.Duration{0, 1, tick / 2, tick - 1} {
			inBubble(t, func(t *testing.T, w *wheel) {
				time.Sleep(phase)
				e := w.add(time.Now().Add(in))
				time.Sleep(in + 2*tick)
				synctest.Wait()
				w.check(e)
			})
		}
	}
}

func TestDeadlineInThePastEndsAtTheNextTick(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *wheel) {
		time.Sleep(time.Minute)
		began := time.Now()
		e := w.add(began.Add(-30 * time.Second))
		time.Sleep(2 * tick)
		synctest.Wait()
		if len(e.at) != 1 || e.at[0].Sub(began) > 2*tick {
			t.Errorf("got Done at %v, want once within %v of %v", e.at, 2*tick, began)
		}
	})
}

// No exchange lasts that long; were there one, it would end early rather than a whole turn of the wheel late or never.
func TestDeadlineBeyondTheWheelEndsWithTheWheel(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *wheel) {
		began := time.Now()
		e := w.add(began.Add(time.Hour))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(e.at) != 1 || e.at[0].Sub(began) < (slots-3)*tick || e.at[0].Sub(began) > slots*tick {
			t.Errorf("got Done at %v, want once, about %v after %v", e.at, slots*tick, began)
		}
	})
}

func TestRemovedExchangeIsNotTold(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *wheel) {
		e := w.add(time.Now().Add(time.Second))
		stays := w.add(time.Now().Add(time.Second)) // in the same tick
		if !w.remove(e) {
			t.Fatal("got an exchange that has ended, want it under way")
		}
		w.deadlines.remove(e.exchange) // once more does nothing
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(e.at) > 0 {
			t.Errorf("got Done at %v, want it never", e.at)
		}
		w.check(stays)
		if w.deadlines.count != 0 {
			t.Errorf("got %d exchanges in the wheel, want 0", w.deadlines.count)
		}
	})
}

// Exchanges come and go at random, with times of quiet in between: each ends in time or was removed.
func TestWheelAgainstModel(t *testing.T) {
	t.Parallel()
	for range 20 {
		inBubble(t, func(t *testing.T, w *wheel) {
			var underWay, done []*ended
			for range 400 {
				switch n := rand.IntN(100); {
				case n < 55:
					in := rand.N(2 * time.Second)
					if rand.IntN(4) == 0 {
						in = rand.N((slots - 3) * tick)
					}
					underWay = append(underWay, w.add(time.Now().Add(in)))
				case n < 75 && len(underWay) > 0:
					i := rand.IntN(len(underWay))
					e := underWay[i]
					underWay = append(underWay[:i], underWay[i+1:]...)
					if !w.remove(e) {
						done = append(done, e)
					} else if len(e.at) > 0 {
						t.Errorf("got Done at %v of an exchange that was under way after that", e.at)
					}
				case n < 97:
					time.Sleep(rand.N(100 * time.Millisecond))
				case n < 99:
					time.Sleep(rand.N(15 * time.Second)) // the wheel turns
				default:
					time.Sleep(12*time.Second + rand.N(24*time.Hour)) // nothing is under way for long
				}
			}
			time.Sleep(slots * tick)
			synctest.Wait()
			for _, e := range append(done, underWay...) {
				w.check(e)
			}
			if n := w.deadlines.count; n != 0 {
				t.Errorf("got %d exchanges in the wheel, want 0", n)
			}
		})
	}
}
