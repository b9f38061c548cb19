package private

import (
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSignalsOfTheRuntimeAndUnstoppableOnesAreNotTaken: without SIGURG goroutines would not be preempted.
func TestSignalsOfTheRuntimeAndUnstoppableOnesAreNotTaken(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{unix.SIGKILL, unix.SIGSTOP, unix.SIGURG, unix.SIGCHLD, unix.SIGPROF, unix.SIGSEGV, unix.SIGPIPE, 32, 33, 34} {
		if slices.Contains(passed(), sig) {
			t.Errorf("%v is taken", sig)
		}
	}
}
