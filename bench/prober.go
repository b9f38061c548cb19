//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// probe is the program that runs beside the load: "bench probe ADDRESS:PORT FILE RATE RCODE". It says "ready" when it has
// read the file, begins when its input has a line, ends with its input, and then prints its probes as JSON.
//
// It is open-loop: it sends at a fixed rate, whether or not it has been answered, with gaps that vary so that it doesn't fall in
// step with dnsperf. A latency is from just before the query is sent to when the kernel has the answer, so that neither its own
// nor dnsperf's turn on their CPU is in it.
func probe(args []string, stdin *os.File, stdout io.Writer) error {
	const want = 4
	if len(args) != want {
		return errors.New("usage: bench probe ADDRESS:PORT FILE RATE RCODE")
	}
	addr, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	file, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer file.Close()
	p := &probing{rcode: dns.StringToRcode[args[3]]}
	if p.queries, err = readQueries(bufio.NewReader(file)); err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	rate, err := strconv.Atoi(args[2])
	if err != nil || rate < 1 {
		return fmt.Errorf("rate %q: at least 1", args[2])
	}
	fd, err := dialStamped(addr)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	fmt.Fprintln(stdout, "ready")
	if _, err := stdin.Read(make([]byte, 64)); err != nil {
		return nil // the run ended first
	}
	if err := p.run(fd, int(stdin.Fd()), time.Second/time.Duration(rate)); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(p.result())
}

// dialStamped opens a socket whose packets come with the moment of their arrival.
func dialStamped(addr netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = errors.Join(
		os.NewSyscallError("setsockopt SO_TIMESTAMPNS", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)),
		os.NewSyscallError("connect", unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()})),
	)
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// run asks at an interval, on average, until there is something to read, or an end, on the descriptor stop; then it waits for
// the last answers. It keeps to one thread and the kernel's clock: Go's timers are a millisecond late on an idle program.
func (p *probing) run(fd, stop int, interval time.Duration) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// What is due is due: the kernel would otherwise join wake-ups within 50 µs.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_TIMERSLACK", err)
	}
	waits := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
	for due := time.Now(); ; {
		for !due.After(time.Now()) {
			now := time.Now()
			_ = unix.Send(fd, p.next(now), 0) // lost, as packets may be
			due = due.Add(interval/2 + rand.N(interval))
		}
		if err := poll(waits, time.Until(due)); err != nil {
			return err
		}
		p.receive(fd)
		if waits[1].Revents != 0 {
			break
		}
	}
	for end := time.Now().Add(probeTimeout); p.Answered < p.Sent && time.Now().Before(end); {
		if err := poll(waits[:1], time.Until(end)); err != nil {
			return err
		}
		p.receive(fd)
	}
	return nil
}

func poll(waits []unix.PollFd, atMost time.Duration) error {
	timeout := unix.NsecToTimespec(max(0, atMost.Nanoseconds()))
	if _, err := unix.Ppoll(waits, &timeout, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("ppoll", err)
	}
	return nil
}

// receive takes what has arrived.
func (p *probing) receive(fd int) {
	var packet [1500]byte
	var control [64]byte
	for {
		n, controls, _, _, err := unix.Recvmsg(fd, packet[:], control[:], 0)
		if err != nil {
			return // nothing more; or a packet of ours bounced, and counts as lost
		}
		p.answer(packet[:n], stamp(control[:controls]))
	}
}

// stamp reads the moment of a packet's arrival from its control messages: a struct timespec of two 64-bit numbers.
func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Now()
}
