//go:build !unix

package socket

import "errors"

// CanShare says whether this system lets several sockets share one port.
const CanShare = false

func sharePort(uintptr) error {
	return errors.New("this system does not share ports between processes")
}
