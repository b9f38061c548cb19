package private

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Command is what is to be run.
type Command struct {
	Path    string     // of the program
	Args    []string   // the first is the name that it is called by
	Server  netip.Addr // its name server, at port 53
	Signals Signals    // of this process, which are the command's
	Log     *slog.Logger
}

// ExecError means that the program could not be executed.
type ExecError struct{ Err error }

func (e ExecError) Error() string { return e.Err.Error() }
func (e ExecError) Unwrap() error { return e.Err }

// Process is a command under way.
type Process struct {
	process *os.Process
	stop    *os.File      // closing it ends the thread that keeps the files covered
	stopped chan struct{} // closed when they are the machine's again
}

// Start runs a command in a mount namespace of its own. Its error is an ExecError, or else says what this process is not
// allowed, or what is missing. The command is killed when this process ends before it. Standard input and output are the
// command's alone from then on: who is at their other end sees them closed when the command closes them.
func Start(c Command) (*Process, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &Process{stop: writer, stopped: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.stopped)
		defer reader.Close()
		p.inside(c, int(reader.Fd()), started)
	}()
	if err := <-started; err != nil {
		writer.Close()
		return nil, err
	}
	if err := letGo(); err != nil {
		c.Log.Warn("standard input and output stay open", "err", err)
	}
	// This process stops only when the command has, and what it writes at the end changes nothing, be it read or not.
	signal.Ignore(unix.SIGTTIN, unix.SIGTTOU, unix.SIGPIPE)
	go c.Signals.pass(p.process)
	return p, nil
}

// letGo closes this process' standard input and output, as far as others can tell.
func letGo() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 2 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	return nil
}

// inside starts the command, keeps what it sees for as long as it lives, and then gives back what it has left in the
// background the machine's files. All of that is one thread's, which the command is to be killed with (PR_SET_PDEATHSIG).
func (p *Process) inside(c Command, stop int, started chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() { // what the main thread sees is taken for what the process sees
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.inside(c, stop, started)
		}()
		<-done
		runtime.UnlockOSThread()
		return
	}
	// Never unlocked: the thread ends here, as nobody else can use one that sees other files.
	mounts, err := separate()
	if err != nil {
		started <- err
		return
	}
	defer unix.Close(mounts)
	all := c.covers()
	if err := all.put(); err != nil {
		started <- err
		return
	}
	err = p.execute(c)
	started <- err
	if err == nil {
		all.keep(mounts, stop, c.Log)
	}
	all.remove()
}

// separate gives this thread a mount namespace of its own. What is mounted in the machine's still arrives in it; what is
// mounted in it stays there. It returns what is to be polled to hear of mounts.
func separate() (mounts int, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return -1, fmt.Errorf("mount namespace: %w", os.NewSyscallError("unshare", err))
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return -1, fmt.Errorf("mount namespace: %w", os.NewSyscallError("mount", err))
	}
	// Not an os.File: who polls it takes the event from others.
	mounts, err = unix.Open("/proc/thread-self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /proc/thread-self/mountinfo: %w", err)
	}
	return mounts, nil
}

// covers are what leads to another name server.
func (c Command) covers() covers {
	return covers{
		{path: "/etc/resolv.conf", text: func(machine string) string { return ResolvConf(machine, c.Server) }, needed: true},
		{path: "/etc/nsswitch.conf", text: NSSwitch},
		{path: "/run/nscd"}, // where nscd and unscd, which ask for others, are to be found
		{path: "/var/run/nscd"},
	}
}

// execute starts the program. A text without a first line that says what to run it with is a shell script, as for execvp.
func (p *Process) execute(c Command) error {
	attr := &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	}
	pid, err := syscall.ForkExec(c.Path, c.Args, attr)
	if errors.Is(err, unix.ENOEXEC) {
		const shell = "/bin/sh"
		pid, err = syscall.ForkExec(shell, append([]string{shell, c.Path}, c.Args[1:]...), attr)
	}
	if err != nil {
		return ExecError{err}
	}
	p.process, err = os.FindProcess(pid)
	return err
}

// keep covers what has come to be uncovered, until stop is closed at its other end.
func (all covers) keep(mounts, stop int, log *slog.Logger) {
	const again = 250 // milliseconds; a file that is being replaced may be missing for a moment
	told, wait := false, -1
	for {
		fds := []unix.PollFd{{Fd: int32(mounts), Events: unix.POLLPRI}, {Fd: int32(stop)}}
		if _, err := unix.Poll(fds, wait); err != nil && err != unix.EINTR {
			log.Error("mounts can't be followed", "err", err)
			_, _ = unix.Read(stop, make([]byte, 1)) // the thread has to live on
			return
		}
		if fds[1].Revents != 0 {
			return
		}
		err := all.putAgain()
		if err == nil {
			told, wait = false, -1
			continue
		}
		if wait > 0 && !told { // not just for a moment
			told = true
			log.Warn("the command sees name servers of the machine", "err", err)
		}
		wait = again
	}
}

// Wait waits for the end of the command and returns its exit code, as shells do 128 and the signal's number when it was ended by one.
// When the command stops for the terminal, so does this process, until it is continued: it is one job.
func (p *Process) Wait() (code int, err error) {
	defer p.end()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WUNTRACED, nil)
		switch {
		case err == unix.EINTR, err == nil && pid != p.process.Pid: // as the first process of a container it gets the orphans
		case err != nil:
			return 0, os.NewSyscallError("wait", err)
		case status.Exited():
			return status.ExitStatus(), nil
		case status.Signaled():
			return 128 + int(status.Signal()), nil
		case status.Stopped() && ofJobControl(status.StopSignal()):
			if err := unix.Kill(unix.Getpid(), unix.SIGSTOP); err != nil {
				return 0, os.NewSyscallError("kill", err)
			}
		}
	}
}

func (p *Process) end() {
	p.stop.Close()
	<-p.stopped
}
