package server

import (
	"errors"
	"net"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"notyet/resolver"
)

// stopped waits for Run to return and says how long that took.
func (f *fixture) stopped(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	if err := f.wait(); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	return time.Since(start)
}

func TestStopAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	waiting := make(held, 10)
	f := start(t, func(c *Config, _ *upstream) { c.Resolve = waiting.resolve })
	www := pack(t, query("www.example.com. A"))
	clients := []client{f.dial(t, "udp"), f.dial(t, "tcp"), f.dial(t, "udp"), f.dial(t, "tcp")}
	for _, c := range clients {
		c.send(t, www)
	}
	var queries []*resolver.Query
	for range clients {
		queries = append(queries, <-waiting)
	}
	answer := sync.OnceFunc(func() {
		for _, q := range queries {
			q.Done(f.upstream.answer(q.Key))
		}
	})
	defer answer() // or a failure would wait for them forever
	idle := f.dial(t, "tcp")
	idle.ask(t, query("www.example.com. ANY")) // the server itself answers: by now it has taken the connection
	f.stop()
	idle.closedAfter(t) // the listeners are closed by now
	if c, err := net.Dial("tcp", f.addr.String()); err == nil {
		c.Close()
		t.Errorf("got a connection to %s while stopping, want none", f.addr)
	}
	answer()
	for i, c := range clients {
		if m := c.reply(t); len(m.Answer) != 1 {
			t.Errorf("client %d: got %s, want an address", i, render(m))
		}
	}
	f.stopped(t)
}

func TestStopWithNothingUnderWayIsImmediate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startInMemory(t, nil)
		c := m.listener.connect(t)
		c.ask(t, query("www.example.com. A"))
		half := m.listener.connect(t)
		half.Write([]byte{0})
		synctest.Wait()
		m.stop()
		if got := m.stopped(t); got != 0 {
			t.Errorf("got %v, want at once", got)
		}
		c.closedAfter(t)
	})
}

func TestStopReadsNoMoreQueries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waiting := make(held, 200)
		m := startInMemory(t, func(c *Config, _ *upstream) { c.Resolve = waiting.resolve })
		www := pack(t, query("www.example.com. A"))
		c := m.listener.connect(t)
		c.send(t, www)
		m.packets.in <- www
		synctest.Wait()
		m.stop()
		synctest.Wait()
		go c.Write(framed(www))
		synctest.Wait()
		select {
		case m.packets.in <- www:
			t.Errorf("got a packet read after the stop")
		default:
		}
		if got := len(waiting); got != 2 {
			t.Errorf("got %d queries under way, want the 2 from before", got)
		}
		for range 2 {
			q := <-waiting
			q.Done(m.upstream.answer(q.Key))
		}
		c.reply(t)
		<-m.packets.out
		m.stopped(t)
	})
}

// TestStopWaitsForTheResolver has a query that takes 5 s.
func TestStopWaitsForTheResolver(t *testing.T) {
	t.Parallel()
	for _, proto := range []string{"udp", "tcp"} {
		synctest.Test(t, func(t *testing.T) {
			var m *memory
			m = startInMemory(t, func(c *Config, _ *upstream) {
				c.Resolve = func(q *resolver.Query) {
					time.AfterFunc(5*time.Second, func() { q.Done(m.upstream.answer(q.Key)) })
				}
			})
			www := pack(t, query("www.example.com. A"))
			c := m.listener.connect(t)
			if proto == "udp" {
				m.packets.in <- www
			} else {
				c.send(t, www)
				go c.receive()
			}
			time.Sleep(2 * time.Second)
			m.stop()
			if got := m.stopped(t); got != 3*time.Second {
				t.Errorf("%s: got Run's return %v after the stop, want 3 s", proto, got)
			}
			if got := m.metrics(t)["notyet_query_seconds"]; got != 1 {
				t.Errorf("%s: got %v replies, want 1", proto, got)
			}
		})
	}
}

// TestStopTakesFiveSecondsAtMost has connections with all places taken, and one more query read.
func TestStopTakesFiveSecondsAtMost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		queries int
		reads   bool
	}{
		{"client that doesn't read", 1, false},
		{"too many queries under way", maxPipelined + 10, true},
		{"client that doesn't read with too many queries under way", maxPipelined + 10, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var m *memory
				m = startInMemory(t, func(c *Config, _ *upstream) {
					c.Resolve = func(q *resolver.Query) {
						time.AfterFunc(5*time.Second, func() { q.Done(m.upstream.answer(q.Key)) })
					}
				})
				c := m.listener.connect(t)
				go func() {
					for i := range tt.queries {
						q := query(strconv.Itoa(i) + ".any.example.com. A")
						if _, err := c.Write(framed(pack(t, q))); err != nil {
							return
						}
					}
				}()
				if tt.reads {
					go func() {
						for _, err := c.receive(); err == nil; _, err = c.receive() {
						}
					}()
				}
				synctest.Wait()
				m.stop()
				if got := m.stopped(t); got > 5*time.Second {
					t.Errorf("got Run's return %v after the stop, want at most 5 s", got)
				}
				c.Close()
			})
		})
	}
}

func TestSocketThatFailsEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{upstream: &upstream{cache: newCache()}}
		config := f.config(nil)
		config.Listen = nil
		s := open(t, config)
		packets := newMemoryPackets()
		s.udp = append(s.udp, packets)
		s.meter = newMeter(s)
		broken := errors.New("network is down")
		packets.fail <- broken
		if err := s.Run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
	})
}
