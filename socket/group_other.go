//go:build !linux

package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
)

// Group is a set of connected sockets, each read by a goroutine of its own.
type Group struct {
	mu      sync.Mutex
	sockets map[*Connected]struct{}
	wg      sync.WaitGroup
}

// NewGroup makes an empty group. Run has to be called, or what Dial started stays.
func NewGroup(*Batch) (*Group, error) { return &Group{sockets: make(map[*Connected]struct{})}, nil }

// Run waits until ctx ends and closes the group's sockets.
func (g *Group) Run(ctx context.Context) {
	<-ctx.Done()
	g.mu.Lock()
	sockets := g.sockets
	g.sockets = nil
	g.mu.Unlock()
	for s := range sockets {
		s.conn.Close()
	}
	g.wg.Wait()
}

// Connected is a UDP socket with one peer and a port that the kernel chose. It may be used from any goroutine.
type Connected struct {
	receiver Receiver
	group    *Group
	conn     *net.UDPConn
}

// Dial opens a socket whose packets go to receiver.
func (g *Group) Dial(addr netip.AddrPort, receiver Receiver) (*Connected, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	s := &Connected{receiver: receiver, group: g, conn: conn}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sockets == nil {
		conn.Close()
		return nil, ErrClosed
	}
	g.sockets[s] = struct{}{}
	g.wg.Go(s.read)
	return s, nil
}

// Send sends one packet.
func (s *Connected) Send(b []byte) error {
	_, err := s.conn.Write(b)
	if errors.Is(err, net.ErrClosed) {
		return ErrClosed
	}
	return err
}

// Close closes the socket. Closing it again does nothing.
func (s *Connected) Close() {
	s.conn.Close()
	s.group.mu.Lock()
	delete(s.group.sockets, s)
	s.group.mu.Unlock()
}

// LocalAddr is the address that the kernel gave the socket.
func (s *Connected) LocalAddr() netip.AddrPort { return addrPort(s.conn.LocalAddr()) }

func (s *Connected) read() {
	b := make([]byte, MaxReply)
	for {
		n, err := s.conn.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		s.receiver.Receive(s, b[:n], err)
	}
}
