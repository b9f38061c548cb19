package resolver

import (
	"time"

	"notyet/cache"
)

// maxHeld bounds the queries that wait for a name to appear.
const maxHeld = 1000

// hold lets the call wait for a yes, and gives those who ask it and for whom there is no place the "no" at once. It returns
// false when there is no place for any; then all of them wait for the caller's next word.
func (r *Resolver) hold(c *call, no *cache.Entry) bool {
	s := &r.shards[c.hash%uint64(len(r.shards))]
	s.mu.Lock()
	asking := c.waiting
	c.waiting = nil
	var over *Query
	for asking != nil {
		q := asking
		asking = q.next
		if r.takePlace() {
			c.places++
			q.next, c.waiting = c.waiting, q
			continue
		}
		q.next, over = over, q
	}
	if c.waiting == nil {
		c.waiting = over
		s.mu.Unlock()
		return false
	}
	c.no = no
	s.mu.Unlock()
	r.answer(over, no)
	return true
}

// joinLocked lets a query wait for a call that is under way. If there is no place for it, or no point in it, it returns what
// to answer at once.
func (r *Resolver) joinLocked(c *call, q *Query) (atOnce *cache.Entry) {
	if c.standIn != nil {
		return c.standIn
	}
	if c.why != toAnswer && !c.patient { // maybe the first that waits: when the call began, there was an answer
		e, stale := r.config.Cache.PeekStale(c.key, time.Now())
		if e != nil {
			return e
		}
		if stale {
			r.limitLocked(c)
		}
	}
	if c.no != nil {
		if !r.takePlace() {
			return c.no
		}
		c.places++
	}
	q.next = c.waiting
	c.waiting = q
	return nil
}

func (r *Resolver) takePlace() bool {
	if r.held.Add(1) > maxHeld {
		r.held.Add(-1)
		return false
	}
	return true
}
