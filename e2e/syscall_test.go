//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// TestServiceNeedsNoMoreThanItsUnitAllows has notyet do what it does as a service, and looks at its system calls.
func TestServiceNeedsNoMoreThanItsUnitAllows(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
	m := startManager(t, u.addr)
	dir := t.TempDir()
	admin := netip.AddrPortFrom(testbed.Address(t), testbed.Port)
	file, trace := filepath.Join(dir, "notyet.yaml"), filepath.Join(dir, "trace")
	config := fmt.Sprintf("listen: [%q]\nupstreams: [%q]\nadmin: %q\nstate: %s/state\ncache: {snapshot: %s/snapshot}\n", m.addr, u.addr, admin, dir, dir)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	m.udp.Close()
	m.tcp.Close()
	cmd := exec.Command(testbed.Look(t, "strace"), "-f", "-qq", "-o", trace, notyetBinary, "serve", "--config", file)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.socket)
	p := testbed.StartCommand(t, cmd)
	m.hears(t, "READY=1", "STATUS=")
	for _, proto := range []string{"udp", "tcp"} {
		q := ask(label(len(proto))+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, proto, m.addr, q), dns.RcodeSuccess)
	}
	runIn(t, dir, notyetBinary, "watch", "add", "preview."+plainZone, "--for=10m", "--admin="+admin.String())
	traced := tracee(t, trace)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if err := syscall.Kill(traced, sig); err != nil {
			t.Fatalf("%v", err)
		}
		if sig == syscall.SIGHUP {
			m.hears(t, "RELOADING=1", "MONOTONIC_USEC=")
			m.hears(t, "READY=1", "STATUS=")
		}
	}
	if code := p.Wait(t, patience); code != 0 {
		t.Fatalf("got exit code %d, want 0: %s", code, p.Output())
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatalf("%v", err)
	}
	may := allowedCalls(t)
	calls := make(map[string]bool)
	for _, call := range regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`).FindAllStringSubmatch(string(text), -1) {
		calls[call[1]] = true
		if !may[call[1]] {
			t.Errorf("%s is called, and SystemCallFilter does not have it", call[1])
			may[call[1]] = true
		}
	}
	if !calls["recvmmsg"] || !calls["fsync"] || len(calls) < 40 {
		t.Errorf("got only the calls %v", calls)
	}
	if writable := regexp.MustCompile(`(?m)^.*PROT_WRITE\|PROT_EXEC.*$`).FindString(string(text)); writable != "" {
		t.Errorf("MemoryDenyWriteExecute forbids %s", writable)
	}
}

// tracee is the process that strace has started, whose first call is the first line.
func tracee(t *testing.T, trace string) (pid int) {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if _, err := fmt.Sscanf(string(text), "%d ", &pid); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	return pid
}

// allowedCalls are those of the unit's filter: sets of systemd, the later without those that begin with ~.
func allowedCalls(t *testing.T) map[string]bool {
	t.Helper()
	unit, err := os.ReadFile("../deploy/systemd/notyet.service")
	if err != nil {
		t.Fatalf("%v", err)
	}
	may := make(map[string]bool)
	filters := regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(string(unit), -1)
	if len(filters) == 0 {
		t.Fatalf("the unit has no SystemCallFilter")
	}
	add := func(set string, to bool) {
		for _, call := range callsOf(t, set) {
			may[call] = to
		}
	}
	for _, filter := range filters {
		for set := range strings.FieldsSeq(filter[2]) {
			add(set, filter[1] == "")
		}
	}
	add("@default", true) // always
	return may
}

// callsOf are the calls of a set and of those that it has.
func callsOf(t *testing.T, set string) (calls []string) {
	t.Helper()
	for line := range strings.Lines(runIn(t, ".", "systemd-analyze", "syscall-filter", "--no-pager", set)) {
		switch name := strings.TrimSpace(line); {
		case name == "" || name == set || strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "@"):
			calls = append(calls, callsOf(t, name)...)
		default:
			calls = append(calls, name)
		}
	}
	return calls
}
