//go:build linux

package testbed

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// aptGet installs every server and tool of the testbed.
const aptGet = "apt-get install -y --no-install-recommends knot knot-dnsutils unbound nsd dnsperf iproute2 dnsmasq-base " +
	"curl nodejs shellcheck sudo busybox buildah umoci runc nftables systemd strace man-db"

// Look returns the path of a program and fails with the remedy when there is none.
func Look(o Owner, program string) string {
	o.Helper()
	path := Find(program)
	if path == "" {
		o.Fatalf("%s is not installed: %s", program, aptGet)
	}
	return path
}

// Find returns the path of a program, also where Debian keeps servers, which is not on everybody's PATH; empty: there is none.
func Find(program string) string {
	for _, candidate := range []string{program, filepath.Join("/usr/sbin", program), filepath.Join("/usr/local/sbin", program)} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	return ""
}

// A Process is a running program. It ends with its owner, and with this process however that ends.
type Process struct {
	PID    int
	name   string
	stdout output
	stderr output
	done   chan struct{}      // closed when the process has ended
	code   int                // the exit code, once done is closed; -1: ended by a signal
	ended  syscall.WaitStatus // likewise
	asked  bool               // it ran until its owner ended
	killed atomic.Bool        // by its owner
}

// output keeps what a process writes; safe for concurrent use.
type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (w *output) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *output) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// Start starts a program that ends with o at the latest.
func Start(o Owner, path string, args ...string) *Process {
	o.Helper()
	return StartCommand(o, exec.Command(path, args...))
}

// StartCommand is Start for a command that needs more than arguments. Its output goes to the Process.
func StartCommand(o Owner, cmd *exec.Cmd) *Process {
	o.Helper()
	p := &Process{name: filepath.Base(cmd.Path), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // when this thread ends, which no test may let it
	// A Ctrl-C at the terminal is for the owner, which then ends its processes in order.
	cmd.SysProcAttr.Setpgid = true
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		o.Fatalf("start %s: %v", p.name, err)
	}
	p.PID = cmd.Process.Pid
	go func() {
		_ = cmd.Wait() // The exit code says it all.
		p.code = cmd.ProcessState.ExitCode()
		p.ended, _ = cmd.ProcessState.Sys().(syscall.WaitStatus)
		close(p.done)
	}()
	o.Cleanup(func() { p.end(o) })
	return p
}

// end stops the process, by force when asking does not help, with everything it started.
func (p *Process) end(o Owner) {
	p.asked = p.Running()
	if !p.asked && p.ended.Signal() == syscall.SIGKILL && !p.killed.Load() {
		o.Errorf("%s (pid %d) was killed, and not by its owner", p.name, p.PID)
	}
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(7 * time.Second): // notyet takes up to 5 s for what is under way.
	}
	// The group holds what the process has started and not ended itself.
	_ = syscall.Kill(-p.PID, syscall.SIGKILL)
	<-p.done
	if o.Failed() {
		o.Logf("%s (pid %d, exit code %d) wrote:\n%s", p.name, p.PID, p.code, tail(p.Output(), 40))
	}
}

// Signal sends a signal; a process that has ended gets none.
func (p *Process) Signal(sig syscall.Signal) {
	if p.Running() {
		p.killed.Store(p.killed.Load() || sig == syscall.SIGKILL)
		_ = syscall.Kill(p.PID, sig)
	}
}

// Running tells whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end of the process and returns its exit code; o fails after timeout.
func (p *Process) Wait(o Owner, timeout time.Duration) int {
	o.Helper()
	select {
	case <-p.done:
	case <-time.After(timeout):
		o.Fatalf("%s (pid %d) has not ended after %v", p.name, p.PID, timeout)
	}
	return p.code
}

// Output returns what the process has written to standard output and then what to standard error.
func (p *Process) Output() string { return p.stdout.String() + p.stderr.String() }

// Stdout returns what the process has written to standard output.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr returns what the process has written to standard error.
func (p *Process) Stderr() string { return p.stderr.String() }

// Left tells whether p, or a process that it started, has not ended.
func (p *Process) Left() bool {
	return !errors.Is(syscall.Kill(-p.PID, 0), syscall.ESRCH)
}

// ready waits until the process answers; that it ended first is told with what it wrote.
func (p *Process) ready(o Owner, answers func() bool) {
	o.Helper()
	ok := Within(15*time.Second, func() bool { return !p.Running() || answers() })
	if !p.Running() {
		o.Fatalf("%s ended with exit code %d:\n%s", p.name, p.code, tail(p.Output(), 40))
	}
	if !ok {
		o.Fatalf("%s does not answer:\n%s", p.name, tail(p.Output(), 40))
	}
}

// tail returns the last n lines of text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// write puts a file into dir and returns its path.
func write(o Owner, dir, name, content string) string {
	o.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		o.Fatalf("%v", err)
	}
	return path
}
