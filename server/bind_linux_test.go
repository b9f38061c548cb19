package server

import (
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPortThatNeedsPermission gives the capability up in a thread of its own, which ends with it.
func TestPortThatNeedsPermission(t *testing.T) {
	t.Parallel()
	if start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err != nil || strings.TrimSpace(string(start)) != "1024" {
		t.Skipf("low ports are free for all here: %q, %v", start, err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock it
		done <- func() error {
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var none [2]unix.CapUserData
			if err := unix.Capset(&header, &none[0]); err != nil {
				return err
			}
			s, err := New(t.Context(), bindOn(netip.MustParseAddrPort("127.0.0.1:1023")))
			if err == nil {
				s.Close()
			}
			return err
		}()
	}()
	err := <-done
	for _, want := range []string{"listen on udp 127.0.0.1:1023: ", "permission denied", "CAP_NET_BIND_SERVICE", "--listen"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}
