package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"syscall"

	"notyet/socket"
)

// portTries is how often a port is drawn that has to be free for both UDP and TCP.
const portTries = 16

// bind opens the sockets of one address, or takes those that were passed.
func (s *Server) bind(ctx context.Context, addr netip.AddrPort) error {
	if tcp := s.config.Passed.TCP(addr); len(tcp) > 0 {
		s.tcp = append(s.tcp, tcp...)
		udp, err := s.config.Passed.UDP(addr, s.config.Replies)
		s.udp = append(s.udp, udp...)
		return err
	}
	tries := 1
	if addr.Port() == 0 {
		tries = portTries
	}
	var err error
	for range tries {
		var udp []socket.Conn
		if udp, err = s.bindUDP(ctx, addr); err != nil {
			err = explain("udp", addr, err)
			continue
		}
		bound := netip.AddrPortFrom(addr.Addr(), udp[0].LocalAddr().Port())
		var tcp *net.TCPListener
		if tcp, err = socket.ListenTCP(ctx, bound, s.config.ReusePort); err != nil {
			err = explain("tcp", addr, err)
			closeConns(udp)
			continue
		}
		s.udp, s.tcp = append(s.udp, udp...), append(s.tcp, tcp)
		return nil
	}
	return err
}

// bindUDP opens a socket per reader. They have to share the port, and so could another process, of which we would
// not know: the first socket is therefore bound alone, to see that the port is free.
func (s *Server) bindUDP(ctx context.Context, addr netip.AddrPort) ([]socket.Conn, error) {
	shared := s.config.ReusePort
	if !shared {
		alone, err := socket.Listen(ctx, addr, false, s.config.Replies)
		if err != nil || s.config.Readers == 1 {
			return []socket.Conn{alone}, err
		}
		addr = netip.AddrPortFrom(addr.Addr(), alone.LocalAddr().Port())
		if err := alone.Close(); err != nil {
			return nil, err
		}
	}
	var conns []socket.Conn
	for range s.config.Readers {
		c, err := socket.Listen(ctx, addr, true, s.config.Replies)
		if err != nil {
			closeConns(conns)
			return nil, err
		}
		addr = netip.AddrPortFrom(addr.Addr(), c.LocalAddr().Port())
		conns = append(conns, c)
	}
	return conns, nil
}

func closeConns(conns []socket.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// explain says what an operator can do about an address that can't be bound.
func explain(proto string, addr netip.AddrPort, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the address is said here
	}
	remedy := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "; stop the other server, choose another address with --listen, or set reuse_port in both if it is another notyet"
	case errors.Is(err, fs.ErrPermission):
		remedy = "; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE, so choose another with --listen"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "; no interface of this machine has that address"
	}
	return fmt.Errorf("listen on %s %s: %w%s", proto, addr, err, remedy)
}

func tcpAddr(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
