package socket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
)

// Passed are sockets that somebody else has bound and keeps open, such as a service manager: no permission is needed to use
// them, and what arrives while nobody does waits. A nil one has none. It is not safe for concurrent use.
type Passed struct {
	addrs []netip.AddrPort // in the order they were passed
	udp   map[netip.AddrPort][]*net.UDPConn
	tcp   map[netip.AddrPort][]*net.TCPListener
}

// Adopt takes sockets over, which it closes in any case; what the other holds stays open. There has to be at least one for UDP
// and one for TCP for each address.
func Adopt(files []*os.File) (*Passed, error) {
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	p := &Passed{udp: make(map[netip.AddrPort][]*net.UDPConn), tcp: make(map[netip.AddrPort][]*net.TCPListener)}
	for _, f := range files {
		if err := p.adopt(f); err != nil {
			p.Close()
			return nil, fmt.Errorf("socket %s: %w", f.Name(), err)
		}
	}
	for _, addr := range p.addrs {
		switch {
		case len(p.udp[addr]) == 0:
			p.Close()
			return nil, fmt.Errorf("sockets for %s: one for UDP is missing: pass it too (ListenDatagram=%[1]s)", addr)
		case len(p.tcp[addr]) == 0:
			p.Close()
			return nil, fmt.Errorf("sockets for %s: one for TCP is missing: pass it too (ListenStream=%[1]s)", addr)
		}
	}
	return p, nil
}

// adopt finds out what a socket is, with a descriptor of its own.
func (p *Passed) adopt(f *os.File) error {
	if c, err := net.FilePacketConn(f); err == nil {
		if u, ok := c.(*net.UDPConn); ok {
			return p.add(u, nil, u.LocalAddr().(*net.UDPAddr).AddrPort())
		}
		c.Close()
	}
	if l, err := net.FileListener(f); err == nil {
		if t, ok := l.(*net.TCPListener); ok {
			return p.add(nil, t, t.Addr().(*net.TCPAddr).AddrPort())
		}
		l.Close()
	}
	return errors.New("pass sockets for UDP and TCP only (ListenDatagram= and ListenStream= with an IP address and a port)")
}

// add keeps one of the two.
func (p *Passed) add(udp *net.UDPConn, tcp *net.TCPListener, addr netip.AddrPort) error {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if !slices.Contains(p.addrs, addr) {
		p.addrs = append(p.addrs, addr)
	}
	if udp != nil {
		p.udp[addr] = append(p.udp[addr], udp)
		return fit(udp, addr.Addr(), false)
	}
	p.tcp[addr] = append(p.tcp[addr], tcp)
	return fit(tcp, addr.Addr(), true)
}

// Addrs are the addresses that there are sockets for. The caller owns the slice.
func (p *Passed) Addrs() []netip.AddrPort {
	if p == nil {
		return nil
	}
	return slices.Clone(p.addrs)
}

// UDP gives away the sockets of an address for UDP; nil: there are none. They send in the turns of batch, as those of Listen.
func (p *Passed) UDP(addr netip.AddrPort, batch *Batch) ([]Conn, error) {
	if p == nil {
		return nil, nil
	}
	passed := p.udp[addr]
	delete(p.udp, addr)
	var conns []Conn
	for i, u := range passed {
		c, err := newConn(u, addr.Addr().IsUnspecified(), batch, true)
		if err != nil {
			closeAll(conns)
			closeAll(passed[i+1:])
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

// TCP gives away the sockets of an address for TCP; nil: there are none.
func (p *Passed) TCP(addr netip.AddrPort) []net.Listener {
	if p == nil {
		return nil
	}
	var listeners []net.Listener
	for _, l := range p.tcp[addr] {
		listeners = append(listeners, l)
	}
	delete(p.tcp, addr)
	return listeners
}

// Close closes what was not given away.
func (p *Passed) Close() {
	if p == nil {
		return
	}
	for _, udp := range p.udp {
		closeAll(udp)
	}
	for _, tcp := range p.tcp {
		closeAll(tcp)
	}
}

func closeAll[T interface{ Close() error }](all []T) {
	for _, c := range all {
		c.Close()
	}
}
