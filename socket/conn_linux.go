package socket

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// controlSize has room for a packet's drop counter and either family's packet info.
const controlSize = 64

// CanSpread says whether the kernel spreads clients over the sockets that share a port.
const CanSpread = true

// batchConn receives and answers up to BatchSize packets with one system call each.
type batchConn struct {
	conn     *net.UDPConn
	raw      syscall.RawConn
	wildcard bool
	passed   bool          // somebody else has it too, and goes on with it
	drops    atomic.Uint32 // the kernel's counter, as the last packet brought it

	mu     sync.Mutex // guards outbox
	outbox outbox
}

func newConn(c *net.UDPConn, wildcard bool, batch *Batch, passed bool) (Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	b := &batchConn{conn: c, raw: raw, wildcard: wildcard, passed: passed}
	b.outbox.init(batch, b)
	return b, nil
}

// prepare sets the options that a listening socket needs before it is bound.
func prepare(fd uintptr, addr netip.Addr, shared bool) error {
	if shared {
		if err := sharePort(fd); err != nil {
			return err
		}
	}
	set := func(name string, level, option, value int) error {
		return os.NewSyscallError("setsockopt "+name, unix.SetsockoptInt(int(fd), level, option, value))
	}
	err := set("SO_RXQ_OVFL", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	// Replies are small; a forged "fragmentation needed" must not cut them up.
	if addr.Is4() {
		err = errors.Join(err, set("IP_MTU_DISCOVER", unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT))
	} else {
		err = errors.Join(err, set("IPV6_MTU_DISCOVER", unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT))
	}
	switch {
	case !addr.IsUnspecified():
	case addr.Is4():
		err = errors.Join(err, set("IP_PKTINFO", unix.SOL_IP, unix.IP_PKTINFO, 1))
	default:
		err = errors.Join(err, set("IPV6_RECVPKTINFO", unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1))
	}
	return err
}

func (c *batchConn) Serve(handle func([]Packet)) error {
	r := newReceiver(c, handle)
	for {
		switch err := c.raw.Read(r.turn); {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			_ = c.raw.Control(r.finish) // nothing to finish when it has been closed since
			return nil
		default:
			return err
		}
	}
}

// receiver is what one Serve works with. Its arrays are used again for every batch.
type receiver struct {
	conn   *batchConn
	handle func([]Packet)

	packets  [BatchSize]Packet
	in, out  [BatchSize]mmsghdr
	iovecs   [2 * BatchSize]unix.Iovec
	names    [BatchSize]unix.RawSockaddrInet6
	controls [BatchSize][controlSize]byte
	replies  [BatchSize][controlSize]byte // ancillary data of the replies
	bytes    []byte                       // BatchSize times a query and a reply
	used     int                          // messages of in that the last batch has written to
}

func newReceiver(c *batchConn, handle func([]Packet)) *receiver {
	r := &receiver{conn: c, handle: handle, bytes: make([]byte, 2*BatchSize*MaxQuery), used: BatchSize}
	for i := range r.in {
		r.in[i].setIovec(&r.iovecs[i], r.query(i))
	}
	return r
}

func (r *receiver) query(i int) []byte { return r.bytes[2*i*MaxQuery:][:MaxQuery] }

// reply is the room for reply i, empty.
func (r *receiver) reply(i int) []byte { return r.bytes[(2*i+1)*MaxQuery:][:0:MaxQuery] }

// turn takes one batch and answers it. It returns false when there is nothing more to receive, upon which
// the runtime's poller waits. The poller is edge-triggered, so the packets of an earlier edge have to be fetched
// before that: a batch that isn't full means that they are.
func (r *receiver) turn(fd uintptr) bool {
	for i := range r.used { // most batches are far from full
		r.in[i].setName(&r.names[i], unix.SizeofSockaddrInet6)
		r.in[i].setControl(r.controls[i][:])
	}
	n, errno := recvmmsg(fd, r.in[:])
	r.used = n
	if errno != 0 {
		r.used = 1                  // the kernel may have got that far
		return errno != unix.EAGAIN // another error is told once, and packets may stand behind it
	}
	for i := range n {
		m := &r.in[i]
		r.packets[i] = Packet{Peer: r.peer(i), In: r.query(i)[:m.len], Out: r.reply(i)}
	}
	r.handle(r.packets[:n])
	r.answer(fd, n)
	return n == BatchSize
}

// finish answers what had arrived before Stop.
func (r *receiver) finish(fd uintptr) {
	const batches = receiveBuffer / MaxQuery / BatchSize // what the buffer may hold, should Stop not have closed it
	for range batches {
		if !r.turn(fd) {
			return
		}
	}
}

// peer reads from where packet i came and what its ancillary data says.
func (r *receiver) peer(i int) Peer {
	p := fromRaw(&r.names[i])
	size := int(r.in[i].hdr.Controllen)
	if size == 0 {
		return p
	}
	eachControl(r.controls[i][:size], func(level, kind int32, data []byte) {
		switch {
		case level == unix.SOL_SOCKET && kind == unix.SO_RXQ_OVFL && len(data) >= 4:
			r.conn.drops.Store(binary.NativeEndian.Uint32(data))
		case level == unix.SOL_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			p.Local = netip.AddrFrom4([4]byte(data[8:12])) // struct in_pktinfo: ifindex, spec_dst, addr
		case level == unix.SOL_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p.Local = netip.AddrFrom16([16]byte(data[:16])) // struct in6_pktinfo: addr, ifindex
		}
	})
	return p
}

// answer sends what the handler put into the first n packets.
func (r *receiver) answer(fd uintptr, n int) {
	send := r.out[:0]
	for i := range n {
		p := &r.packets[i]
		if len(p.Out) == 0 {
			continue
		}
		m := &r.out[len(send)]
		send = r.out[:len(send)+1]
		m.setIovec(&r.iovecs[BatchSize+i], p.Out)
		m.setName(&r.names[i], r.in[i].hdr.Namelen)
		m.setControl(putSource(r.replies[i][:0], p.Peer))
	}
	sendAll(fd, send)
}

// sendAll sends the messages and returns the last error. One that can't be sent (the client's port is unreachable) is left
// out; when the buffer is full the rest is.
func sendAll(fd uintptr, m []mmsghdr) (last syscall.Errno) {
	for len(m) > 0 {
		n, errno := sendmmsg(fd, m)
		if errno != 0 {
			n, last = 1, errno
		}
		if errno == unix.EAGAIN {
			break
		}
		m = m[n:]
	}
	return last
}

// Send sends at the end of the batch's turn, if one is under way.
func (c *batchConn) Send(b []byte, to Peer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outbox.add(b, to) {
		return nil
	}
	return c.flushLocked()
}

func (c *batchConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.flushLocked() // lost, as packets may be
}

func (c *batchConn) flushLocked() error {
	defer c.outbox.clear()
	if err := c.raw.Control(c.outbox.send); err != nil { // Write is for those who wait
		return err
	}
	if errno := c.outbox.errno; errno != 0 {
		return os.NewSyscallError("send", errno)
	}
	return nil
}

// Stop also takes the socket out of those that share its port, lest the kernel gives it packets that the others would have
// answered: it connects it to a port where nothing is. Replies name their address and go out all the same. What arrives on one
// that was passed is for whoever has it next.
func (c *batchConn) Stop() {
	defer c.conn.SetReadDeadline(time.Unix(1, 0))
	if c.passed {
		return
	}
	self := c.LocalAddr().Addr()
	if self.IsUnspecified() {
		self = loopback(self)
	}
	_ = c.raw.Control(func(fd uintptr) {
		_ = unix.Connect(int(fd), sockaddr(netip.AddrPortFrom(self, discardPort))) // else some packets are lost
	})
}

// discardPort is that of the discard service (RFC 863), which nobody runs.
const discardPort = 9

func loopback(family netip.Addr) netip.Addr {
	if family.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

func (c *batchConn) Close() error {
	c.outbox.batch.remove(c)
	c.flush()
	return c.conn.Close()
}

func (c *batchConn) LocalAddr() netip.AddrPort { return addrPort(c.conn.LocalAddr()) }

func (c *batchConn) Drops() uint64 { return uint64(c.drops.Load()) }

// fromRaw turns the kernel's form of an address into ours.
func fromRaw(name *unix.RawSockaddrInet6) Peer {
	if name.Family == unix.AF_INET {
		v4 := in4(name)
		return Peer{Addr: netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), swap(v4.Port))}
	}
	return Peer{Addr: netip.AddrPortFrom(netip.AddrFrom16(name.Addr), swap(name.Port)), Scope: name.Scope_id}
}

