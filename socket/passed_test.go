//go:build unix

package socket

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// held are sockets as a service manager has them.
type held struct {
	udp *net.UDPConn
	tcp *net.TCPListener
}

// hold binds an address as a service manager does: with its own options, and it keeps the sockets. A port that the kernel chose
// for UDP may be taken for TCP: then it chooses another.
func hold(t *testing.T, family, addr string) held {
	t.Helper()
	var err error
	for range 100 {
		var h held
		if h.udp, err = net.ListenUDP("udp"+family, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr))); err != nil {
			break
		}
		if h.tcp, err = net.ListenTCP("tcp"+family, net.TCPAddrFromAddrPort(h.addr())); err != nil {
			h.udp.Close()
			continue
		}
		t.Cleanup(func() {
			h.udp.Close()
			h.tcp.Close()
		})
		return h
	}
	t.Fatal(err)
	return held{}
}

func (h held) addr() netip.AddrPort { return addrPort(h.udp.LocalAddr()) }

// pass gives copies of sockets away.
func pass(t *testing.T, sockets ...interface{ File() (*os.File, error) }) (files []*os.File) {
	t.Helper()
	for _, s := range sockets {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

func adopt(t *testing.T, files []*os.File) *Passed {
	t.Helper()
	p, err := Adopt(files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestPassedSocketIsGivenAwayOnce(t *testing.T) {
	t.Parallel()
	first, second := hold(t, "", "127.0.0.1:0"), hold(t, "", "127.0.0.1:0")
	p := adopt(t, pass(t, second.tcp, first.udp, second.udp, first.tcp))
	if got, want := p.Addrs(), []netip.AddrPort{second.addr(), first.addr()}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for n, want := range []int{1, 0} {
		udp, err := p.UDP(first.addr(), nil)
		if err != nil {
			t.Fatal(err)
		}
		tcp := p.TCP(first.addr())
		if len(udp) != want || len(tcp) != want {
			t.Errorf("call %d: got %d and %d sockets, want %d each", n, len(udp), len(tcp), want)
		}
		for _, c := range udp {
			c.Close()
		}
		for _, l := range tcp {
			l.Close()
		}
	}
	if udp, err := (*Passed)(nil).UDP(first.addr(), nil); udp != nil || err != nil {
		t.Errorf("of none: got %v and %v", udp, err)
	}
}

// What the manager has must be as good as new for whoever comes next: a connected one would get nothing any more.
func TestPassedSocketGoesOnAfterTheStop(t *testing.T) {
	t.Parallel()
	h := hold(t, "", "127.0.0.1:0")
	asker := newClient(t, "127.0.0.1:0")
	for _, packet := range []string{"to the first", "to the second"} {
		udp, err := adopt(t, pass(t, h.udp, h.tcp)).UDP(h.addr(), nil)
		if err != nil {
			t.Fatal(err)
		}
		asker.send(h.addr(), packet) // it may be there before anybody reads
		ended := serve(t, udp[0], echo)
		asker.want(packet, h.addr())
		udp[0].Stop()
		ended()
		udp[0].Close()
	}
	asker.send(h.addr(), "to nobody")
	b := make([]byte, MaxQuery)
	if n, _, err := h.udp.ReadFrom(b); err != nil || string(b[:n]) != "to nobody" {
		t.Errorf("the manager got %q and %v, want what was sent after the stop", b[:n], err)
	}
}

func TestPassedWildcardRepliesFromTheAddressAsked(t *testing.T) {
	t.Parallel()
	h := hold(t, "4", "0.0.0.0:0") // "udp" would be both families
	bound := h.addr()
	conns, err := adopt(t, pass(t, h.udp, h.tcp)).UDP(bound, nil)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, conns[0], echo)
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), bound.Port())
	if runtime.GOOS == "linux" { // where all of 127.0.0.0/8 is there, and this is not what routing picks
		addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), bound.Port())
	}
	asker := newClient(t, "127.0.0.1:0")
	asker.send(addr, "packet")
	asker.want("packet", addr)
}

func TestSocketsThatCannotBeUsedAreTold(t *testing.T) {
	t.Parallel()
	h := hold(t, "", "127.0.0.1:0")
	for _, tt := range []struct {
		name string
		pass func(t *testing.T) []*os.File
		want string
	}{
		{"only UDP", func(t *testing.T) []*os.File { return pass(t, h.udp) }, "one for TCP is missing: pass it too (ListenStream=" + h.addr().String() + ")"},
		{"only TCP", func(t *testing.T) []*os.File { return pass(t, h.tcp) }, "one for UDP is missing: pass it too (ListenDatagram=" + h.addr().String() + ")"},
		{"both families", func(t *testing.T) []*os.File {
			l, err := net.Listen("tcp", ":0")
			if err != nil || l.Addr().(*net.TCPAddr).AddrPort().Addr().Is4() {
				t.Skipf("no socket for both here: %v, %v", l, err)
			}
			defer l.Close()
			return pass(t, l.(*net.TCPListener))
		}, "BindIPv6Only=ipv6-only"},
		{"a connection", func(t *testing.T) []*os.File {
			c, err := net.Dial("tcp", h.tcp.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			return pass(t, h.udp, c.(*net.TCPConn))
		}, "Accept=no"},
		{"a Unix socket", func(t *testing.T) []*os.File {
			l, err := net.Listen("unix", t.TempDir()+"/socket")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			return pass(t, l.(*net.UnixListener))
		}, "pass sockets for UDP and TCP only"},
		{"a file", func(t *testing.T) []*os.File {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			return []*os.File{f}
		}, "socket " + os.DevNull + ": pass sockets for UDP and TCP only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := tt.pass(t)
			p, err := Adopt(files)
			if err == nil {
				p.Close()
				t.Fatalf("got no error, want %q", tt.want)
			}
			if got := err.Error(); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
			for _, f := range files {
				if f.Close() == nil {
					t.Errorf("%s is still open", f.Name())
				}
			}
		})
	}
}
