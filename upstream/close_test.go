package upstream

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

func TestCloseTellsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 300)
	s := upstreamtest.New(t, func(*upstreamtest.Query) { arrived <- struct{}{} })
	under := newUnder(t)
	for _, tcp := range []bool{false, true} {
		u := under.upstream(t, s.Addr, tcp)
		var all []<-chan result
		for i := range 100 {
			all = append(all, start(t, u, fmt.Sprintf("n%d.example.com.", i), patience))
		}
		for range 100 {
			<-arrived
		}
		u.Close()
		for i, done := range all {
			if len(done) != 1 {
				t.Errorf("%v, exchange %d: got Done called %d times before Close returned, want 1", u, i, len(done))
			}
			if got := finished(t, done); !errors.Is(got.err, ErrStopped) {
				t.Errorf("%v, exchange %d: got %v, want %v", u, i, got.err, ErrStopped)
			}
		}
		if got := ask(t, u, "www.example.com.", patience); !errors.Is(got.err, ErrStopped) || got.took > atOnce {
			t.Errorf("%v: Ask after Close: got %v after %v, want %v at once", u, got.err, got.took, ErrStopped)
		}
		counted(t, "up", u.meter.up, 1) // stopping says nothing of the upstream
	}
}

// What is under way on a socket that takes no more queries is not forgotten.
func TestCloseTellsWhatIsUnderWayOnRetiredSockets(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	u := newUpstream(t, s.Addr)
	old, send := sourceOf(t, u)
	done := send("www.example.com.")
	if _, err := u.pool[0].current(u, old.opened.Add(maxSocketAge)); err != nil {
		t.Fatal(err)
	}
	u.Close()
	if got := finished(t, done); !errors.Is(got.err, ErrStopped) {
		t.Errorf("got %v, want %v", got.err, ErrStopped)
	}
	if old.isOpen() {
		t.Error("got an open socket, want it closed")
	}
}

// The last exchange before Close may be one that begins while it runs.
func TestCloseWhileAsking(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.TCP {
			q.Deny()
			return
		}
		q.Truncate()
	})
	under := newUnder(t)
	for range 30 {
		u := under.upstream(t, s.Addr, false)
		var asking sync.WaitGroup
		begun := make(chan struct{}, 4)
		for range 4 {
			asking.Go(func() {
				for i := range 20 {
					done := make(chan error, 2)
					x := question(t, "www.example.com.", dns.TypeA, patience)
					x.Done = func(_ []byte, err error) { done <- err }
					u.Ask(x)
					if i == 0 {
						begun <- struct{}{}
					}
					select {
					case err := <-done:
						if errors.Is(err, ErrStopped) {
							return
						}
						if err != nil {
							t.Errorf("got %v, want a reply or %v", err, ErrStopped)
						}
					case <-time.After(patience):
						t.Errorf("the exchange was not done within %v", patience)
						return
					}
				}
			})
		}
		<-begun
		u.Close()
		asking.Wait()
	}
}
