package server

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"notyet/socket"
)

// memory is a server without sockets, for tests in a bubble of fake time.
type memory struct {
	*fixture
	listener *memoryListener
	packets  *memoryPackets
}

func startInMemory(t *testing.T, change func(*Config, *upstream)) *memory {
	t.Helper()
	f := &fixture{upstream: &upstream{cache: newCache()}}
	config := f.config(change)
	config.Listen = nil
	f.Server = open(t, config)
	m := &memory{f, newMemoryListener(), newMemoryPackets()}
	f.Server.tcp = []net.Listener{m.listener}
	f.Server.udp = []socket.Conn{m.packets}
	f.Server.meter = newMeter(f.Server)
	f.run(t)
	return m
}

// memoryListener takes connections from dial.
type memoryListener struct {
	conns  chan net.Conn
	fail   chan error // for one Accept
	closed context.Context
	close  context.CancelFunc
}

func newMemoryListener() *memoryListener {
	l := &memoryListener{conns: make(chan net.Conn), fail: make(chan error, 1)}
	l.closed, l.close = context.WithCancel(context.Background())
	return l
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.fail:
		return nil, err
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error   { l.close(); return nil }
func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53} }

// memoryConn is a server's end of a connection. What is written waits until the client reads it: it has no buffer.
type memoryConn struct{ net.Conn }

func (memoryConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 1234}
}

// fakePatience is how much fake time a client waits; all that it waits for is there sooner.
const fakePatience = time.Minute

// connect opens a connection.
func (l *memoryListener) connect(t *testing.T) client {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	ours.SetDeadline(time.Now().Add(fakePatience))
	select {
	case l.conns <- memoryConn{theirs}:
	case <-l.closed.Done():
		theirs.Close()
	}
	return client{ours}
}

// memoryPackets is a UDP socket.
type memoryPackets struct {
	in      chan []byte
	out     chan []byte // has room for all replies of a test
	fail    chan error  // ends Serve
	stopped chan struct{}
	stop    sync.Once
	drops   uint64
}

func newMemoryPackets() *memoryPackets {
	return &memoryPackets{
		in: make(chan []byte), out: make(chan []byte, 1000),
		fail: make(chan error, 1), stopped: make(chan struct{}),
	}
}

var memoryPeer = socket.Peer{Addr: netip.MustParseAddrPort("192.0.2.99:5353")}

func (p *memoryPackets) Serve(handle func([]socket.Packet)) error {
	for {
		select {
		case b := <-p.in:
			packets := []socket.Packet{{Peer: memoryPeer, In: b, Out: make([]byte, 0, socket.MaxQuery)}}
			handle(packets)
			if len(packets[0].Out) > 0 {
				p.out <- packets[0].Out
			}
		case err := <-p.fail:
			return err
		case <-p.stopped:
			return nil
		}
	}
}

func (p *memoryPackets) Send(b []byte, to socket.Peer) error {
	if to != memoryPeer {
		return errors.New("sent to somebody else")
	}
	p.out <- bytes.Clone(b)
	return nil
}

func (p *memoryPackets) Stop()                     { p.stop.Do(func() { close(p.stopped) }) }
func (p *memoryPackets) Close() error              { p.Stop(); return nil }
func (p *memoryPackets) LocalAddr() netip.AddrPort { return loopback }
func (p *memoryPackets) Drops() uint64             { return p.drops }
