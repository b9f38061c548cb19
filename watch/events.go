package watch

import (
	"sync"
	"time"
)

// Kind says what happened.
type Kind string

const (
	// Pending: a name was asked for that its authorities do not have.
	Pending Kind = "pending"
	// Visible: a name that was pending can be had.
	Visible Kind = "visible"
	// Rescued: the same, and a plain cache would still say no.
	Rescued Kind = "rescued"
	// GaveUp: a pending name is no longer asked in the background.
	GaveUp Kind = "gave up"
	// WentDegraded: the authorities of a zone can't be asked, or are not the ones that the upstream asks.
	WentDegraded Kind = "degraded"
	// Recovered: they can be asked again.
	Recovered Kind = "recovered"
	// Began and Ended are those of a lease.
	Began Kind = "began"
	Ended Kind = "ended"
	// Lost: the subscriber was too slow for the events before this one.
	Lost Kind = "lost"
)

// Event is something that happened under a watch. Fields that mean nothing to its kind are zero.
type Event struct {
	Time    time.Time
	Kind    Kind
	Watch   string        // the watch's zone
	Name    string        // qname, or the zone of a degraded one
	Type    uint16        // qtype
	How     string        // what made it visible, as in the metric's label
	Took    time.Duration // from when it was first asked for until it was visible
	Avoided time.Duration // for how much longer a plain cache would have said no
	Why     string        // of a degraded zone
	Lost    int           // how many events
}

// events hands events to subscribers and never waits for one.
type events struct {
	mu   sync.Mutex
	subs map[*Subscription]struct{}
}

// Subscription is one subscriber's stream. It is safe for concurrent use.
type Subscription struct {
	// C has the events. It is closed by Close.
	C      <-chan Event
	c      chan Event
	lost   int // guarded by the events' lock
	events *events
}

// Subscribe begins a stream that may be behind by up to backlog events, at least 1. What happens while it is full is lost, and
// an event of kind Lost tells how many once there is room.
func (s *Set) Subscribe(backlog int) *Subscription {
	c := make(chan Event, max(backlog, 1))
	sub := &Subscription{C: c, c: c, events: &s.events}
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	s.events.subs[sub] = struct{}{}
	return sub
}

// Close ends the stream.
func (sub *Subscription) Close() {
	e := sub.events
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, open := e.subs[sub]; open {
		delete(e.subs, sub)
		close(sub.c)
	}
}

func (e *events) send(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for sub := range e.subs {
		sub.sendLocked(event)
	}
}

func (sub *Subscription) sendLocked(event Event) {
	if sub.lost > 0 {
		select {
		case sub.c <- Event{Time: event.Time, Kind: Lost, Lost: sub.lost}:
			sub.lost = 0
		default:
			sub.lost++
			return
		}
	}
	select {
	case sub.c <- event:
	default:
		sub.lost++
	}
}
