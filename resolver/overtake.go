package resolver

import (
	"sync/atomic"
	"time"
)

// A slow upstream is overtaken: when it has been silent for its usual time, the next one is asked too. Every question
// earns a tenth of what that costs, so that there are at most 10 % more queries; maxSaved is the price of those that may
// come at once after a quiet time.
const (
	price    = 10
	maxSaved = 10 * price
)

// budget bounds the questions that are put to two upstreams.
type budget struct{ saved atomic.Int64 }

func (b *budget) earn() {
	if b.saved.Load() < maxSaved {
		b.saved.Add(1)
	}
}

func (b *budget) spend() bool {
	if b.saved.Add(-price) >= 0 {
		return true
	}
	b.refund()
	return false
}

func (b *budget) refund() { b.saved.Add(price) }

// awaitLocked lets late be called when the leg has been silent for so long, unless something happens before.
func (a *asking) awaitLocked(l *leg, silent time.Duration, now time.Time) {
	if len(a.route.Upstreams) == 1 {
		return
	}
	a.awaited, a.lateAt = l, l.asked.Add(silent)
	if wait := a.lateAt.Sub(now); a.timer == nil {
		a.timer = time.AfterFunc(wait, a.late)
	} else {
		a.timer.Reset(wait)
	}
}

// late is called by the timer. It may have been stopped or set anew too late for that, or be a former question's.
func (a *asking) late() {
	now := time.Now()
	a.mu.Lock()
	if a.over || a.lateAt.IsZero() || now.Before(a.lateAt) {
		a.mu.Unlock()
		return
	}
	a.lateAt = time.Time{}
	l := a.besideLocked(a.awaited, now)
	a.mu.Unlock()
	if l != nil {
		l.ask()
	}
}

// besideLocked starts a leg beside one that has been silent for its usual time. Without a budget that is put off, twice as
// long each time, until the upstream turns out to be down or there is no more patience with it.
func (a *asking) besideLocked(slow *leg, now time.Time) *leg {
	r, silent := a.resolver, now.Sub(slow.asked)
	if slow.upstream.Health().Down() || silent >= slow.patience() {
		return a.startLocked(now)
	}
	if !r.budget.spend() {
		a.awaitLocked(slow, min(2*silent, slow.patience()), now)
		return nil
	}
	l := a.startLocked(now)
	if l == nil {
		r.budget.refund()
		return nil
	}
	r.meter.overtaken.Inc()
	return l
}

// overtakenLocked returns the leg that was asked before the one that has the answer and is still under way, if there is one.
func (a *asking) overtakenLocked(fast *leg) *leg {
	slow := a.underWayLocked()
	if slow == nil || !slow.asked.Before(fast.asked) {
		return nil
	}
	slow.counted.Store(true)
	return slow
}
