// Package server takes queries in over UDP and TCP and gets replies out. What the cache has is answered on the
// spot; the rest goes to a resolver and is answered when that is done, in whatever order.
package server

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"notyet/cache"
	"notyet/resolver"
	"notyet/socket"
	"notyet/wire"
)

// stopTimeout is how long queries that are under way may take once the server is told to stop.
const stopTimeout = 5 * time.Second

// Config is what a server works with.
type Config struct {
	// Listen has the addresses, each for UDP and TCP; port 0 is any port that both have free.
	Listen []netip.AddrPort
	// ReusePort lets other processes bind the same addresses.
	ReusePort bool
	// Passed has sockets that are bound already, for some of the addresses or all; nil: none. New takes those out.
	Passed *socket.Passed
	// Replies is the batch that the replies to misses go with; nil: each goes by itself.
	Replies *socket.Batch
	// Readers is how many sockets each address gets where the kernel spreads clients over them; 0: GOMAXPROCS.
	Readers int
	Cache   *cache.Cache
	// Resolve takes what the cache can't answer; it must not block.
	Resolve func(*resolver.Query)
	// Notify takes a whole NOTIFY message from any client, be it in Allow or not, and returns the reply; it must not
	// block. nil: every NOTIFY is REFUSED.
	Notify func(packet []byte, client netip.Addr) (reply []byte)
	// Allow has the prefixes whose clients are answered; empty: nobody is.
	Allow []netip.Prefix
	// RateLimit is how many packets a second the clients of one prefix may send over UDP; 0: no limit.
	RateLimit int
	// Version and ID are what version.bind and id.server say (RFC 4892); empty: REFUSED.
	Version, ID string
	// QueryLog says which questions leave a line in Log, which has no other lines and may be slow.
	QueryLog QueryLog
	Log      *slog.Logger
}

// Server is bound from New on and answers in Run.
type Server struct {
	config  Config
	allow   atomic.Pointer[allowList]
	limit   atomic.Pointer[limiter] // nil when off
	udp     []socket.Conn
	tcp     []net.Listener
	conns   connections
	log     *queryLog
	meter   *meter
	waiting sync.Pool      // of *waitingUDP
	buffers sync.Pool      // of *[wire.UDPSize]byte, for their replies
	pending sync.WaitGroup // queries that the resolver has
}

// New binds the addresses. Its error says what to do about it.
func New(ctx context.Context, config Config) (*Server, error) {
	if config.Readers == 0 {
		config.Readers = runtime.GOMAXPROCS(0)
	}
	if !socket.CanSpread {
		config.Readers = 1
	}
	s := &Server{config: config}
	s.SetAllow(config.Allow)
	s.limit.Store(newLimiter(config.RateLimit, time.Now()))
	s.conns.init()
	s.log = newQueryLog(config.QueryLog, config.Log)
	s.waiting.New = func() any { return newWaitingUDP(s) }
	s.buffers.New = func() any { return new([wire.UDPSize]byte) }
	for _, addr := range config.Listen {
		if err := s.bind(ctx, addr); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.meter = newMeter(s)
	return s, nil
}

// Addrs are the addresses that are bound, with their ports.
func (s *Server) Addrs() (addrs []netip.AddrPort) {
	for _, l := range s.tcp {
		if addr := tcpAddr(l.Addr()); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// Metrics returns the server's collectors.
func (s *Server) Metrics() []prometheus.Collector { return []prometheus.Collector{s.meter} }

// Close frees the addresses of a server that doesn't Run.
func (s *Server) Close() {
	for _, c := range s.udp {
		c.Close()
	}
	for _, l := range s.tcp {
		l.Close()
	}
}

// Run answers until ctx ends. Then it reads no more, waits up to stopTimeout for what is under way, and closes the
// sockets. It returns early if a socket fails.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	reading, stopReading := context.WithCancelCause(ctx)
	defer stopReading(nil)

	var logger sync.WaitGroup
	logging, stopLogging := context.WithCancel(context.WithoutCancel(ctx))
	defer func() { stopLogging(); logger.Wait() }()
	logger.Go(func() { s.log.run(logging) })
	var readers sync.WaitGroup
	for i, c := range s.udp {
		readers.Go(func() {
			if err := c.Serve(newReader(s, c, s.meter.readers[i]).handle); err != nil {
				stopReading(err)
			}
		})
	}
	var tcp sync.WaitGroup
	for _, l := range s.tcp {
		tcp.Go(func() { s.accept(reading, l) })
	}

	<-reading.Done()
	for _, c := range s.udp {
		c.Stop()
	}
	for _, l := range s.tcp {
		l.Close()
	}
	readers.Wait()
	s.conns.stopReading()
	s.drain(&tcp)
	if ctx.Err() == nil {
		return context.Cause(reading)
	}
	return nil
}

// drain waits until all queries are answered, or for stopTimeout; then it closes what is left.
func (s *Server) drain(tcp *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		tcp.Wait() // from then on nothing adds to pending
		s.pending.Wait()
		close(done)
	}()
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.conns.closeAll()
		<-done // the resolver gives every query up in time
	}
}
