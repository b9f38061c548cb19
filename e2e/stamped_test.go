//go:build e2e && linux

package e2e

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stamped is a client over UDP that the kernel tells when a reply arrived, so that how long this program then has to wait
// for a processor is not counted as latency.
type stamped struct {
	*net.UDPConn
	packet  [1232]byte
	control [64]byte
}

func dialStamped(t *testing.T, at netip.AddrPort) *stamped {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set error
	err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
	if err := errors.Join(err, set); err != nil {
		t.Fatalf("SO_TIMESTAMPNS: %v", err)
	}
	return &stamped{UDPConn: conn}
}

// exchange sends a query and returns the reply, which is valid until the next exchange, and its latency: from just before
// the query was sent until the kernel had the reply.
func (c *stamped) exchange(query []byte) (reply []byte, took time.Duration, err error) {
	start := time.Now()
	if _, err := c.Write(query); err != nil {
		return nil, 0, err
	}
	_ = c.SetReadDeadline(start.Add(patience))
	n, controls, _, _, err := c.ReadMsgUDPAddrPort(c.packet[:], c.control[:])
	if err != nil {
		return nil, 0, err
	}
	messages, err := unix.ParseSocketControlMessage(c.control[:controls])
	if err != nil {
		return nil, 0, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			seconds, rest := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:]) // a struct timespec
			return c.packet[:n], time.Unix(int64(seconds), int64(rest)).Sub(start), nil
		}
	}
	return nil, 0, errors.New("the reply came without the moment of its arrival")
}
