// Package socket moves UDP packets: many with one system call on Linux, one by one elsewhere. It knows nothing of DNS.
// The only unsafe code of the program is in raw_linux.go.
package socket

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// BatchSize is how many packets one system call takes at most: enough that its cost disappears, few enough that the
// first of them doesn't wait long for the last.
const BatchSize = 64

// MaxQuery is the longest packet that is read from a client, in bytes; of a longer one only the beginning is.
const MaxQuery = 2048

// receiveBuffer is what we ask the kernel to queue for a socket while we are busy, in bytes; it may give less.
const receiveBuffer = 4 << 20

// Peer is where a packet came from and where it was sent to: all that a reply needs.
type Peer struct {
	Addr  netip.AddrPort // the client's; IPv6 addresses have no zone here
	Scope uint32         // index of the interface for a link-local IPv6 client
	Local netip.Addr     // the address it sent to when the socket is bound to a wildcard, else the zero Addr
}

// Packet is a received packet and the reply to it.
type Packet struct {
	Peer Peer
	In   []byte // valid until the handler returns
	Out  []byte // empty and with room for a reply; what the handler puts here is sent when it returns
}

// Conn is a bound UDP socket. Send may be called from any goroutine.
type Conn interface {
	// Serve hands the packets that arrive to handle, at most BatchSize at a time, until Stop or
	// Close; then it returns nil.
	Serve(handle func([]Packet)) error
	// Send sends one packet, a copy of b, without waiting: when the socket's buffer is full it is lost, as packets may be.
	Send(b []byte, to Peer) error
	// Stop ends Serve; Send goes on.
	Stop()
	Close() error
	LocalAddr() netip.AddrPort
	// Drops is how many packets the kernel threw away because we did not fetch them in time, as far
	// as it told.
	Drops() uint64
}

// Listen binds addr; an IPv6 wildcard takes IPv6 only. With shared others may bind the same address too (SO_REUSEPORT), and
// the kernel spreads the clients over them. Packets that are sent wait for the turns of batch; nil: they don't.
func Listen(ctx context.Context, addr netip.AddrPort, shared bool, batch *Batch) (Conn, error) {
	c, err := listen(ctx, addr, shared)
	if err != nil {
		return nil, err
	}
	return newConn(c, addr.Addr().IsUnspecified(), batch, false)
}

func listen(ctx context.Context, addr netip.AddrPort, shared bool) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		if e := rc.Control(func(fd uintptr) { err = prepare(fd, addr.Addr(), shared) }); e != nil {
			return e
		}
		return err
	}}
	c, err := config.ListenPacket(ctx, network("udp", addr.Addr()), addr.String())
	if err != nil {
		return nil, err
	}
	conn := c.(*net.UDPConn)
	_ = conn.SetReadBuffer(receiveBuffer) // a wish; the kernel's limit is in net.core.rmem_max
	return conn, nil
}

// ListenTCP binds addr for TCP, with the same meaning of shared and of an IPv6 wildcard.
func ListenTCP(ctx context.Context, addr netip.AddrPort, shared bool) (*net.TCPListener, error) {
	config := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		if !shared {
			return nil
		}
		var err error
		if e := rc.Control(func(fd uintptr) { err = sharePort(fd) }); e != nil {
			return e
		}
		return err
	}}
	l, err := config.Listen(ctx, network("tcp", addr.Addr()), addr.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// network names the protocol with its family, which is what keeps an IPv6 wildcard from taking IPv4.
func network(proto string, addr netip.Addr) string {
	if addr.Is4() {
		return proto + "4"
	}
	return proto + "6"
}

func addrPort(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := u.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
