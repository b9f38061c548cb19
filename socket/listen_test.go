package socket

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
)

func TestIPv6WildcardLeavesIPv4ToOthers(t *testing.T) {
	t.Parallel()
	eachConn(t, "[::]:0", func(t *testing.T, c Conn) {
		port := c.LocalAddr().Port()
		bind := func() (Conn, error) {
			return Listen(t.Context(), netip.AddrPortFrom(netip.IPv4Unspecified(), port), false, nil)
		}
		v4, err := bind()
		if err != nil {
			c.Close()
			if _, alone := bind(); alone != nil {
				t.Skipf("another program has 0.0.0.0:%d: %v", port, alone)
			}
			t.Fatalf("bind 0.0.0.0:%d beside [::]:%d: %v", port, port, err)
		}
		defer v4.Close()
		serve(t, v4, echo)
		asker := newClient(t, "127.0.0.1:0")
		addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		asker.send(addr, "to IPv4")
		asker.want("to IPv4", addr)
	})
}

func TestPortIsBoundOnceUnlessShared(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		first, second bool // shared
		want          error
	}{
		{"alone, alone", false, false, syscall.EADDRINUSE},
		{"shared, alone", true, false, syscall.EADDRINUSE},
		{"alone, shared", false, true, syscall.EADDRINUSE},
		{"shared, shared", true, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !CanShare && (tt.first || tt.second) {
				t.Skip("ports can't be shared here")
			}
			any := netip.MustParseAddrPort("127.0.0.1:0")
			udp, err := Listen(t.Context(), any, tt.first, nil)
			if err != nil {
				t.Fatalf("bind UDP: %v", err)
			}
			defer udp.Close()
			second, err := Listen(t.Context(), udp.LocalAddr(), tt.second, nil)
			if !errors.Is(err, tt.want) {
				t.Errorf("UDP: got %v, want %v", err, tt.want)
			}
			if err == nil {
				second.Close()
			}
			tcp, err := ListenTCP(t.Context(), any, tt.first)
			if err != nil {
				t.Fatalf("bind TCP: %v", err)
			}
			defer tcp.Close()
			other, err := ListenTCP(t.Context(), tcp.Addr().(*net.TCPAddr).AddrPort(), tt.second)
			if !errors.Is(err, tt.want) {
				t.Errorf("TCP: got %v, want %v", err, tt.want)
			}
			if err == nil {
				other.Close()
			}
		})
	}
}

func TestIPv6WildcardOverTCPLeavesIPv4ToOthers(t *testing.T) {
	t.Parallel()
	v6, err := ListenTCP(t.Context(), netip.MustParseAddrPort("[::]:0"), false)
	if err != nil {
		if canBind("[::1]:0") {
			t.Fatalf("bind [::]: %v", err)
		}
		t.Skip("no IPv6 here")
	}
	defer v6.Close()
	port := v6.Addr().(*net.TCPAddr).AddrPort().Port()
	v4, err := ListenTCP(t.Context(), netip.AddrPortFrom(netip.IPv4Unspecified(), port), false)
	if err != nil {
		t.Fatalf("bind 0.0.0.0:%d beside [::]:%d: %v", port, port, err)
	}
	v4.Close()
}

func TestListenSaysWhatIsWrongWithAnAddress(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddrPort("192.0.2.1:0") // TEST-NET-1 is on no interface
	if c, err := Listen(t.Context(), addr, false, nil); err == nil {
		c.Close()
		t.Errorf("Listen %v: got no error", addr)
	} else if runtime.GOOS == "linux" && !errors.Is(err, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("Listen %v: got %v, want %v", addr, err, syscall.EADDRNOTAVAIL)
	}
}
