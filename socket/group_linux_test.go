package socket

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openFiles counts this process's descriptors. No other test may run meanwhile.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no /proc here: %v", err)
	}
	return len(entries)
}

func TestNoDescriptorIsLeft(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	use := func() {
		g, err := NewGroup(nil)
		if err != nil {
			t.Fatal(err)
		}
		end := run(t, g)
		c, err := Listen(t.Context(), addr, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		ended := serve(t, c, echo)
		arrivals := make(chan arrival, 1)
		var all []*Connected
		for range 100 {
			s := dialGroup(t, g, c.LocalAddr(), collect(arrivals))
			if err := s.Send([]byte("packet")); err != nil {
				t.Fatal(err)
			}
			next(t, arrivals)
			all = append(all, s)
		}
		for _, s := range all[:50] {
			s.Close()
		}
		end()
		for _, s := range all[50:] {
			s.Close()
		}
		if s, err := g.Dial(c.LocalAddr(), collect(arrivals)); err == nil {
			t.Error("Dial after Run has ended: got no error")
			s.Close()
		}
		for _, r := range g.readers {
			if n := len(r.sockets); n > 0 {
				t.Errorf("got %d sockets in the group after all were closed, want 0", n)
			}
		}
		c.Close()
		ended()
		if _, err := Listen(t.Context(), netip.MustParseAddrPort("192.0.2.1:53"), false, nil); err == nil {
			t.Error("Listen on 192.0.2.1: got no error")
		}
	}
	use() // the runtime opens some of its own
	before := openFiles(t)
	use()
	if after := openFiles(t); after != before {
		t.Errorf("got %d descriptors afterwards, want %d", after, before)
	}
}

func TestPacketsBehindAnErrorAreReceived(t *testing.T) {
	t.Parallel()
	g, err := NewGroup(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.closeAll()
	peer := refusing(t)
	const packets = 2*replyBatch + 1
	arrivals := make(chan arrival, packets+1)
	s := dialGroup(t, g, addrPort(peer.LocalAddr()), collect(arrivals))
	if err := s.Send([]byte("question")); err != nil {
		t.Fatal(err)
	}
	reconnect(t, peer, s.LocalAddr())
	for range packets {
		if _, err := peer.Write([]byte("packet")); err != nil {
			t.Fatal(err)
		}
	}
	turns(t, g)
	if len(arrivals) != packets+1 {
		t.Fatalf("got %d arrivals, want an error and %d packets", len(arrivals), packets)
	}
	if a := next(t, arrivals); !errors.Is(a.err, syscall.ECONNREFUSED) {
		t.Errorf("got %q and %v, want %v", a.packet, a.err, syscall.ECONNREFUSED)
	}
	for range packets {
		if a := next(t, arrivals); a.err != nil || a.packet != "packet" {
			t.Errorf("got %q and %v, want %q", a.packet, a.err, "packet")
		}
	}
}

// turns does what Run does until it waits for the first time.
func turns(t *testing.T, g *Group) {
	t.Helper()
	for _, r := range g.readers {
		for more := true; more; {
			if err := r.raw.Control(func(epfd uintptr) { more = r.turn(epfd) }); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// reconnect gives a socket another peer, at the same port of its own.
func reconnect(t *testing.T, c *net.UDPConn, to netip.AddrPort) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	e := raw.Control(func(fd uintptr) {
		err = unix.Connect(int(fd), &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	})
	if err := errors.Join(e, err); err != nil {
		t.Fatalf("connect to %v: %v", to, err)
	}
}

// A wake-up may be about packets of many sockets and be the last one for a while.
func TestTurnsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	const sockets, each = 3*BatchSize + 1, 2*replyBatch + 1
	g, err := NewGroup(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.closeAll()
	peer := newClient(t, "127.0.0.1:0")
	arrivals := make(chan arrival, sockets*each)
	for range sockets {
		s := dialGroup(t, g, addrPort(peer.LocalAddr()), collect(arrivals))
		for range each {
			peer.send(s.LocalAddr(), "packet")
		}
	}
	turns(t, g)
	if got := len(arrivals); got != sockets*each {
		t.Errorf("got %d packets, want %d", got, sockets*each)
	}
}

func TestSendIsNotHeldUpByTheErrorOfAnEarlierPacket(t *testing.T) {
	t.Parallel()
	g, err := NewGroup(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.closeAll()
	peer := refusing(t)
	s := dialGroup(t, g, addrPort(peer.LocalAddr()), collect(make(chan arrival, 1)))
	if err := s.Send([]byte("refused")); err != nil {
		t.Fatal(err)
	}
	reconnect(t, peer, s.LocalAddr())
	if err := s.Send([]byte("taken")); err != nil {
		t.Errorf("Send after a packet that was refused: got %v, want nil", err)
	}
	b := make([]byte, MaxQuery)
	peer.SetReadDeadline(time.Now().Add(patience))
	n, err := peer.Read(b)
	if err != nil || string(b[:n]) != "taken" {
		t.Errorf("the peer got %q and %v, want %q", b[:n], err, "taken")
	}
}
