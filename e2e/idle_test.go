//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"notyet/e2e/testbed"
)

// TestIdleServerWaitsWithoutATimeLimit follows a configuration, and has no timer of its own meanwhile, whose limit the kernel
// would have to set for each packet.
func TestIdleServerWaitsWithoutATimeLimit(t *testing.T) {
	t.Parallel()
	n := testbed.StartNotyet(t, testbed.NotyetConfig{
		Binary: notyetBinary, Listen: []netip.AddrPort{nobody(t)}, Upstreams: []netip.AddrPort{shared().unbound.Addr},
	})
	var limits []int32
	if !within(10*time.Second, 50*time.Millisecond, func() bool {
		limits = waitLimits(t, n.PID)
		return len(limits) == 1 && limits[0] == -1
	}) {
		t.Errorf("got threads that wait at most %v ms, want one without a limit", limits)
	}
}

// waitLimits are the limits of the threads that wait for something to happen, in milliseconds (epoll_pwait(2)).
func waitLimits(t *testing.T, pid int) (limits []int32) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it has just ended
		}
		var call int
		var arguments [4]uint64
		a := &arguments
		if _, err := fmt.Sscan(string(text), &call, &a[0], &a[1], &a[2], &a[3]); err == nil && call == unix.SYS_EPOLL_PWAIT {
			limits = append(limits, int32(a[3]))
		}
	}
	return limits
}
