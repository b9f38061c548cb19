package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// newGroup makes a group that runs until the test ends.
func newGroup(t *testing.T) *Group {
	t.Helper()
	g, err := NewGroup(nil)
	if err != nil {
		t.Fatalf("NewGroup: %v", err)
	}
	run(t, g)
	return g
}

// run runs the group and returns a function that ends it.
func run(t *testing.T, g *Group) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.Run(ctx)
	}()
	end = func() {
		cancel()
		wait(t, done, "the end of Run")
	}
	t.Cleanup(end)
	return end
}

func dialGroup(t *testing.T, g *Group, addr netip.AddrPort, r Receiver) *Connected {
	t.Helper()
	s, err := g.Dial(addr, r)
	if err != nil {
		t.Fatalf("dial %v: %v", addr, err)
	}
	t.Cleanup(s.Close)
	return s
}

// receiverFunc is a function as a Receiver.
type receiverFunc func(s *Connected, b []byte, err error)

func (f receiverFunc) Receive(s *Connected, b []byte, err error) { f(s, b, err) }

// arrival is what a Receiver got.
type arrival struct {
	socket *Connected
	packet string
	err    error
}

func collect(ch chan<- arrival) receiverFunc {
	return func(s *Connected, b []byte, err error) { ch <- arrival{s, string(b), err} }
}

func next(t *testing.T, ch <-chan arrival) arrival {
	t.Helper()
	select {
	case a := <-ch:
		return a
	case <-time.After(patience):
		t.Fatalf("nothing arrived within %v", patience)
		return arrival{}
	}
}

// newEcho opens a socket that answers every packet with itself.
func newEcho(t *testing.T, addr string) netip.AddrPort {
	t.Helper()
	c, err := Listen(t.Context(), netip.MustParseAddrPort(addr), false, nil)
	if err != nil {
		t.Fatalf("listen on %s: %v", addr, err)
	}
	serve(t, c, echo)
	return c.LocalAddr()
}

func TestReplyGoesToTheReceiverOfItsSocket(t *testing.T) {
	t.Parallel()
	const sockets = 100
	g, addr := newGroup(t), newEcho(t, "127.0.0.1:0")
	arrivals := make(chan arrival, sockets)
	all := make(map[*Connected]string)
	for i := range sockets {
		s := dialGroup(t, g, addr, collect(arrivals))
		all[s] = fmt.Sprintf("to socket %d", i)
	}
	for s, packet := range all {
		if err := s.Send([]byte(packet)); err != nil {
			t.Fatalf("send %q: %v", packet, err)
		}
	}
	for range sockets {
		a := next(t, arrivals)
		if want := all[a.socket]; a.packet != want || a.err != nil {
			t.Errorf("got %q and %v, want %q", a.packet, a.err, want)
		}
		delete(all, a.socket) // so that another one for it is seen
	}
}

func TestGroupOverIPv6(t *testing.T) {
	t.Parallel()
	if !canBind("[::1]:0") {
		t.Skip("no IPv6 here")
	}
	arrivals := make(chan arrival, 1)
	s := dialGroup(t, newGroup(t), newEcho(t, "[::1]:0"), collect(arrivals))
	if a := s.LocalAddr(); a.Addr() != netip.IPv6Loopback() || a.Port() == 0 {
		t.Errorf("local address: got %v, want [::1] and a port", a)
	}
	if err := s.Send([]byte("packet")); err != nil {
		t.Fatal(err)
	}
	if a := next(t, arrivals); a.packet != "packet" || a.err != nil {
		t.Errorf("got %q and %v, want %q", a.packet, a.err, "packet")
	}
}

func TestPacketFromAnybodyElseIsNotReceived(t *testing.T) {
	t.Parallel()
	peer := newClient(t, "127.0.0.1:0")
	arrivals := make(chan arrival, 2)
	s := dialGroup(t, newGroup(t), addrPort(peer.LocalAddr()), collect(arrivals))
	newClient(t, "127.0.0.1:0").send(s.LocalAddr(), "forged")
	peer.send(s.LocalAddr(), "genuine")
	if a := next(t, arrivals); a.packet != "genuine" {
		t.Errorf("got %q and %v, want %q", a.packet, a.err, "genuine")
	}
}

func TestReplyTooLongIsCut(t *testing.T) {
	t.Parallel()
	peer := newClient(t, "127.0.0.1:0")
	arrivals := make(chan arrival, 2)
	s := dialGroup(t, newGroup(t), addrPort(peer.LocalAddr()), collect(arrivals))
	peer.send(s.LocalAddr(), string(make([]byte, MaxReply+1)))
	if a := next(t, arrivals); len(a.packet) > MaxReply {
		t.Errorf("got %d bytes, want at most %d", len(a.packet), MaxReply)
	}
	peer.send(s.LocalAddr(), "next")
	if a := next(t, arrivals); a.packet != "next" || a.err != nil {
		t.Errorf("got %q and %v, want %q", a.packet, a.err, "next")
	}
}

