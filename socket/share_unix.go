//go:build unix

package socket

import (
	"os"

	"golang.org/x/sys/unix"
)

// CanShare says whether this system lets several sockets share one port.
const CanShare = true

func sharePort(fd uintptr) error {
	return os.NewSyscallError("setsockopt SO_REUSEPORT", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}