// toRaw turns an address into the kernel's form and returns its size.
func toRaw(name *unix.RawSockaddrInet6, p Peer) uint32 {
	*name = unix.RawSockaddrInet6{}
	if addr := p.Addr.Addr(); addr.Is4() {
		v4 := in4(name)
		v4.Family, v4.Port, v4.Addr = unix.AF_INET, swap(p.Addr.Port()), addr.As4()
		return unix.SizeofSockaddrInet4
	}
	name.Family, name.Port, name.Addr = unix.AF_INET6, swap(p.Addr.Port()), p.Addr.Addr().As16()
	name.Scope_id = p.Scope
	return unix.SizeofSockaddrInet6
}

// swap turns a port from network order as a native integer into a number, and back.
func swap(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}

// controlHeader is the length of struct cmsghdr, the same before and after alignment.
const controlHeader = unix.SizeofCmsghdr

// eachControl calls yield for each control message in b (cmsg(3)).
func eachControl(b []byte, yield func(level, kind int32, data []byte)) {
	for len(b) >= controlHeader {
		n := controlLen(b)
		if n < controlHeader || n > len(b) {
			return
		}
		level := int32(binary.NativeEndian.Uint32(b[controlHeader-8:]))
		kind := int32(binary.NativeEndian.Uint32(b[controlHeader-4:]))
		yield(level, kind, b[controlHeader:n])
		b = b[min(unix.CmsgSpace(n-controlHeader), len(b)):]
	}
}

