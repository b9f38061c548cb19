package upstream

import (
	"context"
	"sync"
	"time"
)

// The wheel of deadlines: an exchange that is not done is told so at most two ticks late, one since a slot is as long
// and one until the next is looked at.
const (
	tick  = 10 * time.Millisecond
	slots = 1024 // ticks; further off than any timeout of an exchange
)

// Deadlines tells exchanges when their time is up: one structure and one goroutine for all of them.
// A slot holds those that end in the same tick, in a ring, so that adding and removing take constant time.
type Deadlines struct {
	epoch time.Time
	wake  chan struct{} // buffered; told when the wheel is no longer empty

	mu    sync.Mutex // guards all below and the timer fields of the exchanges in the wheel
	ring  [slots]timer
	count int
	last  int64 // the tick up to which all have been told
}

// timer is an element of a slot's ring; the slot itself is one too, the ring's root.
type timer struct {
	next, prev *timer
	attempt
}

// holder is what exchanges are under way at: a socket or a connection.
type holder interface {
	// take ends an attempt; it reports whether that was still to be done.
	take(a attempt) bool
}

// NewDeadlines makes an empty wheel. Run has to be called for anything to end.
func NewDeadlines() *Deadlines {
	d := &Deadlines{epoch: time.Now(), wake: make(chan struct{}, 1)}
	for i := range d.ring {
		root := &d.ring[i]
		root.next, root.prev = root, root
	}
	return d
}

// add lets a expire at the moment t, unless its exchange is removed before. The exchange must not be in the wheel.
func (d *Deadlines) add(a attempt, t time.Time) {
	x := a.exchange
	d.mu.Lock()
	if d.count == 0 {
		d.last = max(d.last, d.ticks(time.Now())-1) // nothing was told while the wheel was empty
	}
	// The tick after t, so that nothing ends early; but within the wheel.
	at := min(max(d.ticks(t)+1, d.last+1), d.last+slots-1)
	root := &d.ring[at%slots]
	x.timer = timer{next: root, prev: root.prev, attempt: a}
	root.prev.next, root.prev = &x.timer, &x.timer
	d.count++
	first := d.count == 1
	d.mu.Unlock()
	if first {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// remove takes x out if it is still in.
func (d *Deadlines) remove(x *Exchange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removeLocked(&x.timer)
}

func (d *Deadlines) removeLocked(t *timer) {
	if t.next == nil {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	*t = timer{}
	d.count--
}

// Run ends exchanges when their time is up, until ctx ends. With nothing under way it sleeps.
func (d *Deadlines) Run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		if d.empty() {
			ticker.Stop()
			select {
			case <-ctx.Done():
				return
			case <-d.wake:
			}
			ticker.Reset(tick)
		}
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for a := d.due(now); a.exchange != nil; a = d.due(now) {
				a.expire()
			}
		}
	}
}

func (d *Deadlines) ticks(t time.Time) int64 { return int64(t.Sub(d.epoch) / tick) }

func (d *Deadlines) empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count == 0
}

// due takes out one attempt whose time is up; its exchange is nil when there is none.
func (d *Deadlines) due(now time.Time) attempt {
	upTo := d.ticks(now)
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.count > 0 && d.last < upTo {
		root := &d.ring[(d.last+1)%slots]
		if t := root.next; t != root {
			a := t.attempt
			d.removeLocked(t)
			return a
		}
		d.last++
	}
	return attempt{}
}
