// Package admin is the HTTP side: the API, metrics, health and profiles. There is no DNS in it.
package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
)

// Time limits of the HTTP server; a profile takes 30 s by default.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 2 * time.Minute
	idleTimeout  = time.Minute
	stopTimeout  = time.Second
)

// maxConnections bounds the connections, each of which has a goroutine; those beyond wait in the kernel.
const maxConnections = 2 * maxStreams

// Config is what the server works with.
type Config struct {
	// Address is IP:port, localhost:port or unix:///path.
	Address string
	// Token is what every request has to bring along but those for health; empty: none.
	Token   string
	Metrics prometheus.Gatherer
	// Ready returns nil when queries can be answered, else what is missing.
	Ready func() error
	// API is behind the pages under /api/v1; nil: there are none.
	API API
	Log *slog.Logger
}

// Server is bound from New on and answers in Run.
type Server struct {
	config   Config
	listener net.Listener
	http     http.Server
	clients  sync.WaitGroup // open connections
	feed     *feed
	streams  atomic.Int64  // clients that follow the events
	stopping chan struct{} // closed when Run is to end
}

// New binds the address. Its error says what to do about it.
func New(ctx context.Context, config Config) (*Server, error) {
	l, err := listen(ctx, config.Address)
	if err != nil {
		return nil, bindError(config.Address, err)
	}
	s := &Server{config: config, listener: l, feed: newFeed(time.Now()), stopping: make(chan struct{})}
	s.http = http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ConnState:         s.count,
		ErrorLog:          slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Addr is the address that is bound.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close frees the address of a server that doesn't Run.
func (s *Server) Close() error { return s.listener.Close() }

// Run answers until ctx ends, and what is under way then for up to stopTimeout; streams of events end at once.
func (s *Server) Run(ctx context.Context) error {
	requests, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	s.http.BaseContext = func(net.Listener) context.Context { return requests }

	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		close(s.stopping)
		grace, cancel := context.WithTimeout(requests, stopTimeout)
		defer cancel()
		_ = s.http.Shutdown(grace) // what it leaves is closed below
	})
	err := s.http.Serve(netutil.LimitListener(s.listener, maxConnections))
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
