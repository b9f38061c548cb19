// Package upstreamtest has a DNS server that answers as a function says, for tests.
package upstreamtest

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

// portTries is how often a port is drawn that has to be free for both UDP and TCP.
const portTries = 16

// Server answers over UDP and TCP, at the same port of a loopback address.
type Server struct {
	Addr netip.AddrPort

	handle   func(*Query)
	udp      *net.UDPConn
	tcp      net.Listener
	udpCount atomic.Int64
	tcpCount atomic.Int64
	accepted atomic.Int64
	running  sync.WaitGroup

	mu     sync.Mutex // guards all below
	conns  map[net.Conn]struct{}
	closed bool
}

// New starts a server on 127.0.0.1 that hands each query to handle, until the test ends. handle is called by one
// goroutine for UDP and one for each TCP connection.
func New(t testing.TB, handle func(*Query)) *Server {
	t.Helper()
	return NewAt(t, netip.AddrFrom4([4]byte{127, 0, 0, 1}), handle)
}

// NewAt is New at another address.
func NewAt(t testing.TB, addr netip.Addr, handle func(*Query)) *Server {
	t.Helper()
	s := &Server{handle: handle, conns: make(map[net.Conn]struct{})}
	if err := s.bind(addr); err != nil {
		t.Fatalf("upstream at %v: %v", addr, err)
	}
	s.running.Go(s.serveUDP)
	s.running.Go(s.serveTCP)
	t.Cleanup(s.Close)
	return s
}

func (s *Server) bind(addr netip.Addr) (err error) {
	for range portTries {
		if s.tcp, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))); err != nil {
			return err
		}
		port := portOf(s.tcp)
		s.Addr = netip.AddrPortFrom(addr, port)
		if s.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.Addr)); err == nil {
			_ = s.udp.SetReadBuffer(4 << 20) // a wish: tests send in bursts
			return nil
		}
		s.tcp.Close()
	}
	return err
}

func portOf(l net.Listener) uint16 { return l.Addr().(*net.TCPAddr).AddrPort().Port() }

// Queries is how many queries have come.
func (s *Server) Queries() int { return int(s.udpCount.Load() + s.tcpCount.Load()) }

// QueriesUDP is how many queries have come over UDP.
func (s *Server) QueriesUDP() int { return int(s.udpCount.Load()) }

// QueriesTCP is how many queries have come over TCP.
func (s *Server) QueriesTCP() int { return int(s.tcpCount.Load()) }

// Connections is how many connections have come.
func (s *Server) Connections() int { return int(s.accepted.Load()) }

// Open is how many connections are open.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Close ends the server before the test does. The port then refuses packets and connections.
func (s *Server) Close() {
	if s.udp != nil {
		s.udp.Close()
	}
	s.tcp.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *Server) serveUDP() {
	b := make([]byte, 1<<16)
	for {
		n, client, err := s.udp.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		s.handle(&Query{
			Wire: append([]byte(nil), b[:n]...), Client: client, Nth: int(s.udpCount.Add(1)),
			send: func(m []byte) { _, _ = s.udp.WriteToUDPAddrPort(m, client) },
		})
	}
}

func (s *Server) serveTCP() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.accepted.Add(1)
		s.mu.Lock()
		s.conns[c] = struct{}{}
		closed := s.closed
		s.mu.Unlock()
		if closed {
			c.Close()
		}
		s.running.Go(func() { s.serveConn(c) })
	}
}

func (s *Server) serveConn(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		m := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, m); err != nil {
			return
		}
		q := NewQuery(m, c)
		q.Client = c.RemoteAddr().(*net.TCPAddr).AddrPort()
		q.Nth = int(s.tcpCount.Add(1))
		s.handle(q)
	}
}
