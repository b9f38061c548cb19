package socket

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDropsCountsWhatTheBufferDidNotTake(t *testing.T) {
	t.Parallel()
	c := bind(t)
	if err := c.conn.SetReadBuffer(8 << 10); err != nil {
		t.Fatal(err)
	}
	const sent = 500 // far more than the buffer takes
	asker := newClient(t, "127.0.0.1:0")
	for range sent {
		asker.send(c.LocalAddr(), "packet")
	}
	// The kernel tells with a packet how many it had dropped before that: the last one is sent when there is room again.
	received := 0
	for more := true; more; {
		var n int
		n, more = receiveNow(t, c)
		received += n
	}
	asker.send(c.LocalAddr(), "last")
	last, _ := receiveNow(t, c)
	received += last
	if got, want := c.Drops(), uint64(sent+1-received); got != want || want == 0 {
		t.Errorf("%d packets were sent and %d received: got %d dropped, want %d", sent+1, received, got, want)
	}
}

func bind(t *testing.T) *batchConn {
	t.Helper()
	c, err := Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*batchConn)
}

// receiveNow does one turn and returns how many packets there were, and whether there may be more.
func receiveNow(t *testing.T, c *batchConn) (n int, more bool) {
	t.Helper()
	r := newReceiver(c, func(packets []Packet) { n = len(packets) })
	if err := c.raw.Control(func(fd uintptr) { more = r.turn(fd) }); err != nil {
		t.Fatal(err)
	}
	return n, more
}

// The poller tells of new packets, not of those that are still there.
func TestReceivingGoesOnBehindAFullBatch(t *testing.T) {
	t.Parallel()
	c := bind(t)
	asker := newClient(t, "127.0.0.1:0")
	for range 2*BatchSize + 1 {
		asker.send(c.LocalAddr(), "packet")
	}
	for _, want := range []struct {
		n    int
		more bool
	}{{BatchSize, true}, {BatchSize, true}, {1, false}, {0, false}} {
		if n, more := receiveNow(t, c); n != want.n || more != want.more {
			t.Errorf("got %d packets and %v for more, want %d and %v", n, more, want.n, want.more)
		}
	}
}

func TestReceivingAndAnsweringDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, wildcard := range []bool{false, true} {
		addr := netip.MustParseAddrPort("127.0.0.1:0")
		if wildcard {
			addr = netip.MustParseAddrPort("0.0.0.0:0")
		}
		conn, err := Listen(t.Context(), addr, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := conn.(*batchConn)
		asked := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), c.LocalAddr().Port())
		asker := newClient(t, "127.0.0.1:0")
		handled := 0
		var peer Peer
		r := newReceiver(c, func(packets []Packet) {
			echo(packets)
			handled += len(packets)
			peer = packets[0].Peer
		})
		turn := func(fd uintptr) { r.turn(fd) }
		question, reply := []byte("question"), make([]byte, MaxQuery)
		const batch = 10
		got := testing.AllocsPerRun(200, func() {
			for range batch {
				if _, err := asker.WriteToUDPAddrPort(question, asked); err != nil {
					t.Fatal(err)
				}
			}
			for handled = 0; handled < batch; {
				if err := c.raw.Control(turn); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Send(question, peer); err != nil {
				t.Fatal(err)
			}
			for range batch + 1 {
				if _, _, err := asker.ReadFromUDPAddrPort(reply); err != nil {
					t.Fatal(err)
				}
			}
		})
		if got != 0 {
			t.Errorf("wildcard %v: a batch of %d: got %v allocations, want 0", wildcard, batch, got)
		}
	}
}

func TestPeerSurvivesTheKernelsForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		peer Peer
		size uint32
	}{
		{"IPv4", Peer{Addr: netip.MustParseAddrPort("192.0.2.1:1")}, unix.SizeofSockaddrInet4},
		{"IPv4, high port", Peer{Addr: netip.MustParseAddrPort("192.0.2.255:65280")}, unix.SizeofSockaddrInet4},
		{"IPv6", Peer{Addr: netip.MustParseAddrPort("[2001:db8::1]:53")}, unix.SizeofSockaddrInet6},
		{"link-local", Peer{Addr: netip.MustParseAddrPort("[fe80::1]:5353"), Scope: 7}, unix.SizeofSockaddrInet6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name := unix.RawSockaddrInet6{ // another peer's
				Family: unix.AF_INET6, Port: 1, Flowinfo: 2, Scope_id: 3,
				Addr: netip.MustParseAddr("2001:db8::ffff").As16(),
			}
			if got := toRaw(&name, tt.peer); got != tt.size {
				t.Errorf("%v: got size %d, want %d", tt.peer, got, tt.size)
			}
			if got := fromRaw(&name); got != tt.peer {
				t.Errorf("got %+v, want %+v", got, tt.peer)
			}
		})
	}
}

