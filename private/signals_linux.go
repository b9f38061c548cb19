package private

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signals are those that are sent to this process and meant for its command.
type Signals struct {
	arriving chan os.Signal
}

// passed are all signals that ask a process for something, but for SIGSTOP and SIGKILL, which nobody can take, SIGTTIN and
// SIGTTOU, which only the kernel sends, to the whole process group, and SIGCHLD and SIGURG, which are the Go runtime's.
func passed() []syscall.Signal {
	const firstRealTime, lastRealTime = 35, 64 // those before are the C library's
	all := []syscall.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT,
		unix.SIGTSTP, unix.SIGWINCH, unix.SIGIO, unix.SIGPWR,
	}
	for sig := syscall.Signal(firstRealTime); sig <= lastRealTime; sig++ {
		all = append(all, sig)
	}
	return all
}

// TakeSignals has the signals of this process wait for a command. Those that it was started to ignore stay ignored, also for
// what it starts. Nobody else is notified of any from then on.
func TakeSignals() Signals {
	const pending = 64
	signal.Reset() // which also ignores again what was ignored at first
	ignored := ignoredSignals()
	var taken []os.Signal
	for _, sig := range passed() {
		if ignored&(1<<(sig-1)) == 0 {
			taken = append(taken, sig)
		}
	}
	s := Signals{make(chan os.Signal, pending)}
	signal.Notify(s.arriving, taken...)
	return s
}

// ignoredSignals are those that this process ignores, one bit each.
func ignoredSignals() (set uint64) {
	const field = "\nSigIgn:"
	status, _ := os.ReadFile("/proc/self/status") // without it, there are none
	_, after, _ := strings.Cut(string(status), field)
	line, _, _ := strings.Cut(after, "\n")
	set, _ = strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return set
}

// pass sends the command all that comes for it, until this process ends. What the terminal sends the command has had: since Go
// does not tell who sent a signal, in the foreground of a terminal it is taken to have been that.
func (s Signals) pass(command *os.Process) {
	for sig := range s.arriving {
		if !ofTerminal(sig) || !foreground() {
			_ = command.Signal(sig) // it may have ended
		}
	}
}

// ofTerminal reports whether a terminal sends the signal for a key, or when its size changes: to the whole process group in its
// foreground, of which the command is.
func ofTerminal(sig os.Signal) bool {
	switch sig {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGWINCH:
		return true
	}
	return false
}

// foreground reports whether this process' group is the one in the foreground of its terminal; without a terminal it isn't.
func foreground() bool {
	terminal, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(terminal)
	group, err := unix.IoctlGetInt(terminal, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// ofJobControl reports whether a process that a signal stopped was stopped for a terminal: others stop it for reasons of their own.
func ofJobControl(sig syscall.Signal) bool {
	return sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
}
