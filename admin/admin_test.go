package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what comes at once unless something is broken.
const patience = 10 * time.Second

// config is what a test's server works with.
func config(address string) Config {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "notyet_test_total", Help: "A test."})
	counter.Add(42)
	registry.MustRegister(counter)
	return Config{
		Address: address, Metrics: registry,
		Ready: func() error { return nil },
		Log:   slog.New(slog.DiscardHandler),
	}
}

// running is a server in Run, until the end of the test or stop.
type running struct {
	*Server
	stop context.CancelFunc
	done chan struct{} // closed when Run has returned err
	err  error
}

func start(t *testing.T, config Config) *running {
	t.Helper()
	s, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, s)
}

func run(t *testing.T, s *Server) *running {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Server: s, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = s.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		if <-r.done; r.err != nil {
			t.Errorf("Run: got %v, want nil", r.err)
		}
	})
	return r
}

// stopped stops the server and says how long that took.
func (r *running) stopped() time.Duration {
	began := time.Now()
	r.stop()
	<-r.done
	return time.Since(began)
}

// dial opens a connection to the server.
func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	addr := r.Addr()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// do makes one request. host is the Host field; empty: a loopback address.
func (r *running) do(t *testing.T, method, path, host string) (status int, body string) {
	t.Helper()
	c := r.dial(t)
	if host == "" {
		host = "127.0.0.1:8053"
	}
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method, path, host)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response.StatusCode, string(b)
}

func TestPages(t *testing.T) {
	t.Parallel()
	r := start(t, config("127.0.0.1:0"))
	for _, tt := range []struct {
		method, path string
		status       int
		body         string // a part of it
	}{
		{"GET", "/metrics", 200, "notyet_test_total 42"},
		{"GET", "/healthz", 200, "ok\n"},
		{"GET", "/readyz", 200, "ready\n"},
		{"GET", "/debug/pprof/", 200, "goroutine"},
		{"GET", "/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		{"GET", "/debug/pprof/cmdline", 200, ".test"},
		{"GET", "/debug/pprof/symbol", 200, "num_symbols"},
		{"GET", "/", 404, ""},
		{"GET", "/metricsx", 404, ""},
		{"POST", "/metrics", 405, ""},
		{"DELETE", "/healthz", 405, ""},
	} {
		if status, body := r.do(t, tt.method, tt.path, ""); status != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s: got %d %q, want %d with %q", tt.method, tt.path, status, body, tt.status, tt.body)
		}
	}
}

func TestReadinessFollowsTheProgram(t *testing.T) {
	t.Parallel()
	var missing atomic.Value
	missing.Store("no upstream has answered yet")
	c := config("127.0.0.1:0")
	c.Ready = func() error {
		if text := missing.Load().(string); text != "" {
			return errors.New(text)
		}
		return nil
	}
	r := start(t, c)
	for _, tt := range []struct {
		missing string
		status  int
		body    string
	}{
		{"no upstream has answered yet", 503, "no upstream has answered yet\n"},
		{"", 200, "ready\n"},
		{"stopping", 503, "stopping\n"},
	} {
		missing.Store(tt.missing)
		if status, body := r.do(t, "GET", "/readyz", ""); status != tt.status || body != tt.body {
			t.Errorf("missing %q: got %d %q, want %d %q", tt.missing, status, body, tt.status, tt.body)
		}
		if status, _ := r.do(t, "GET", "/healthz", ""); status != 200 {
			t.Errorf("missing %q: got health %d, want 200", tt.missing, status)
		}
	}
}

func TestProfilesAreForThisMachineUnderALoopbackName(t *testing.T) {
	t.Parallel()
	r := start(t, config("127.0.0.1:0"))
	for _, tt := range []struct {
		host   string
		status int
	}{
		{"127.0.0.1:8053", 200},
		{"127.0.0.1", 200},
		{"[::1]:8053", 200},
		{"[::1]", 200},
		{"localhost:8053", 200},
		{"localhost", 200},
		{"evil.example.com:8053", 403},
		{"evil.example.com", 403},
		{"localhost.evil.example.com", 403},
		{"127.0.0.1.evil.example.com:8053", 403},
		{"192.0.2.1:8053", 403},
		{"[2001:db8::1]:8053", 403},
		{"0.0.0.0:8053", 403},
	} {
		for _, page := range []string{"", "cmdline", "symbol", "profile", "trace", "heap"} {
			if tt.status == 200 && (page == "profile" || page == "trace") {
				continue // take their time
			}
			if status, _ := r.do(t, "GET", "/debug/pprof/"+page, tt.host); status != tt.status {
				t.Errorf("Host %s, page %q: got %d, want %d", tt.host, page, status, tt.status)
			}
		}
	}
}

func TestProfilesAreNotForOtherMachines(t *testing.T) {
	t.Parallel()
	c := config("0.0.0.0:0")
	r := start(t, c)
	_, port, _ := net.SplitHostPort(r.Addr().String())
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	asked := false
	for _, a := range addrs {
		ip, _, err := net.ParseCIDR(a.String())
		if err != nil || ip.To4() == nil || ip.IsLoopback() {
			continue
		}
		asked = true
		// From an address that isn't loopback, as another machine's, with a Host that is.
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+net.JoinHostPort(ip.String(), port)+"/debug/pprof/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host, request.Close = "localhost", true
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 403 {
			t.Errorf("from %s: got %d, want 403", ip, response.StatusCode)
		}
	}
	if !asked {
		t.Skip("this machine has no address but loopback")
	}
}
