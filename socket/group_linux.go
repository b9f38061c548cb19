package socket

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// replyBatch is how many replies are taken from one socket with one call. There are many sockets, so it is
// seldom more than one.
const replyBatch = 8

// Group is a set of connected sockets that few goroutines read, one per GOMAXPROCS, whatever the number of sockets.
type Group struct {
	readers []*groupReader
}

// NewGroup makes an empty group, whose turns the packets of batch wait for; nil: none do. Run has to be called for anything to
// be received.
func NewGroup(batch *Batch) (*Group, error) {
	g := &Group{}
	for range runtime.GOMAXPROCS(0) {
		r, err := newGroupReader(batch)
		if err != nil {
			g.closeAll()
			return nil, err
		}
		g.readers = append(g.readers, r)
	}
	return g, nil
}

// Run receives until ctx ends. It closes the group: sockets that are still open are then deaf.
func (g *Group) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, r := range g.readers {
		wg.Go(r.run)
	}
	<-ctx.Done()
	g.closeAll()
	wg.Wait()
}

func (g *Group) closeAll() {
	for _, r := range g.readers {
		r.file.Close()
	}
}

// Connected is a UDP socket with one peer and a port that the kernel chose. It may be used from any goroutine.
type Connected struct {
	receiver Receiver
	reader   *groupReader
	id       uint64 // in epoll's events; never used again, as a file descriptor is

	mu sync.Mutex // guards fd: it must not be closed, and used again, while a call is under way; none of them blocks
	fd int        // -1 when closed
}

// Dial opens a socket whose packets go to receiver.
func (g *Group) Dial(addr netip.AddrPort, receiver Receiver) (*Connected, error) {
	fd, err := dial(addr)
	if err != nil {
		return nil, err
	}
	s := &Connected{receiver: receiver, fd: fd}
	if err := g.readers[fd%len(g.readers)].add(s, fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return s, nil
}

func dial(addr netip.AddrPort) (int, error) {
	family := unix.AF_INET6
	if addr.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, sockaddr(addr)); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

func sockaddr(addr netip.AddrPort) unix.Sockaddr {
	if a := addr.Addr(); a.Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16(), ZoneId: scope(addr.Addr().Zone())}
}

// Send sends one packet without waiting.
func (s *Connected) Send(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return ErrClosed
	}
	errno := sendto(s.fd, b)
	if errno == unix.ECONNREFUSED {
		errno = sendto(s.fd, b) // that was about an earlier packet, and is told once
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// Close closes the socket. Closing it again does nothing.
func (s *Connected) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return
	}
	unix.Close(s.fd) // epoll forgets it by itself
	s.fd = -1
	s.reader.remove(s.id)
}

// receive fetches packets into m and returns how many.
func (s *Connected) receive(m []mmsghdr) (int, syscall.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return 0, unix.EAGAIN
	}
	return recvmmsg(uintptr(s.fd), m)
}

// LocalAddr is the address that the kernel gave the socket; the zero value when it is closed.
func (s *Connected) LocalAddr() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// groupReader waits for its sockets with an epoll instance of its own, which the runtime's poller in turn
// waits for: a goroutine for all of them, and none of Go's per-descriptor work.
type groupReader struct {
	file  *os.File // the epoll instance
	raw   syscall.RawConn
	batch *Batch

	mu      sync.Mutex
	sockets map[uint64]*Connected // by id
	lastID  uint64

	// Used by run alone.
	events  [BatchSize]unix.EpollEvent
	replies [replyBatch]mmsghdr
	iovecs  [replyBatch]unix.Iovec
	bytes   []byte
}

func newGroupReader(batch *Batch) (*groupReader, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // what makes os.NewFile use the poller
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	r := &groupReader{
		file:    os.NewFile(uintptr(fd), "epoll"),
		batch:   batch,
		sockets: make(map[uint64]*Connected),
		bytes:   make([]byte, replyBatch*MaxReply),
	}
	for i := range r.replies {
		r.replies[i].setIovec(&r.iovecs[i], r.bytes[i*MaxReply:][:MaxReply])
	}
	if r.raw, err = r.file.SyscallConn(); err != nil {
		r.file.Close()
		return nil, err
	}
	return r, nil
}

// add waits for s too, whose descriptor is fd: from then on s may be closed at any time, by its receiver.
func (r *groupReader) add(s *Connected, fd int) error {
	r.mu.Lock()
	r.lastID++
	s.reader, s.id = r, r.lastID
	r.sockets[s.id] = s
	r.mu.Unlock()
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.id), Pad: int32(s.id >> 32)}
	var err error
	if e := r.raw.Control(func(epfd uintptr) { err = unix.EpollCtl(int(epfd), unix.EPOLL_CTL_ADD, fd, &event) }); e != nil {
		err = e
	}
	if err != nil {
		r.remove(s.id)
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

func (r *groupReader) remove(id uint64) {
	r.mu.Lock()
	delete(r.sockets, id)
	r.mu.Unlock()
}

func (r *groupReader) socket(id uint64) *Connected {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sockets[id]
}

func (r *groupReader) run() {
	for r.raw.Read(r.turn) == nil {
	}
}

// turn takes a batch from each socket that is ready. It returns false when no more can be ready, upon which the runtime's
// poller waits for the next packet on any of them. That poller is edge-triggered, this epoll instance is not: a socket that
// isn't empty is ready again in the next turn, after the others.
func (r *groupReader) turn(epfd uintptr) bool {
	n, errno := epollWait(epfd, r.events[:])
	if errno != 0 {
		return false
	}
	more := n == len(r.events)
	r.batch.begin()
	defer r.batch.end()
	for _, event := range r.events[:n] {
		if s := r.socket(uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32); s != nil && r.take(s) {
			more = true
		}
	}
	return more
}

// take hands on what has arrived on one socket, and reports whether there may be more. An error is told once and may
// stand before packets.
func (r *groupReader) take(s *Connected) (more bool) {
	n, errno := s.receive(r.replies[:])
	if errno != 0 {
		if errno == unix.EAGAIN {
			return false
		}
		s.receiver.Receive(s, nil, errno)
		return true
	}
	for i := range n {
		s.receiver.Receive(s, r.bytes[i*MaxReply:][:r.replies[i].len], nil)
	}
	return n == replyBatch
}
