package watch

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// maxTurn is how long a question waits for its turn rather than be over the budget.
const maxTurn = 500 * time.Millisecond

// budget bounds the queries to a watch's authorities: as many a second as it says on average, of which those of one second
// may go at once, since a name is asked for in several types and at several servers. Half of it is for pending names alone,
// so that a flood of new ones does not keep a record from being seen that somebody waits for. It is safe for concurrent use.
type budget struct {
	open, reserved *rate.Limiter
}

func newBudget(perSecond int) budget {
	half := func() *rate.Limiter {
		return rate.NewLimiter(rate.Limit(perSecond)/2, max(1, perSecond/2))
	}
	return budget{open: half(), reserved: half()}
}

// set changes how many a second there are.
func (b *budget) set(perSecond int) {
	for _, l := range []*rate.Limiter{b.open, b.reserved} {
		l.SetLimit(rate.Limit(perSecond) / 2)
		l.SetBurst(max(1, perSecond/2))
	}
}

// now reports whether a query may be sent at once.
func (b *budget) now(pending bool) bool { return pending && b.reserved.Allow() || b.open.Allow() }

// soon waits until a query may be sent. It returns false, at once, when that would take longer than maxTurn, and when ctx ends.
func (b *budget) soon(ctx context.Context, pending bool) bool {
	limiter := b.open
	if pending {
		limiter = b.reserved
	}
	reservation := limiter.Reserve()
	delay := reservation.Delay()
	if delay > maxTurn {
		reservation.Cancel()
		return false
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// spent reports whether a question that is not pending would have to wait for longer than maxTurn.
func (b *budget) spent() bool {
	return 1-b.open.Tokens() > float64(b.open.Limit())*maxTurn.Seconds()
}

// turn asks the budget on behalf of one question. The first server may wait for its turn; the others are only asked
// if they need not.
type turn struct {
	ctx     context.Context // of the question
	watch   *Watch
	pending bool
	begun   atomic.Bool
}

// take reports whether a query to one server more may be sent.
func (t *turn) take(int) bool {
	b := &t.watch.budget
	first := t.begun.CompareAndSwap(false, true)
	if b.now(t.pending) {
		return true
	}
	return first && b.soon(t.ctx, t.pending)
}
