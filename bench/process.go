//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// command prepares a program that runs on some CPUs, "0" or "0,2", and ends at the latest with ctx or with us.
func command(ctx context.Context, cpus, name string, args ...string) (*exec.Cmd, error) {
	path, err := lookPath(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", cpus, path}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true, // its children end with it
		Pdeathsig: syscall.SIGKILL,
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// lookPath finds a program also where Debian keeps servers, which is not on everybody's PATH.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	return path, err
}

// process is a server that was started for the run.
type process struct {
	cmd  *exec.Cmd
	log  string        // file with everything it printed
	done chan struct{} // closed once it has ended
}

func start(ctx context.Context, cpus, log, name string, args ...string) (*process, error) {
	cmd, err := command(ctx, cpus, name, args...)
	if err != nil {
		return nil, err
	}
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		cmd.Wait() // how it ended says nothing; a server that ends early does not answer
	}()
	return p, nil
}

// stop ends the process and returns when it is gone.
func (p *process) stop() {
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(3 * time.Second):
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // also what it left behind
	<-p.done
}

// waitAnswer returns once the process answers queries on addr.
func (p *process) waitAnswer(ctx context.Context, addr netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := &dns.Client{Timeout: 200 * time.Millisecond}
	question := new(dns.Msg).SetQuestion("ready."+zone, dns.TypeA)
	for {
		answer, _, err := client.ExchangeContext(ctx, question, addr.String())
		if err == nil && len(answer.Answer) == 1 {
			return nil
		}
		select {
		case <-time.After(time.Millisecond): // it is what the time to the first answer is measured by
		case <-p.done:
			return p.gaveNoAnswer(addr, p.cmd.ProcessState.String())
		case <-ctx.Done():
			return p.gaveNoAnswer(addr, "still running")
		}
	}
}

func (p *process) gaveNoAnswer(addr netip.AddrPort, state string) error {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	return fmt.Errorf("no answer from %v (%s); it printed:\n%s", addr, state, log[max(0, len(log)-4096):])
}

// cpuTime is the time all threads of the process have spent on a CPU.
func (p *process) cpuTime() (time.Duration, error) {
	files, err := filepath.Glob(p.proc("task/*/schedstat"))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // this thread has just ended
		}
		if err != nil {
			return 0, err
		}
		spent, err := parseSchedstat(string(text))
		if err != nil {
			return 0, err
		}
		sum += spent
	}
	return sum, nil
}

// goFirst lets the threads that the process has, and those that they start, run before whatever else there is on their CPU, and
// for as long as they want: it is for loads that leave the CPU idle most of the time.
func (p *process) goFirst() error {
	threads, err := filepath.Glob(p.proc("task/*"))
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(filepath.Base(thread))
		if err != nil {
			return err
		}
		if err := schedule(id, unix.SCHED_FIFO); err != nil && !errors.Is(err, unix.ESRCH) { // this thread has just ended
			return err
		}
	}
	return nil
}

// schedule gives a thread, 0 being the caller's, the policy of the scheduler and the lowest priority of that.
func schedule(thread int, policy uint32) error {
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy}
	if policy == unix.SCHED_FIFO {
		attr.Priority = 1
	}
	return os.NewSyscallError("sched_setattr", unix.SchedSetAttr(thread, attr, 0))
}

// mayGoFirst reports whether goFirst is permitted.
func mayGoFirst() bool {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return schedule(0, unix.SCHED_FIFO) == nil && schedule(0, unix.SCHED_NORMAL) == nil
}

// resident is the memory of the process that is in RAM, in bytes.
func (p *process) resident() (int64, error) {
	status, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return 0, err
	}
	return parseResident(string(status))
}

func (p *process) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), name)
}
