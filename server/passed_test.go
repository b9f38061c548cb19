package server

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"notyet/socket"
)

// TestPassedSocketsAreAnsweredOn has one address of each kind, and a second server on the sockets after the first has stopped.
func TestPassedSocketsAreAnsweredOn(t *testing.T) {
	t.Parallel()
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(ownAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	addr := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for range 2 {
		var files []*os.File
		for _, s := range []interface{ File() (*os.File, error) }{udp, tcp, tcp} {
			f, err := s.File()
			if err != nil {
				t.Skipf("sockets can't be passed here: %v", err)
			}
			files = append(files, f)
		}
		passed, err := socket.Adopt(files)
		if err != nil {
			t.Skipf("sockets can't be passed here: %v", err)
		}
		f := start(t, func(c *Config, _ *upstream) { c.Listen, c.Passed = []netip.AddrPort{addr, ownAddr()}, passed })
		if addrs := f.Addrs(); len(addrs) != 2 || addrs[0] != addr || slices.Contains(addrs[1:], addr) {
			t.Errorf("got addresses %v, want %v once, and one more", addrs, addr)
		}
		for _, at := range f.Addrs() {
			for _, proto := range []string{"udp", "tcp"} {
				dial(t, proto, at).ask(t, query("www.example.com. A"))
			}
		}
		f.stop()
		f.stopped(t)
	}
}
