package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// All unsafe code is here: recvmmsg, sendmmsg and epoll_wait without the scheduler. The syscall package
// enters and leaves the scheduler around each call, which at a few thousand packets a second wakes it
// for nothing and costs more than the call. None of these calls blocks: every one has MSG_DONTWAIT or a timeout
// of zero. The kernel is handed pointers into memory that the callers keep alive and don't move
// (Go's heap doesn't), and no longer than the call.

// mmsghdr is struct mmsghdr of recvmmsg(2). Go pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32 // bytes received
}

// setIovec points the message at b, which must not be empty.
func (m *mmsghdr) setIovec(iov *unix.Iovec, b []byte) {
	iov.Base = &b[0]
	iov.SetLen(len(b))
	m.hdr.Iov = iov
	m.hdr.SetIovlen(1)
}

func (m *mmsghdr) setName(name *unix.RawSockaddrInet6, size uint32) {
	m.hdr.Name, m.hdr.Namelen = (*byte)(unsafe.Pointer(name)), size
}

// setControl sets the ancillary data; nil means none.
func (m *mmsghdr) setControl(b []byte) {
	m.hdr.Control = unsafe.SliceData(b)
	m.hdr.SetControllen(len(b))
}

// recvmmsg receives up to len(m) packets that are there already.
func recvmmsg(fd uintptr, m []mmsghdr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// sendmmsg sends up to len(m) packets, as many as the socket's buffer takes.
func sendmmsg(fd uintptr, m []mmsghdr) (int, syscall.Errno) {
	if h := &m[0].hdr; len(m) == 1 && h.Control == nil { // less for the kernel to fetch
		_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(h.Iov.Base)), uintptr(h.Iov.Len), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(h.Name)), uintptr(h.Namelen))
		return 1, errno
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// sendto sends b, which must not be empty, on a connected socket.
func sendto(fd int, b []byte) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return errno
}

// epollWait returns how many of events are ready now.
func epollWait(epfd uintptr, events []unix.EpollEvent) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, epfd, uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return int(n), errno
}

// in4 is the address seen as an IPv4 one, which is shorter; the caller has checked the family.
func in4(name *unix.RawSockaddrInet6) *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
}