// refusing returns a socket whose port answers with ICMP port unreachable, since it is connected to somebody else.
func refusing(t *testing.T) *net.UDPConn {
	t.Helper()
	other := newClient(t, "127.0.0.1:0")
	c, err := net.DialUDP("udp", nil, other.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPortUnreachableIsAnError(t *testing.T) {
	t.Parallel()
	arrivals := make(chan arrival, 1)
	s := dialGroup(t, newGroup(t), addrPort(refusing(t).LocalAddr()), collect(arrivals))
	// The second time shows that the error of the first is not left behind.
	for range 2 {
		if err := s.Send([]byte("question")); err != nil {
			t.Fatalf("Send: %v", err)
		}
		if a := next(t, arrivals); !errors.Is(a.err, syscall.ECONNREFUSED) {
			t.Errorf("got %q and %v, want %v", a.packet, a.err, syscall.ECONNREFUSED)
		}
	}
}

func TestClosedSocketReceivesAndSendsNothing(t *testing.T) {
	t.Parallel()
	peer := newClient(t, "127.0.0.1:0")
	arrivals := make(chan arrival, 10)
	g := newGroup(t)
	addr := addrPort(peer.LocalAddr())
	closed, open := dialGroup(t, g, addr, collect(arrivals)), dialGroup(t, g, addr, collect(arrivals))
	local := closed.LocalAddr()
	closed.Close()
	closed.Close()
	if err := closed.Send([]byte("packet")); !errors.Is(err, ErrClosed) {
		t.Errorf("Send: got %v, want %v", err, ErrClosed)
	}
	peer.send(local, "to the closed one")
	peer.send(open.LocalAddr(), "to the open one")
	if a := next(t, arrivals); a.socket != open || a.packet != "to the open one" {
		t.Errorf("got %q and %v, want %q", a.packet, a.err, "to the open one")
	}
}

// Descriptors are used again at once: a socket must not get, close or send on another's.
func TestSocketsMayBeClosedWhileTheyReceive(t *testing.T) {
	t.Parallel()
	const (
		goroutines = 8
		rounds     = 150
	)
	g, addr := newGroup(t), newEcho(t, "127.0.0.1:0")
	var all sync.WaitGroup
	for n := range goroutines {
		all.Go(func() {
			for i := range rounds {
				want := fmt.Sprintf("%d/%d", n, i)
				arrived := make(chan struct{}, 64)
				s, err := g.Dial(addr, receiverFunc(func(s *Connected, b []byte, err error) {
					if string(b) != want || err != nil {
						t.Errorf("got %q and %v, want %q", b, err, want)
					}
					arrived <- struct{}{}
					if i%3 == 0 {
						s.Close() // the receiver itself may do so
					}
				}))
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				for range 5 {
					if err := s.Send([]byte(want)); err != nil && !errors.Is(err, ErrClosed) {
						t.Errorf("send %q: %v", want, err)
					}
				}
				select {
				case <-arrived:
				case <-time.After(patience):
					t.Errorf("nothing arrived within %v", patience)
				}
				s.Close() // with up to four on their way
			}
		})
	}
	all.Wait()
}

// Every packet that comes back lets the next one out: a single lost wake-up ends that for good.
func TestNoPacketIsForgottenUnderLoad(t *testing.T) {
	t.Parallel()
	const (
		sockets     = 64
		outstanding = 4 // few enough for the echo's buffer, whatever the system gives
		total       = 50_000
	)
	g, addr := newGroup(t), newEcho(t, "127.0.0.1:0")
	var sent, received atomic.Int64
	done := make(chan struct{})
	ping := func(s *Connected) {
		if sent.Add(1) > total {
			return
		}
		if err := s.Send([]byte("ping")); err != nil {
			t.Errorf("send: %v", err)
		}
	}
	var all []*Connected
	for range sockets {
		all = append(all, dialGroup(t, g, addr, receiverFunc(func(s *Connected, _ []byte, err error) {
			if err != nil {
				t.Errorf("receive: %v", err)
			}
			if received.Add(1) == total {
				close(done)
			}
			ping(s)
		})))
	}
	for range outstanding {
		for _, s := range all {
			ping(s)
		}
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("got %d of %d packets back", received.Load(), total)
	}
}

func TestRunEndsWithItsContextAndSocketsAreDeafThen(t *testing.T) {
	t.Parallel()
	g, err := NewGroup(nil)
	if err != nil {
		t.Fatal(err)
	}
	end := run(t, g)
	addr := newEcho(t, "127.0.0.1:0")
	arrivals := make(chan arrival, 1)
	s := dialGroup(t, g, addr, collect(arrivals))
	if err := s.Send([]byte("packet")); err != nil {
		t.Fatal(err)
	}
	next(t, arrivals)
	end()
	_ = s.Send([]byte("packet"))
	s.Close()
	if late, err := g.Dial(addr, collect(arrivals)); err == nil {
		late.Close()
		t.Error("Dial after Run has ended: got no error")
	}
	if len(arrivals) > 0 {
		t.Errorf("got %q after Run had ended, want nothing", (<-arrivals).packet)
	}
}

func TestRunEndsUnderLoad(t *testing.T) {
	t.Parallel()
	g, err := NewGroup(nil)
	if err != nil {
		t.Fatal(err)
	}
	end := run(t, g)
	addr := newEcho(t, "127.0.0.1:0")
	served := make(chan struct{})
	var once sync.Once
	for range 8 {
		s := dialGroup(t, g, addr, receiverFunc(func(s *Connected, b []byte, _ error) {
			once.Do(func() { close(served) })
			_ = s.Send([]byte("ping"))
		}))
		for range 20 {
			_ = s.Send([]byte("ping"))
		}
	}
	wait(t, served, "the first packet")
	end()
}
