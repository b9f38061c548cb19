package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ticks gives a tick each time that every has gone by, and drops those that nobody takes, until stop. It is a timer of the
// kernel's: while one of Go's runs, each wait for packets has a time limit, which makes a query cost 2 % more at 2,000 a second. The
// time that the machine is suspended counts, so the first tick after it comes at once.
func ticks(every time.Duration) (c <-chan time.Time, stop func()) {
	timer, err := kernelTimer(every)
	if err != nil {
		return goTicks(every)
	}
	ticking, ended := make(chan time.Time, 1), make(chan struct{})
	go func() {
		defer close(ended)
		var expirations [8]byte // timerfd_create(2)
		for {
			if _, err := timer.Read(expirations[:]); err != nil {
				return // closed
			}
			select {
			case ticking <- time.Now():
			default:
			}
		}
	}()
	return ticking, func() {
		timer.Close()
		<-ended
	}
}

func kernelTimer(every time.Duration) (*os.File, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	timer := os.NewFile(uintptr(fd), "timer")
	interval := unix.NsecToTimespec(every.Nanoseconds())
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: interval, Value: interval}, nil); err != nil {
		timer.Close()
		return nil, os.NewSyscallError("timerfd_settime", err)
	}
	return timer, nil
}
