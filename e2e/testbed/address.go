//go:build linux

package testbed

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// Port is where every server of a testbed listens: each has its own address. The port needs no permission, is no
// ephemeral one, and is assigned by IANA to something rare: Unbound asks from all ports that are not.
const Port = 5306

// DNSPort is where name servers have to be that others find by a zone's NS records. It needs root, or
// net.ipv4.ip_unprivileged_port_start at 53 or lower.
const DNSPort = 53

// claimPort is held open on an address for as long as the address is somebody's.
const claimPort = 5307

// Address returns a loopback address that nobody else on this machine has: not another owner,
// not another run. It is o's until o ends.
func Address(o Owner) netip.Addr {
	o.Helper()
	var last error
	for range 100 {
		// 127.0.0.0/12 is left to people who type addresses.
		addr := netip.AddrFrom4([4]byte{127, byte(16 + rand.IntN(239)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
		claim, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, claimPort)))
		if err != nil {
			last = err
			continue
		}
		if err := bindable(netip.AddrPortFrom(addr, Port)); err != nil {
			last = err
			claim.Close()
			continue
		}
		o.Cleanup(func() { claim.Close() })
		return addr
	}
	o.Fatalf("no free loopback address: %v", last)
	panic("unreachable")
}

// FreePort returns a port that is free on addr for UDP and TCP. It is for the addresses of which there is
// only one, such as ::1 and 0.0.0.0, and below the ephemeral ports, so that it stays free.
func FreePort(o Owner, addr netip.Addr) uint16 {
	o.Helper()
	var last error
	for range 100 {
		port := uint16(10_000 + rand.IntN(20_000))
		if last = bindable(netip.AddrPortFrom(addr, port)); last == nil {
			return port
		}
	}
	o.Fatalf("no free port on %v: %v", addr, last)
	panic("unreachable")
}

// bindable tells why at cannot be bound for UDP and TCP; nil: it can.
func bindable(at netip.AddrPort) error {
	// A child that is being forked meanwhile would hold the sockets a little longer than we do.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	defer udp.Close()
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	return tcp.Close()
}

// atSign writes an address as Knot and Unbound want it: 127.0.0.1@5306.
func atSign(at netip.AddrPort) string {
	return fmt.Sprintf("%s@%s", at.Addr(), strconv.Itoa(int(at.Port())))
}
