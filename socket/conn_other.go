//go:build !linux

package socket

import (
	"net"
	"net/netip"
)

// CanSpread says whether the kernel spreads clients over the sockets that share a port.
const CanSpread = false

func newConn(c *net.UDPConn, wildcard bool, _ *Batch, _ bool) (Conn, error) {
	return newPlainConn(c, wildcard)
}

// prepare sets the options that a listening socket needs before it is bound.
func prepare(fd uintptr, _ netip.Addr, shared bool) error {
	if shared {
		return sharePort(fd)
	}
	return nil
}
