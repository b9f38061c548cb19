//go:build !unix

package socket

import (
	"net/netip"
	"syscall"
)

// fit does nothing: no sockets are passed here.
func fit(syscall.Conn, netip.Addr, bool) error { return nil }
