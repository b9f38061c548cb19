package admin

import (
	"net"
	"sync"
	"testing"
)

// memoryListener takes connections that need no socket, for tests in a bubble of fake time.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
}

// startInMemory is start with such a listener.
func startInMemory(t *testing.T) (*running, *memoryListener) {
	t.Helper()
	return startInMemoryWith(t, config("127.0.0.1:0"))
}

func startInMemoryWith(t *testing.T, c Config) (*running, *memoryListener) {
	t.Helper()
	s, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.listener = l
	return run(t, s), l
}

// connect opens a connection. It has no buffer: what is written waits until it is read.
func (l *memoryListener) connect(t *testing.T) net.Conn {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	l.conns <- memoryConn{theirs}
	return ours
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error   { l.close.Do(func() { close(l.closed) }); return nil }
func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// memoryConn is a server's end of a connection.
type memoryConn struct{ net.Conn }

func (memoryConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1234} }
