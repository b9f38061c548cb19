//go:build e2e && linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"notyet/e2e/testbed"
)

// TestRunPassesSignalsOn sends notyet each of them, which the command tells of.
func TestRunPassesSignalsOn(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT, unix.SIGWINCH, unix.SIGPWR, 40,
	} {
		t.Run(strconv.Itoa(int(sig)), func(t *testing.T) {
			t.Parallel()
			script := fmt.Sprintf(`trap 'echo got; kill $!; exit 5' %d; sleep 100 & echo ready; wait`, sig)
			p := startRun(t, nil, "bash", "-c", script) // dash knows no signals in real time
			testbed.Until(t, patience, "the command to be ready", func() bool { return p.Stdout() == "ready\n" })
			p.Signal(sig)
			if code := p.Wait(t, patience); code != 5 || p.Stdout() != "ready\ngot\n" {
				t.Errorf("got exit code %d and %q, want 5 after the signal was told", code, p.Stdout())
			}
		})
	}
}

func TestRunEndsWithTheCommandThatASignalEnds(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGUSR1} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			p := startRun(t, nil, "sh", "-c", "echo ready; exec sleep 100")
			testbed.Until(t, patience, "the command to be ready", func() bool { return p.Stdout() == "ready\n" })
			p.Signal(sig)
			if code := p.Wait(t, patience); code != 128+int(sig) {
				t.Errorf("got exit code %d, want %d", code, 128+int(sig))
			}
			if p.Stderr() != nothingRescued {
				t.Errorf("got %q on standard error, want %q", p.Stderr(), nothingRescued)
			}
		})
	}
}

// A terminal is a pseudo terminal with a program on it.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File

	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// onTerminal starts a program as the leader of a session on a terminal of its own.
func onTerminal(t *testing.T, program string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlock the terminal: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("number of the terminal: %v", err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	term := &terminal{t: t, cmd: exec.Command(program, args...), master: master}
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = slave, slave, slave
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(term, master) // until nobody has the terminal open
	}()
	t.Cleanup(func() {
		_ = term.cmd.Process.Kill()
		_ = term.cmd.Wait()
		master.Close() // which hangs up whoever is left
		<-read
	})
	return term
}

func (term *terminal) Write(p []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text.Write(p)
}

func (term *terminal) String() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text.String()
}

// sees waits for text on the terminal.
func (term *terminal) sees(text string) {
	term.t.Helper()
	if !testbed.Within(patience, func() bool { return strings.Contains(term.String(), text) }) {
		term.t.Fatalf("waited %v for %q on the terminal:\n%s", patience, text, term)
	}
}

// press types one key.
func (term *terminal) press(key string) {
	term.t.Helper()
	if _, err := term.master.WriteString(key); err != nil {
		term.t.Fatal(err)
	}
}

const (
	controlC         = "\x03"
	controlZ         = "\x1a"
	controlBackslash = "\x1c"
)

// TestKeysOfTheTerminalReachTheCommandOnce has the command count: many a program ends at the second SIGINT whatever it is about.
func TestKeysOfTheTerminalReachTheCommandOnce(t *testing.T) {
	t.Parallel()
	const count = `i=0; q=0
		trap 'i=$((i+1)); echo "int $i"' INT; trap 'q=$((q+1)); echo "quit $q"' QUIT; trap 'echo "done $i $q"; exit 6' USR1
		echo ready; while :; do sleep 0.02; done`
	term := onTerminal(t, notyetBinary, runArgs(t, nil, "sh", "-c", count)...)
	term.sees("ready")
	term.press(controlC)
	term.sees("int 1")
	term.press(controlBackslash)
	term.sees("quit 1")
	term.press(controlC)
	term.sees("int 2")
	if err := term.cmd.Process.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	term.sees("done 2 1")
	_ = term.cmd.Wait()
	if code := term.cmd.ProcessState.ExitCode(); code != 6 {
		t.Errorf("got exit code %d, want 6", code)
	}
}

// TestJobIsStoppedAndContinued has a shell with job control, for which notyet and its command are one job. The command starts
// nothing: a shell whose child is stopped between vfork and exec does not stop itself.
func TestJobIsStoppedAndContinued(t *testing.T) {
	t.Parallel()
	script := `set -m; ` + notyetBinary + ` ` + strings.Join(runArgs(t, nil), " ") +
		` sh -c 'trap "echo continued" CONT; echo ready; while :; do read line; done'; echo "stopped with $?"; fg; echo "ended with $?"`
	term := onTerminal(t, "bash", "-c", script)
	term.sees("ready")
	term.press(controlZ)
	term.sees("stopped with " + strconv.Itoa(128+int(unix.SIGSTOP)))
	term.sees("continued") // by fg
	term.press(controlC)
	term.sees("ended with " + strconv.Itoa(128+int(unix.SIGINT)))
}

// TestCommandReadsFromTheTerminal is one in the foreground.
func TestCommandReadsFromTheTerminal(t *testing.T) {
	t.Parallel()
	term := onTerminal(t, notyetBinary, runArgs(t, nil, "sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo ready; read line </dev/tty; echo got $line")...)
	term.sees("ready")
	term.press("hello\n")
	term.sees("got hello")
	term.sees("nothing to rescue")
	if err := term.cmd.Wait(); err != nil {
		t.Errorf("got %v, want success", err)
	}
}

// TestJobInTheBackgroundEndsWhereWritingStopsJobs: the line at the end is no reason to stop for.
func TestJobInTheBackgroundEndsWhereWritingStopsJobs(t *testing.T) {
	t.Parallel()
	script := "set -m; stty tostop; " + notyetBinary + " " + strings.Join(runArgs(t, nil), " ") + ` true & wait $!; echo "ended with $?"`
	term := onTerminal(t, "bash", "-c", script)
	term.sees("nothing to rescue")
	term.sees("ended with 0")
}

// TestStoppedByASignalIsStoppedWithItsCommand sends SIGTSTP and SIGCONT to notyet, as a supervisor may.
func TestStoppedByASignalIsStoppedWithItsCommand(t *testing.T) {
	t.Parallel()
	p := startRun(t, nil, "sh", "-c", "echo $$; exec sleep 100")
	testbed.Until(t, patience, "the command to be ready", func() bool { return strings.HasSuffix(p.Stdout(), "\n") })
	pid, err := strconv.Atoi(strings.TrimSpace(p.Stdout()))
	if err != nil {
		t.Fatal(err)
	}
	p.Signal(unix.SIGTSTP)
	for name, pid := range map[string]int{"the command": pid, "notyet": p.PID} {
		testbed.Until(t, patience, name+" to be stopped", func() bool { return state(t, pid) == "T" })
	}
	p.Signal(unix.SIGCONT)
	for name, pid := range map[string]int{"the command": pid, "notyet": p.PID} {
		testbed.Until(t, patience, name+" to go on", func() bool { return state(t, pid) != "T" })
	}
	time.Sleep(50 * time.Millisecond) // whether one of them stops once more
	if got := state(t, pid) + state(t, p.PID); strings.Contains(got, "T") {
		t.Errorf("got states %s after SIGCONT, want neither stopped", got)
	}
}

// state is the letter that ps has for a process.
func state(t testing.TB, pid int) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return after[:1]
}