func TestControlMessages(t *testing.T) {
	t.Parallel()
	room := func() []byte { return make([]byte, 0, controlSize) }
	v4 := putSource(room(), Peer{Local: netip.MustParseAddr("192.0.2.1")})
	v6 := putSource(room(), Peer{Local: netip.MustParseAddr("fe80::1"), Scope: 7})
	tests := []struct {
		name string
		in   []byte
		want []string
	}{
		{"none", nil, nil},
		{"IPv4", v4, []string{"0/8 00000000c000020100000000"}},
		{"IPv6 with its interface", v6, []string{"41/50 fe80000000000000000000000000000107000000"}},
		{"two", append(slices.Clone(v4), v6...), []string{"0/8 00000000c000020100000000", "41/50 fe80000000000000000000000000000107000000"}},
		{"short header", v4[:controlHeader-1], nil},
		{"cut data", v4[:controlHeader+3], nil},
		{"length below the header", func() []byte { b := slices.Clone(v4); putControlLen(b, controlHeader-1); return b }(), nil},
		{"length zero", make([]byte, controlSize), nil},
		{"length beyond the buffer", func() []byte { b := slices.Clone(v4); putControlLen(b, 1<<20); return b }(), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			eachControl(tt.in, func(level, kind int32, data []byte) {
				got = append(got, fmt.Sprintf("%d/%d %x", level, kind, data))
			})
			if !slices.Equal(got, tt.want) {
				t.Errorf("%x: got %v, want %v", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzControlMessages(f *testing.F) {
	for _, local := range []string{"192.0.2.1", "2001:db8::1"} {
		f.Add(putSource(make([]byte, 0, controlSize), Peer{Local: netip.MustParseAddr(local)}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		eachControl(b, func(_, _ int32, data []byte) { total += controlHeader + len(data) })
		if total > len(b) {
			t.Errorf("%x: got %d bytes of messages, want at most %d", b, total, len(b))
		}
	})
}

// A reply that can't be sent must not take those behind it along.
func TestReplyThatCannotBeSentIsLeftOut(t *testing.T) {
	t.Parallel()
	c := bind(t)
	asker := newClient(t, "127.0.0.1:0")
	for _, packet := range []string{"one", "too long", "two"} {
		asker.send(c.LocalAddr(), packet)
	}
	serve(t, c, func(packets []Packet) {
		for i := range packets {
			p := &packets[i]
			if p.Out = append(p.Out, p.In...); string(p.In) == "too long" {
				p.Out = make([]byte, 1<<16) // EMSGSIZE
			}
		}
	})
	asker.want("one", c.LocalAddr())
	asker.want("two", c.LocalAddr())
}

func TestMessageHeaderHasTheKernelsSize(t *testing.T) {
	t.Parallel()
	// struct mmsghdr: a msghdr and an unsigned int, aligned as the pointers in it.
	align := reflect.TypeFor[uintptr]().Size()
	want := (reflect.TypeFor[unix.Msghdr]().Size() + 4 + align - 1) &^ (align - 1)
	if got := reflect.TypeFor[mmsghdr]().Size(); got != want {
		t.Errorf("got %d bytes, want %d", got, want)
	}
}

func TestListeningSocketsAreNotFragmentedByForgedICMP(t *testing.T) {
	t.Parallel()
	c := bind(t)
	var got int
	var err error
	if e := c.raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.SOL_IP, unix.IP_MTU_DISCOVER) }); e != nil {
		t.Fatal(e)
	}
	if err != nil || got != unix.IP_PMTUDISC_OMIT {
		t.Errorf("IP_MTU_DISCOVER: got %d and %v, want %d", got, err, unix.IP_PMTUDISC_OMIT)
	}
}

func TestWhatHadArrivedBeforeStopIsAnswered(t *testing.T) {
	t.Parallel()
	c := bind(t)
	asker := newClient(t, "127.0.0.1:0")
	const packets = 3*BatchSize + 1
	for i := range packets {
		asker.send(c.LocalAddr(), fmt.Sprintf("packet %d", i))
	}
	c.Stop()
	serve(t, c, echo)()
	for i := range packets {
		asker.want(fmt.Sprintf("packet %d", i), c.LocalAddr())
	}
}

// The kernel spreads clients over the sockets that share a port; one that has stopped must not get any.
func TestStoppedSocketLeavesItsClientsToTheOthers(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			bound := netip.MustParseAddrPort(addr)
			if bound.Addr().Is6() && !canBind("[::1]:0") {
				t.Skip("no IPv6 here")
			}
			var sharing []Conn
			for i := range 3 {
				c, err := Listen(t.Context(), bound, true, nil)
				if err != nil {
					t.Fatalf("bind %v: %v", bound, err)
				}
				bound = c.LocalAddr()
				sharing = append(sharing, c)
				serve(t, c, func(packets []Packet) {
					for n := range packets {
						packets[n].Out = fmt.Append(packets[n].Out, i)
					}
				})
			}
			sharing[1].Stop()
			asked := bound
			if bound.Addr().IsUnspecified() {
				asked = netip.AddrPortFrom(loopbackOf(bound.Addr()), bound.Port())
			}
			for range 50 { // each on a port of its own
				asker := newClient(t, netip.AddrPortFrom(asked.Addr(), 0).String())
				asker.send(asked, "question")
				if got, _ := asker.receive(); got != "0" && got != "2" {
					t.Errorf("got an answer from socket %s, which has stopped", got)
				}
			}
		})
	}
}