// putSource appends the control message that lets a reply leave from the address that was asked, if the socket
// is bound to a wildcard; else it returns nil.
func putSource(b []byte, p Peer) []byte {
	switch {
	case !p.Local.IsValid():
		return nil
	case p.Local.Is4():
		info := [unix.SizeofInet4Pktinfo]byte{}
		addr := p.Local.As4()
		copy(info[4:8], addr[:]) // spec_dst; no interface, so that routing picks it
		return appendControl(b, unix.SOL_IP, unix.IP_PKTINFO, info[:])
	default:
		info := [unix.SizeofInet6Pktinfo]byte{}
		addr := p.Local.As16()
		copy(info[:16], addr[:])
		binary.NativeEndian.PutUint32(info[16:], p.Scope)
		return appendControl(b, unix.SOL_IPV6, unix.IPV6_PKTINFO, info[:])
	}
}

func appendControl(b []byte, level, kind uint32, data []byte) []byte {
	b = b[:unix.CmsgSpace(len(data))]
	clear(b)
	putControlLen(b, controlHeader+len(data))
	binary.NativeEndian.PutUint32(b[controlHeader-8:], level)
	binary.NativeEndian.PutUint32(b[controlHeader-4:], kind)
	copy(b[controlHeader:], data)
	return b
}

// controlLen reads cmsg_len, a size_t.
func controlLen(b []byte) int {
	if controlHeader == 16 {
		return int(binary.NativeEndian.Uint64(b))
	}
	return int(binary.NativeEndian.Uint32(b))
}

func putControlLen(b []byte, n int) {
	if controlHeader == 16 {
		binary.NativeEndian.PutUint64(b, uint64(n))
		return
	}
	binary.NativeEndian.PutUint32(b, uint32(n))
}
