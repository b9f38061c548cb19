// Package admin is the HTTP side: metrics, health and profiles. There is no DNS in it.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Time limits of the HTTP server; a profile takes 30 s by default.
const (
	headerTimeout = 5 * time.Second
	writeTimeout  = 2 * time.Minute
	idleTimeout   = time.Minute
	stopTimeout   = time.Second
)

// Config is what the server works with.
type Config struct {
	// Address is IP:port, localhost:port or unix:///path.
	Address string
	Metrics prometheus.Gatherer
	// Ready returns nil when queries can be answered, else what is missing.
	Ready func() error
	Log   *slog.Logger
}

// Server is bound from New on and answers in Run.
type Server struct {
	config   Config
	listener net.Listener
	http     http.Server
	clients  sync.WaitGroup // open connections
}

// New binds the address. Its error says what to do about it.
func New(ctx context.Context, config Config) (*Server, error) {
	l, err := listen(ctx, config.Address)
	if err != nil {
		return nil, explain(config.Address, err)
	}
	s := &Server{config: config, listener: l}
	s.http = http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ConnState:         s.count,
		ErrorLog:          slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// listen binds an address. A Unix socket that nobody listens on any more is taken over.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	path, unix := strings.CutPrefix(address, "unix://")
	if !unix {
		return config.Listen(ctx, "tcp", address)
	}
	l, err := config.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && stale(ctx, path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		l, err = config.Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// stale reports whether path is a Unix socket that nobody listens on; any other file is somebody's.
func stale(ctx context.Context, path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	dialer := net.Dialer{Timeout: headerTimeout}
	c, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED) // not when it is too busy, or not ours to ask
}

func explain(address string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the address is said here
	}
	remedy := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = `; choose another address with --admin, or turn it off with --admin ""`
	case errors.Is(err, fs.ErrPermission):
		remedy = "; choose an address that this user may bind with --admin"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "; no interface of this machine has that address, so choose another with --admin"
	case errors.Is(err, fs.ErrNotExist):
		remedy = "; make the directory, or choose another path with --admin"
	}
	return fmt.Errorf("listen on admin %s: %w%s", address, err, remedy)
}

// Addr is the address that is bound.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close frees the address of a server that doesn't Run.
func (s *Server) Close() error { return s.listener.Close() }

// Run answers until ctx ends, and what is under way then for up to stopTimeout.
func (s *Server) Run(ctx context.Context) error {
	requests, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	s.http.BaseContext = func(net.Listener) context.Context { return requests }

	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(requests, stopTimeout)
		defer cancel()
		_ = s.http.Shutdown(grace) // what it leaves is closed below
	})
	err := s.http.Serve(s.listener)
	if !stop() {
		<-stopped // Serve returned when Shutdown began
		err = nil
	}
	giveUp()
	s.http.Close()
	s.clients.Wait()
	return err
}

// count follows the connections, each of which has a goroutine.
func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.clients.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.clients.Done()
	}
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.config.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/debug/pprof/", loopbackOnly(pprof.Index))
	mux.Handle("/debug/pprof/cmdline", loopbackOnly(pprof.Cmdline))
	mux.Handle("/debug/pprof/profile", loopbackOnly(pprof.Profile))
	mux.Handle("/debug/pprof/symbol", loopbackOnly(pprof.Symbol))
	mux.Handle("/debug/pprof/trace", loopbackOnly(pprof.Trace))
	return mux
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.config.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// loopbackOnly serves clients of this machine, and among them no web page that had its own name resolved to it (DNS
// rebinding): such a page's requests have its name as Host.
func loopbackOnly(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.RemoteAddr) || !isLoopback(r.Host) {
			http.Error(w, "only from loopback, by a loopback address", http.StatusForbidden)
			return
		}
		h(w, r)
	})
}

// isLoopback reports whether address, with or without port, is one of this machine; the client of a Unix
// socket ("" or "@") is.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return host == "localhost" || host == "" || host == "@"
	}
	return ip.Unmap().IsLoopback()
}
