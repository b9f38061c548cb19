//go:build e2e && linux

package e2e

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// manyZone has an address for every name.
const manyZone = "many.dev"

func startMany(t *testing.T) netip.AddrPort {
	t.Helper()
	return testbed.StartNSD(t, testbed.Zone{Name: manyZone, Text: testbed.SOA("3600", "60") + "* A 192.0.2.1\n"}).Addr
}

// askMany asks for the addresses of names from first on, some at a time, until it has them.
func askMany(t *testing.T, at netip.AddrPort, first, count int) {
	t.Helper()
	const underWay = 200
	c := dial(t, "udp", at)
	defer c.Close()
	for ; count > 0; first, count = first+underWay, count-underWay {
		waiting := make(map[uint16][]byte)
		for i := range min(underWay, count) {
			q := ask(label(first+i)+manyZone, dns.TypeA)
			q.Id = uint16(first + i)
			waiting[q.Id] = pack(t, q)
		}
		for tries := 0; len(waiting) > 0; tries++ {
			if tries > 20 {
				t.Fatalf("ask %v for %d names from %d on: no answer", at, len(waiting), first)
			}
			for _, b := range waiting {
				if err := c.send(b); err != nil {
					t.Fatalf("%v", err)
				}
			}
			for len(waiting) > 0 {
				b, err := c.receive(500 * time.Millisecond)
				if err != nil {
					break // once more
				}
				m := new(dns.Msg)
				if err := m.Unpack(b); err != nil || len(m.Answer) != 1 {
					t.Fatalf("got %v, %v, want an address", m, err)
				}
				delete(waiting, m.Id)
			}
		}
	}
}

// wantEnd stops a notyet that has nothing to complain about.
func wantEnd(t *testing.T, n *testbed.Notyet) {
	t.Helper()
	stop(t, n)
	if strings.Contains(n.Stderr(), "snapshot not") || strings.Contains(n.Stderr(), "set aside") {
		t.Errorf("got a snapshot that failed: %s", n.Stderr())
	}
}

// logged is the line of the log with a message, empty when there is none.
func logged(n *testbed.Notyet, msg string) string {
	for line := range strings.Lines(n.Stderr()) {
		if strings.Contains(line, `"msg":"`+msg+`"`) {
			return line
		}
	}
	return ""
}

// wantRead waits until a snapshot is read, which goes on while a slow notyet answers, and wants so many entries in it.
func wantRead(t *testing.T, n *testbed.Notyet, entries int) {
	t.Helper()
	testbed.Until(t, patience, "the snapshot to be read", func() bool { return logged(n, "snapshot read") != "" })
	if line := logged(n, "snapshot read"); !strings.Contains(line, fmt.Sprintf(`"entries":%d,"left_out":0,`, entries)) {
		t.Errorf("got %q, want %d entries read", line, entries)
	}
}

func TestRestartWithASnapshotOfHundredThousandAnswers(t *testing.T) {
	t.Parallel()
	const names = 100_000
	upstream := startMany(t)
	file := filepath.Join(t.TempDir(), "cache")
	n := front(t, "cache: {snapshot: "+file+"}", upstream)
	askMany(t, n.Addr, 0, names)
	wantEnd(t, n)
	timely(t, func() error {
		start := time.Now()
		n := front(t, "cache: {snapshot: "+file+"}", upstream)
		took := time.Since(start)
		wantRead(t, n, names)
		for first := 0; first < names; first += names / 10 {
			askMany(t, n.Addr, first, 1000)
		}
		if hits, misses := n.Metric(t, "notyet_cache_hits_total"), n.Metric(t, "notyet_cache_misses_total"); hits < 10_000 || misses > 0 {
			t.Errorf("got %v hits and %v misses of 10,000 questions, want hits", hits, misses)
		}
		wantEnd(t, n)
		t.Logf("started in %v: %s", took, logged(n, "snapshot read"))
		if took > time.Second {
			return fmt.Errorf("it took %v to start, want less than 1 s", took)
		}
		return nil
	})
}

// TestKillWhileTheSnapshotIsWritten kills notyet as soon as there is an unfinished file: afterwards there is the old
// one or the new one.
func TestKillWhileTheSnapshotIsWritten(t *testing.T) {
	t.Parallel()
	const names = 20_000
	upstream := startMany(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "cache")
	n := front(t, "cache: {snapshot: "+file+"}", upstream)
	askMany(t, n.Addr, 0, names)
	wantEnd(t, n)
	unfinished := func() int {
		files, err := filepath.Glob(file + ".*.tmp")
		if err != nil {
			t.Fatalf("%v", err)
		}
		return len(files)
	}
	for range 10 {
		n := front(t, "cache: {snapshot: "+file+"}", upstream)
		wantRead(t, n, names)
		before := unfinished()
		n.Signal(syscall.SIGTERM)
		for n.Running() && unfinished() == before {
		}
		n.Signal(syscall.SIGKILL)
		n.Wait(t, patience)
	}
	if unfinished() == 0 {
		t.Errorf("it was never killed while it wrote")
	}
}

// TestFullDisk has a disk that has room for one small snapshot.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	upstream := startMany(t)
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "notyet-test", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount a small disk, which needs root: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v: %s", dir, err, out)
		}
	})
	file := filepath.Join(dir, "cache")
	extra := "cache: {snapshot: " + file + "}"
	n := front(t, extra, upstream)
	askMany(t, n.Addr, 0, 1000)
	wantEnd(t, n)
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v", err)
	}

	n = front(t, extra, upstream)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatalf("%s took 1 MiB beside a snapshot, want it full", dir)
	}
	askMany(t, n.Addr, 1000, 3000)
	stop(t, n)
	if line := logged(n, "snapshot not written"); !strings.Contains(line, "no space left") || !strings.Contains(line, "make room in "+dir) {
		t.Errorf("got %q, want what is wrong and what to do: %s", line, n.Stderr())
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, old) {
		t.Errorf("got a snapshot of %d bytes, %v, want the %d bytes from before", len(now), err, len(old))
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("got %v in %s, %v, want no more than the snapshot and the ballast", left, dir, err)
	}

	n = front(t, extra, upstream)
	wantRead(t, n, 1000) // the old one
	if err := os.Remove(ballast); err != nil {
		t.Fatalf("%v", err)
	}
	askMany(t, n.Addr, 1000, 1000)
	stop(t, n)
	n = front(t, extra, upstream)
	wantRead(t, n, 2000)
	wantEnd(t, n)
}
