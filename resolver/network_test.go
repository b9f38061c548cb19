package resolver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"notyet/socket"
	"notyet/upstream"
)

// server is a name server in memory, so that time may be fake. It is asked over the real transports of an Upstream.
type server struct {
	addr        netip.AddrPort
	fault       fault
	certificate string // "expired" or "another's"; empty: a good one

	tls      *tls.Config  // nil: in the clear
	web      bool         // over HTTPS
	udp, tcp atomic.Int32 // queries about names that aren't ours
}

// fault is what a server does with a query; nil: it isn't there, and says so.
type fault func(*packet)

// packet is a query that came in.
type packet struct {
	query []byte
	tcp   bool
	nth   int          // of those over the same protocol, from 1; 0: a probe
	send  func([]byte) // a reply
	raw   func([]byte) // anything, over TCP
	close func()       // the connection, over TCP
}

// newUpstreamOf makes a real upstream that is asked over one transport, in the bubble of the test.
func newUpstreamOf(t *testing.T, s *server, transport string) *upstream.Upstream {
	deadlines := upstream.NewDeadlines()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); deadlines.Run(ctx) }()
	config := upstream.Config{Addr: s.addr, TCP: transport == "tcp", Deadlines: deadlines, Connect: s.connect, Dial: s.dial}
	if transport == "tls" || transport == "https" {
		config.TLS = s.secrets(t, transport)
	}
	up := upstream.New(config)
	t.Cleanup(func() {
		up.Close()
		cancel()
		<-ended
	})
	return up
}

// count counts a query, unless it is a probe, and returns which it is.
func (s *server) count(q []byte, n *atomic.Int32) int {
	if bytes.Contains(bytes.ToLower(q), []byte(probeLabel)) {
		return 0
	}
	return int(n.Add(1))
}

// udpSocket is a client's.
type udpSocket struct {
	server   *server
	receiver socket.Receiver
	closed   atomic.Bool
}

func (s *server) connect(_ netip.AddrPort, receiver socket.Receiver) (upstream.Socket, error) {
	return &udpSocket{server: s, receiver: receiver}, nil
}

func (s *udpSocket) LocalAddr() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:1024") }

func (s *udpSocket) Close() { s.closed.Store(true) }

// Send brings the query to the server, and what it sends back, in no time.
func (s *udpSocket) Send(b []byte) error {
	query := bytes.Clone(b)
	nth := s.server.count(query, &s.server.udp)
	receive := func(m []byte, err error) {
		if !s.closed.Load() {
			s.receiver.Receive(nil, m, err)
		}
	}
	go func() {
		if s.server.fault == nil {
			receive(nil, syscall.ECONNREFUSED)
			return
		}
		s.server.fault(&packet{query: query, nth: nth, send: func(m []byte) { receive(m, nil) }})
	}()
	return nil
}

func (s *server) dial(context.Context, string, string) (net.Conn, error) {
	if s.fault == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	client, conn := net.Pipe()
	switch {
	case s.web:
		go s.serveHTTPS(newQueued(conn))
	case s.tls != nil:
		go s.serve(tls.Server(newQueued(conn), s.tls))
	default:
		go s.serve(conn)
	}
	return client, nil
}

// serve answers what comes over a connection.
func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	var mu sync.Mutex // serializes writes
	write := func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = conn.Write(b)
	}
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		s.fault(&packet{
			query: query, tcp: true, nth: s.count(query, &s.tcp), raw: write, close: func() { conn.Close() },
			send: func(m []byte) { write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)) },
		})
	}
}

// after does something later.
func after(d time.Duration, f fault) fault {
	return func(p *packet) { time.AfterFunc(d, func() { f(p) }) }
}

// wrongID gives a reply another id.
func wrongID(m []byte) []byte {
	m[0]++
	return m
}
