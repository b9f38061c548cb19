package admin

import (
	"sync"
	"time"
)

// maxReplay is how many of the last events are kept for clients that come back or fall behind.
const maxReplay = 1024

// feed has the last events. Clients read on from where they are, so that none of them, however slow, costs anything but its
// connection. It is safe for concurrent use.
type feed struct {
	mu      sync.Mutex
	first   uint64        // id of the first event ever
	next    uint64        // id of the next event
	ring    []Event       // the last ones: that with an id is at id modulo maxReplay
	changed chan struct{} // closed when the next event comes
}

// newFeed begins with an id that is larger than those of the processes before: an id is known as one of theirs.
func newFeed(now time.Time) *feed {
	id := uint64(max(now.UnixMicro(), 1))
	return &feed{first: id, next: id, ring: make([]Event, maxReplay), changed: make(chan struct{})}
}

func (f *feed) publish(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.ID = f.next
	f.ring[f.next%maxReplay] = e
	f.next++
	close(f.changed)
	f.changed = make(chan struct{})
}

// end is the id that a client has had who wants only what comes from now on.
func (f *feed) end() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next - 1
}

// after appends up to most events that follow the one with the id last. The first of them tells of those that are lost. When
// there are none, changed is closed as soon as there are.
func (f *feed) after(last uint64, into []Event, most int) (events []Event, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	oldest := max(f.first, f.next-min(f.next, maxReplay))
	events = into
	switch {
	case last+1 < f.first || last >= f.next: // had from a process before this one, or from nobody
		events = append(events, Event{ID: oldest - 1, Time: time.Now(), Kind: kindLost, Why: "notyet was restarted"})
		last = oldest - 1
	case last+1 < oldest:
		events = append(events, Event{ID: oldest - 1, Time: time.Now(), Kind: kindLost, Lost: int(oldest - last - 1)})
		last = oldest - 1
	}
	for id := last + 1; id < f.next && len(events)-len(into) < most; id++ {
		events = append(events, f.ring[id%maxReplay])
	}
	return events, f.changed
}
