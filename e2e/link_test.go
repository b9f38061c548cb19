//go:build e2e && linux

package e2e

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// link is what a bad line to a server does to packets over UDP.
type link struct {
	loss  float64       // part of the queries that get lost
	delay time.Duration // of a query and its reply together
}

// relay is one end of a link: clients ask it instead of the server.
type relay struct {
	link
	server  netip.AddrPort
	clients *net.UDPConn

	mu     sync.Mutex // guards all below
	conns  map[netip.AddrPort]*net.UDPConn
	closed bool
}

// startRelay puts a link before a server until the test ends, and returns where its other end is.
func startRelay(t testing.TB, server netip.AddrPort, l link) netip.AddrPort {
	t.Helper()
	at := nobody(t)
	clients, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatalf("%v", err)
	}
	r := &relay{link: l, server: server, clients: clients, conns: make(map[netip.AddrPort]*net.UDPConn)}
	var running sync.WaitGroup
	running.Go(func() { r.run(&running) })
	t.Cleanup(func() {
		r.close()
		running.Wait()
	})
	return at
}

func (r *relay) close() {
	r.clients.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, c := range r.conns {
		c.Close()
	}
}

func (r *relay) run(running *sync.WaitGroup) {
	b := make([]byte, 1<<16)
	for {
		n, client, err := r.clients.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if rand.Float64() < r.loss {
			continue
		}
		if conn := r.conn(client, running); conn != nil {
			r.later(b[:n], func(query []byte) { _, _ = conn.Write(query) })
		}
	}
}

// conn is the socket from which a client's queries go to the server; nil: the test is over.
func (r *relay) conn(client netip.AddrPort, running *sync.WaitGroup) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	conn := r.conns[client]
	if conn != nil || r.closed {
		return conn
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.server))
	if err != nil {
		return nil
	}
	r.conns[client] = conn
	running.Go(func() { r.replies(conn, client) })
	return conn
}

func (r *relay) replies(conn *net.UDPConn, client netip.AddrPort) {
	b := make([]byte, 1<<16)
	for {
		n, err := conn.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			r.later(b[:n], func(reply []byte) { _, _ = r.clients.WriteToUDPAddrPort(reply, client) })
		}
	}
}

// later sends a packet on when half the delay is over.
func (r *relay) later(packet []byte, send func([]byte)) {
	kept := append([]byte(nil), packet...)
	time.AfterFunc(r.delay/2, func() { send(kept) })
}
