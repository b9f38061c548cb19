package server

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"notyet/socket"
)

// bindOn is a configuration that binds the addresses.
func bindOn(addrs ...netip.AddrPort) Config {
	f := &fixture{upstream: &upstream{cache: newCache()}}
	return f.config(func(c *Config, _ *upstream) { c.Listen = addrs })
}

var lastAddr atomic.Uint32

// ownAddr is a loopback address with port 0 that no other test uses, so that none draws the port that a test has just
// freed; where there is only one, that is left to luck.
func ownAddr() netip.AddrPort {
	if runtime.GOOS != "linux" {
		return loopback
	}
	n := lastAddr.Add(1)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 53, byte(n >> 8), byte(n)}), 0)
}

// taken binds a free port for one protocol, and has it until the end of the test.
func taken(t *testing.T, proto string, shared bool) netip.AddrPort {
	t.Helper()
	addr := ownAddr()
	if proto == "udp" {
		c, err := socket.Listen(t.Context(), addr, shared, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.LocalAddr()
	}
	l, err := socket.ListenTCP(t.Context(), addr, shared)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return tcpAddr(l.Addr())
}

// free is an address that nobody has at the moment.
func free(t *testing.T) netip.AddrPort {
	t.Helper()
	s := open(t, bindOn(ownAddr()))
	defer s.Close()
	return s.Addrs()[0]
}

func TestAddressThatCannotBeBound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		addr      func(t *testing.T) netip.AddrPort
		reusePort bool
		want      []string // besides the address
	}{
		{
			"other server on UDP", func(t *testing.T) netip.AddrPort { return taken(t, "udp", false) }, false,
			[]string{"listen on udp ", "address already in use", "--listen", "reuse_port"},
		},
		{
			"other server on TCP", func(t *testing.T) netip.AddrPort { return taken(t, "tcp", false) }, false,
			[]string{"listen on tcp ", "address already in use", "--listen", "reuse_port"},
		},
		{
			"other server that shares its port, on UDP", func(t *testing.T) netip.AddrPort { return taken(t, "udp", socket.CanShare) }, false,
			[]string{"listen on udp ", "address already in use", "--listen", "reuse_port"},
		},
		{
			"other server that shares its port, on TCP", func(t *testing.T) netip.AddrPort { return taken(t, "tcp", socket.CanShare) }, false,
			[]string{"listen on tcp ", "address already in use", "--listen", "reuse_port"},
		},
		{
			"other server that doesn't share its port", func(t *testing.T) netip.AddrPort { return taken(t, "udp", false) }, socket.CanShare,
			[]string{"listen on udp ", "address already in use", "--listen"},
		},
		{
			"address of another machine", func(*testing.T) netip.AddrPort { return netip.MustParseAddrPort("192.0.2.254:5300") }, false,
			[]string{"listen on udp ", "no interface of this machine has that address"},
		},
		{
			"address of another machine, any port", func(*testing.T) netip.AddrPort { return netip.MustParseAddrPort("[2001:db8::1]:0") }, false,
			[]string{"listen on udp ", "no interface of this machine has that address"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS == "windows" {
				t.Skip("the system words it otherwise")
			}
			addr, before := tt.addr(t), free(t)
			config := bindOn(before, addr)
			config.ReusePort = tt.reusePort
			s, err := New(t.Context(), config)
			if err == nil {
				s.Close()
				t.Fatalf("bind %s: got no error", addr)
			}
			for _, want := range append(tt.want, addr.String()) {
				if got := err.Error(); strings.Count(got, want) != 1 || strings.Contains(got, "\n") {
					t.Errorf("bind %s: got %q, want it to say %q, once, in a line", addr, got, want)
				}
			}
			// Nothing stays bound.
			again := open(t, bindOn(before))
			again.Close()
			if strings.Contains(tt.name, "TCP") {
				c, err := socket.Listen(t.Context(), addr, false, nil)
				if err != nil {
					t.Fatalf("UDP of the address whose TCP is taken: %v", err)
				}
				c.Close()
			}
		})
	}
}

func TestPortZeroIsTheSameForUDPAndTCP(t *testing.T) {
	t.Parallel()
	listen := append([]netip.AddrPort{loopback}, loopbacks(t)...)
	f := start(t, func(c *Config, _ *upstream) { c.Listen, c.Readers = listen, 2 })
	addrs := f.Addrs()
	if len(addrs) != len(listen) || addrs[0] == addrs[1] {
		t.Fatalf("got %v, want a port of each of %v, another one each time", addrs, listen)
	}
	for i, addr := range addrs {
		if addr.Addr() != listen[i].Addr() {
			t.Errorf("got %v, want a port of %v", addr, listen[i])
		}
	}
	for _, addr := range addrs {
		if addr.Port() == 0 {
			t.Errorf("got %s, want the real port", addr)
		}
		for _, proto := range []string{"udp", "tcp"} {
			dial(t, proto, addr).ask(t, query("www.example.com. A"))
		}
	}
}

func TestTwoServersShareAPort(t *testing.T) {
	t.Parallel()
	if !socket.CanShare {
		t.Skip("this system does not share ports")
	}
	reuse := func(addr netip.AddrPort, id string) func(*Config, *upstream) {
		return func(c *Config, _ *upstream) { c.Listen, c.ReusePort, c.ID = []netip.AddrPort{addr}, true, id }
	}
	first := start(t, reuse(loopback, "first"))
	second := start(t, reuse(first.Addrs()[0], "second"))
	if first.Addrs()[0] != second.Addrs()[0] {
		t.Fatalf("got %v and %v, want the same", first.Addrs(), second.Addrs())
	}
	who := func(proto string) string {
		c := first.dial(t, proto)
		defer c.Close()
		return render(c.ask(t, query("id.server. CH TXT")))
	}
	for _, proto := range []string{"udp", "tcp"} {
		got := make(map[string]bool)
		for range 200 { // the kernel chooses by the client's port
			got[who(proto)] = true
		}
		if runtime.GOOS == "linux" && len(got) != 2 {
			t.Errorf("%s: got %v, want replies from both", proto, got)
		}
	}
	second.stop()
	second.stopped(t)
	for range 20 {
		for _, proto := range []string{"udp", "tcp"} {
			if got := who(proto); !strings.Contains(got, "first") {
				t.Errorf("%s, after the second has stopped: got %s, want the first", proto, got)
			}
		}
	}
}

func TestServerThatDoesNotRunCanBeClosed(t *testing.T) {
	t.Parallel()
	s := open(t, bindOn(ownAddr()))
	addr := s.Addrs()[0]
	s.Close()
	s.Close()
	again := open(t, bindOn(addr))
	again.Close()
}

func TestStoppedServerHasFreedItsAddresses(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config, _ *upstream) { c.Listen = []netip.AddrPort{ownAddr()} })
	f.dial(t, "tcp").ask(t, query("www.example.com. A"))
	f.stop()
	f.stopped(t)
	for _, network := range []string{"udp4", "tcp4"} {
		var err error
		if network == "udp4" {
			var c net.PacketConn
			if c, err = net.ListenPacket(network, f.addr.String()); err == nil {
				c.Close()
			}
		} else {
			var l net.Listener
			if l, err = (&net.ListenConfig{}).Listen(context.Background(), network, f.addr.String()); err == nil {
				l.Close()
			}
		}
		if err != nil {
			t.Errorf("after the stop: %v", err)
		}
	}
}
