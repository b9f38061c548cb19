//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"notyet/e2e/testbed"
)

// A machine is what a CI job runs on: processes, mounts and an /etc of its own, and the network of the tests.
type machine struct {
	dir    string // of the job
	holder *testbed.Process
	uid    int // who runs the job
}

// startMachine starts one whose /etc/resolv.conf has this text. prepare is shell for what else is to be so, as root, with the
// directory of the job as its own.
func startMachine(t *testing.T, resolvConf, prepare string) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "job") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	const mount = `set -e
cp -a /etc etc
rm -f etc/resolv.conf
printf %s "$0" >etc/resolv.conf
mount --bind etc /etc
eval "$1"
echo up
exec sleep infinity`
	cmd := exec.Command(testbed.Look(t, "unshare"), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", mount, resolvConf, prepare)
	cmd.Dir = dir
	m := &machine{dir: dir, holder: testbed.StartCommand(t, cmd)}
	testbed.Until(t, patience, "a machine, for which this has to be root", func() bool {
		if !m.holder.Running() {
			t.Fatalf("no machine: this has to be root: %s", m.holder.Output())
		}
		return strings.Contains(m.holder.Output(), "up\n")
	})
	return m
}

// result is what a command did.
type result struct {
	code           int
	stdout, stderr string
}

// command is one of the job, in its directory and with nothing in its environment but env.
func (m *machine) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	enter := []string{
		fmt.Sprintf("--mount=/proc/%d/ns/mnt", m.holder.PID), fmt.Sprintf("--pid=/proc/%d/ns/pid_for_children", m.holder.PID),
		"--wd=" + m.dir, "--",
	}
	if m.uid != 0 {
		enter = append(enter, "setpriv", fmt.Sprintf("--reuid=%d", m.uid), fmt.Sprintf("--regid=%d", m.uid), "--clear-groups")
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = append([]string{
		"PATH=" + filepath.Dir(notyetBinary) + ":/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + os.Getenv("HOME"),
		"NOTYET_DIR=" + filepath.Join(m.dir, "notyet"),
	}, env...)
	return cmd
}

// do runs a command of the job to its end.
func (m *machine) do(t *testing.T, env []string, args ...string) result {
	t.Helper()
	cmd := m.command(t.Context(), env, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = patience // what it leaves running may not keep us
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v", args, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must is do for what has to succeed; it returns what was printed.
func (m *machine) must(t *testing.T, env []string, args ...string) string {
	t.Helper()
	r := m.do(t, env, args...)
	if r.code != 0 {
		t.Fatalf("%q: got exit code %d, want 0:\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// file reads a file as the job sees it.
func (m *machine) file(t *testing.T, path string) string {
	t.Helper()
	return m.must(t, nil, "cat", path)
}

// left are the processes of the job, without the one that holds it.
func (m *machine) left(t *testing.T) string {
	t.Helper()
	return m.must(t, nil, "sh", "-c", `for d in /proc/[0-9]*; do
	case $(cat "$d/comm" 2>/dev/null) in sh | cat | sleep | "") ;; *) tr '\0' ' ' <"$d/cmdline"; echo ;; esac
done`)
}
