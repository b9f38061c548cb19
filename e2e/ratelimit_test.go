//go:build e2e && linux

package e2e

import (
	"net/netip"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"notyet/e2e/testbed"
)

// TestRateLimit has a client that is not on loopback, in a network of its own.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	inNetworkOfItsOwn(t, rateLimit)
}

// inNetworkOfItsOwn runs a test on a thread that nobody else gets meanwhile. It is never the main thread, whose network /proc/net
// shows to all; and it does not end with the test, as all processes that it ever started would be killed with it (PR_SET_PDEATHSIG).
func inNetworkOfItsOwn(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Gettid() == unix.Getpid() {
		t.Run("on another thread", func(t *testing.T) { inNetworkOfItsOwn(t, test) })
		return
	}
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(home)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("a network namespace of our own, which needs root: %v", err)
	}
	defer func() {
		if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
			panic(err) // the next test on this thread must not be in the wrong network
		}
	}()
	test(t)
}

func rateLimit(t *testing.T) {
	ip := testbed.Look(t, "ip")
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"address", "add", "198.51.100.1/32", "dev", "lo"}} {
		if out, err := exec.Command(ip, args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	outside, loopback := netip.MustParseAddrPort("198.51.100.1:5306"), netip.MustParseAddrPort("127.0.0.1:5306")
	testbed.LaunchNotyet(t, testbed.NotyetConfig{
		Binary: notyetBinary, Upstreams: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.2:53")},
		Listen: []netip.AddrPort{outside, loopback},
		Extra:  "rate_limit: 20\nallow: [loopback, 198.51.100.0/24]",
	})
	q := ask("version.bind.", dns.TypeTXT)
	q.Question[0].Qclass = dns.ClassCHAOS
	testbed.Until(t, patience, "notyet to answer", func() bool {
		_, _, err := (&dns.Client{Timeout: time.Second}).Exchange(q, loopback.String())
		return err == nil
	})
	const sent = 100
	for _, test := range []struct {
		proto            string
		at               netip.AddrPort
		whole, truncated int
	}{
		{"udp", outside, 20, 40},
		{"udp", loopback, sent, 0},
		{"tcp", outside, sent, 0},
	} {
		whole, truncated := 0, 0
		c := dial(t, test.proto, test.at)
		start := time.Now()
		for range sent {
			if err := c.send(pack(t, q)); err != nil {
				t.Fatalf("%v", err)
			}
		}
		spare := int(time.Since(start) / (time.Second / 20)) // what more came within the limit meanwhile
		for {
			b, err := c.receive(500 * time.Millisecond)
			if err != nil {
				break
			}
			if r := parse(t, q, b); r.Truncated {
				truncated++
			} else {
				whole++
			}
		}
		if whole < test.whole || whole > test.whole+spare+1 || truncated > test.truncated || truncated < test.truncated-spare-1 {
			t.Errorf("%d queries to %v over %s: got %d whole and %d truncated replies, want %d and %d",
				sent, test.at, test.proto, whole, truncated, test.whole, test.truncated)
		}
	}
}
