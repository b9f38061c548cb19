package admin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

func TestStopIsImmediateWithoutClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, listener := startInMemory(t)
		kept := listener.connect(t) // a connection that is kept and idle
		go fmt.Fprint(kept, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if response, err := http.ReadResponse(bufio.NewReader(kept), nil); err != nil || response.StatusCode != 200 {
			t.Fatalf("got %v, %v", response, err)
		}
		synctest.Wait()
		if took := r.stopped(); took != 0 {
			t.Errorf("got Run's return after %v, want it at once", took)
		}
	})
}

// TestStopTakesASecond has clients that are not done.
func TestStopTakesASecond(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		send string
	}{
		{"client that sends nothing", ""},
		{"half a request", "GET /healthz HTTP/1.1\r\nHost:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, listener := startInMemory(t)
				c := listener.connect(t)
				if tt.send != "" {
					io.WriteString(c, tt.send)
				}
				synctest.Wait() // it is taken in
				if took := r.stopped(); took != stopTimeout {
					t.Errorf("got Run's return after %v, want %v", took, stopTimeout)
				}
				if _, err := io.ReadAll(c); err != nil {
					t.Errorf("client: got %v, want the end of the connection", err)
				}
			})
		})
	}
}

// TestStopEndsAProfile has some that take a minute. It is apart because fake time stands still meanwhile, and looks at the
// goroutines too: Run has none left when it returns.
func TestStopEndsAProfile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		send string
	}{
		{"profile", "GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"trace with a body that doesn't come", "POST /debug/pprof/trace?seconds=60 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, config("127.0.0.1:0"))
			c := r.dial(t)
			io.WriteString(c, tt.send)
			r.do(t, "GET", "/healthz", "") // by then the other is taken in
			if took := r.stopped(); took > patience {
				t.Errorf("got Run's return after %v, want it when its second is over", took)
			}
			if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("client: got %v, want the end of the connection", err)
			}
		})
	}
}

// TestStopLetsARequestEnd has one that is answered after the stop has begun.
func TestStopLetsARequestEnd(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	c := config("127.0.0.1:0")
	c.Ready = func() error {
		close(asked)
		<-answer
		return nil
	}
	r := start(t, c)
	conn := r.dial(t)
	fmt.Fprint(conn, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-asked
	r.stop()
	for {
		c, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			break // the listener is closed: the stop has begun
		}
		c.Close()
	}
	select {
	case <-r.done:
		t.Errorf("got Run's return with a request under way")
	default:
	}
	close(answer)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 200 {
		t.Errorf("got %v, %v, want 200", response, err)
	}
}

func TestListenerThatFailsEndsRun(t *testing.T) {
	t.Parallel()
	s, err := New(t.Context(), config("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	s.Close() // under Run's feet
	if err := s.Run(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want %v", err, net.ErrClosed)
	}
}
