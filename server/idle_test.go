package server

import (
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"notyet/resolver"
)

// closedAfter waits until the server closes the connection and returns how long that took.
func (c client) closedAfter(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("got %d bytes, %v, want the end of the connection", n, err)
	}
	return time.Since(start)
}

func TestIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	www := framed(pack(t, query("www.example.com. A")))
	response := append([]byte(nil), www...)
	response[4] |= 0x80 // QR
	for _, tt := range []struct {
		name string
		use  func(t *testing.T, c client) // ends when the idle time should begin
		want time.Duration
	}{
		{"nothing sent", func(*testing.T, client) {}, 10 * time.Second},
		{"after a query", func(t *testing.T, c client) {
			time.Sleep(9 * time.Second)
			c.ask(t, query("www.example.com. A"))
		}, 10 * time.Second},
		{"query of which half has come", func(t *testing.T, c client) {
			c.Write(www[:10])
		}, 10 * time.Second},
		{"length only", func(t *testing.T, c client) {
			c.ask(t, query("www.example.com. A"))
			c.Write(www[:1])
		}, 10 * time.Second},
		{"empty messages", func(t *testing.T, c client) {
			for range 5 {
				c.Write([]byte{0, 0})
				time.Sleep(time.Second)
			}
		}, 5 * time.Second},
		{"responses", func(t *testing.T, c client) {
			c.Write(response)
			time.Sleep(9 * time.Second)
			c.Write(response)
		}, 1 * time.Second},
		{"long message that doesn't come", func(t *testing.T, c client) {
			c.Write([]byte{0xFF, 0xFF})
			time.Sleep(4 * time.Second)
			c.Write(make([]byte, maxTCPQuery))
			c.reply(t) // FORMERR
		}, 6 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := startInMemory(t, nil).listener.connect(t)
				tt.use(t, c)
				if got := c.closedAfter(t); got != tt.want {
					t.Errorf("got it closed after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestSlowClientIsIdleToo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		message []byte
	}{
		{"query of a byte a second", framed(pack(t, query("www.example.com. A")))},
		{"empty messages, a byte a second", make([]byte, 100)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := startInMemory(t, nil).listener.connect(t)
				var sending sync.WaitGroup
				defer sending.Wait()
				sending.Go(func() {
					for _, b := range tt.message {
						if _, err := c.Write([]byte{b}); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				if got := c.closedAfter(t); got != 10*time.Second {
					t.Errorf("got it closed after %v, want 10 s", got)
				}
			})
		})
	}
}

func TestConnectionWithAQueryUnderWayIsNotIdle(t *testing.T) {
	t.Parallel()
	for _, took := range []time.Duration{4 * time.Second, 10 * time.Second, 25 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var m *memory
			m = startInMemory(t, func(c *Config, u *upstream) {
				c.Resolve = func(q *resolver.Query) {
					time.AfterFunc(took, func() { q.Done(m.upstream.answer(q.Key)) })
				}
			})
			c := m.listener.connect(t)
			start := time.Now()
			c.ask(t, query("www.example.com. A"))
			if got := time.Since(start); got != took {
				t.Errorf("got the reply after %v, want %v", got, took)
			}
			// What edns-tcp-keepalive announces counts from the reply (RFC 7766, section 3).
			if got := c.closedAfter(t); got != 10*time.Second {
				t.Errorf("reply after %v: got the connection closed %v later, want 10 s", took, got)
			}
		})
	}
}

func TestSlowQueryIsCutOffWhileAnotherIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waiting := make(held, 1)
		m := startInMemory(t, func(c *Config, _ *upstream) { c.Resolve = waiting.resolve })
		c := m.listener.connect(t)
		c.send(t, pack(t, query("www.example.com. A")))
		c.Write([]byte{0})
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if _, err := m.listener.connect(t).Write([]byte{0}); err != nil {
			t.Errorf("another connection: %v", err)
		}
		q := <-waiting
		q.Done(m.upstream.answer(q.Key))
		c.reply(t) // which was under way
		if got := c.closedAfter(t); got != 0 {
			t.Errorf("got it closed %v after the reply, want at once", got)
		}
	})
}

func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startInMemory(t, nil)
		deaf := m.listener.connect(t)
		www := pack(t, query("www.example.com. A"))
		for range maxPipelined {
			deaf.send(t, www)
		}
		start := time.Now()
		m.listener.connect(t).ask(t, query("www.example.com. A"))
		m.packets.in <- www
		<-m.packets.out
		if took := time.Since(start); took != 0 {
			t.Errorf("another client's reply: got it after %v, want it at once", took)
		}
		for {
			if _, err := deaf.Write(framed(www)); err != nil {
				break
			}
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("got the connection cut off after %v, want 10 s", took)
		}
	})
}
