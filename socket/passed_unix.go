//go:build unix

package socket

import (
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// fit gives a socket that is bound already the options it needs, and says what is wrong with one that can't be used. Its
// receive buffer is left as it is: whoever passed it may have had the permission for a larger one.
func fit(c syscall.Conn, addr netip.Addr, tcp bool) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var wrong error
	if err := raw.Control(func(fd uintptr) {
		switch {
		case addr.Is6() && addr.IsUnspecified() && !isOn(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY):
			wrong = errors.New("it takes IPv4 too: make it IPv6 only (BindIPv6Only=ipv6-only), and pass another for 0.0.0.0")
		case !tcp:
			wrong = prepare(fd, addr, false)
		case !isOn(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN):
			wrong = errors.New("it does not listen: pass the listening socket, not its connections (Accept=no)")
		}
	}); err != nil {
		return err
	}
	return wrong
}

func isOn(fd uintptr, level, option int) bool {
	value, err := unix.GetsockoptInt(int(fd), level, option)
	return err == nil && value != 0
}
