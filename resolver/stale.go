package resolver

import (
	"container/list"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// maxWait is how long clients wait before they get an answer past its TTL, if there is one (RFC 8767, section 5): stubs
// give up, or try again elsewhere, from 2 s on.
const maxWait = 1800 * time.Millisecond

// waits are the calls whose clients need not wait to the end, in the order in which they began to: since maxWait is the same
// for all, one timer will do. It is safe for concurrent use.
type waits struct {
	over func(*call, uint64) // takes a call whose clients have waited long enough, and the hash of its question

	mu    sync.Mutex // guards all below, and the calls' turns
	list  list.List  // of *wait
	timer *time.Timer
}

// wait is a call, which may have ended and be another by the time it is over.
type wait struct {
	call  *call
	hash  uint64
	until time.Time
}

// add takes a call in, which is not.
func (w *waits) add(c *call, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.turn = w.list.PushBack(&wait{call: c, hash: c.hash, until: now.Add(maxWait)})
	switch {
	case w.timer == nil:
		w.timer = time.AfterFunc(maxWait, w.expire)
	case w.list.Len() == 1:
		w.timer.Reset(maxWait)
	}
}

// remove takes a call out if it is still in.
func (w *waits) remove(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.turn != nil {
		w.list.Remove(c.turn)
		c.turn = nil
	}
}

func (w *waits) expire() {
	for first := w.due(time.Now()); first != nil; first = w.due(time.Now()) {
		w.over(first.call, first.hash)
	}
}

// due takes out one call whose time is over. When there is none it sets the timer for the next, and returns nil.
func (w *waits) due(now time.Time) *wait {
	w.mu.Lock()
	defer w.mu.Unlock()
	front := w.list.Front()
	if front == nil {
		return nil
	}
	first := front.Value.(*wait)
	if left := first.until.Sub(now); left > 0 {
		w.timer.Reset(left)
		return nil
	}
	w.list.Remove(front)
	first.call.turn = nil
	return first
}

// limitLocked sees to it that who asks c does not wait for longer than maxWait. There is a stale answer to it.
func (r *Resolver) limitLocked(c *call) {
	c.patient = true
	r.waits.add(c, time.Now())
}

// standIn answers all who wait for the call, and who will, with what is stale. The exchange goes on for those who ask later.
func (r *Resolver) standIn(c *call, hash uint64) {
	s := &r.shards[hash%uint64(len(r.shards))]
	s.mu.Lock()
	if s.calls[hash] != c { // it has just ended
		s.mu.Unlock()
		return
	}
	reason := ede(dns.ExtendedErrorCodeNoReachableAuthority, "notyet: no upstream has answered within "+maxWait.String())
	e := r.config.Cache.StandIn(c.key, reason, time.Now())
	if e == nil { // it has been replaced or evicted meanwhile
		s.mu.Unlock()
		return
	}
	c.standIn = e
	q := c.waiting
	c.waiting = nil
	r.held.Add(-c.places)
	c.places = 0
	s.mu.Unlock()
	r.answer(q, e)
}
