//go:build unix

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pipe is one that a shell opens for <(command), and its path.
func pipe(t *testing.T) (writer *os.File, path string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	t.Cleanup(func() { w.Close() })
	return w, fmt.Sprintf("/dev/fd/%d", r.Fd())
}

func TestFileFromAPipeIsRead(t *testing.T) {
	t.Parallel()
	w, path := pipe(t)
	if _, err := w.WriteString("log: debug\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	c, err := Load(path)
	if err != nil || c.Log >= Default().Log {
		t.Errorf("got level %v and %v, want debug", c.Log, err)
	}
	if !ReadsOnce(path) {
		t.Error("got a pipe that can be read again")
	}
}

func TestPipeThatNobodyClosesIsGivenUp(t *testing.T) {
	t.Parallel()
	_, path := pipe(t)
	_, err := readFileFor(path, 10*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "not come to an end after 10ms") {
		t.Errorf("got %v, want the time that was given up after", err)
	}
}

func TestNamedPipeIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	want := path + ": write it into a regular file, or name /dev/stdin"
	if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Load: got %v, want %s", err, want)
	}
	if _, err := System(path, nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("System: got %v, want %s", err, want)
	}
}

func TestRegularFileAndOneThatIsMissingCanBeReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notyet.yaml")
	if ReadsOnce(path) {
		t.Error("got a missing file that can be read once")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ReadsOnce(path) {
		t.Error("got a file that can be read once")
	}
}
