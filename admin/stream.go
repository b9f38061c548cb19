package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxStreams bounds the clients that follow events: each has a goroutine and a connection.
	maxStreams = 256
	// heartbeat is how often a client hears something when nothing happens: proxies and load balancers cut what is silent for
	// 30 s or more.
	heartbeat = 15 * time.Second
	// stallTimeout is how long a client may take nothing of what is written to it before it is dropped.
	stallTimeout = 15 * time.Second
	// batch is how many events are written at once.
	batch = 64
)

// kindLost is the kind of the event that stands for those that a client has missed.
const kindLost = "lost"

// Publish hands an event to all clients that follow, at once. Its ID is given here. It is safe for concurrent use.
func (s *Server) Publish(e Event) { s.feed.publish(e) }

// stream answers with events until the client goes, takes nothing any more, or the server stops.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	if _, ok := parameters(w, r); !ok {
		return
	}
	last, ok := s.lastEvent(w, r)
	if !ok {
		return
	}
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d clients follow the events, as many as may: end one of them", maxStreams))
		return
	}
	defer s.streams.Add(-1)

	out := &sender{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	out.comment("notyet")
	s.follow(r, out, last)
}

// lastEvent is the id of the last event that the client has had. If that is none it answers and returns false.
func (s *Server) lastEvent(w http.ResponseWriter, r *http.Request) (id uint64, ok bool) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return s.feed.end(), true
	}
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 1<<64-1 {
		refuse(w, http.StatusBadRequest, "Last-Event-ID "+quoted(text)+": write the id of an event, or leave it out")
		return 0, false
	}
	return id, true
}

func (s *Server) follow(r *http.Request, out *sender, last uint64) {
	silent := time.NewTicker(heartbeat)
	defer silent.Stop()
	var events []Event
	for out.err == nil {
		var changed <-chan struct{}
		events, changed = s.feed.after(last, events[:0], batch)
		if len(events) > 0 {
			out.events(events)
			last = events[len(events)-1].ID
			silent.Reset(heartbeat)
		}
		select {
		case <-s.stopping:
			return
		case <-r.Context().Done():
			return
		default:
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-silent.C:
			out.comment("")
		case <-s.stopping:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// sender writes to one client, which has stallTimeout to take each batch.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error // the first; nothing is written after it
}

// comment writes a line that clients pass over.
func (o *sender) comment(text string) {
	o.send(func() error {
		_, err := fmt.Fprintf(o.w, ": %s\n\n", text)
		return err
	})
}

func (o *sender) events(events []Event) {
	o.send(func() error {
		for _, e := range events {
			data, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(o.w, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, data); err != nil {
				return err
			}
		}
		return nil
	})
}

func (o *sender) send(write func() error) {
	if o.err == nil {
		o.err = o.control.SetWriteDeadline(time.Now().Add(stallTimeout))
	}
	if o.err == nil {
		o.err = write()
	}
	if o.err == nil {
		o.err = o.control.Flush()
	}
}
