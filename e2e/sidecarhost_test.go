//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// nobodyID is a user without rights.
const nobodyID = 65534

// TestSidecarOfAUserWithSudo has notyet at port 53 as the user who runs the job, with the one right that this takes.
func TestSidecarOfAUserWithSudo(t *testing.T) {
	t.Parallel()
	testbed.Look(t, "sudo")
	m := startMachine(t, machineText, "echo 'ALL ALL=(ALL) NOPASSWD: ALL' >etc/sudoers; chmod 440 etc/sudoers")
	m.uid = nobodyID
	env, at := sidecarFor(t)
	qname := newLabel() + "." + plainZone
	m.must(t, append(env, "NOTYET_NAMES="+qname), "sh", absolute(t, sidecar), "start")
	if got, want := m.file(t, "/etc/resolv.conf"), "nameserver "+at.Addr().String()+"\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got resolv.conf %q, want %q", got, want)
	}
	status := m.must(t, nil, "sh", "-c", `cat "/proc/$(cat "$NOTYET_DIR/pid")/status"`)
	for _, want := range []string{"Name:\tnotyet\n", "Uid:\t65534\t65534\t65534\t65534\n", "CapEff:\t0000000000000400\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("got %s, want %q in it", status, want)
		}
	}
	wantRescue(t, m, qname)
	if out := m.must(t, nil, "sh", absolute(t, sidecar), "stop"); !row(qname).MatchString(out) {
		t.Errorf("got %q, want a row for %s", out, qname)
	}
	if got := m.file(t, "/etc/resolv.conf"); got != machineText {
		t.Errorf("got resolv.conf %q after stop, want %q", got, machineText)
	}
	if left := m.left(t); strings.Contains(left, "notyet") {
		t.Errorf("left: %s", left)
	}
}

func TestSidecarWithoutRightsTellsTheRemedy(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "echo >etc/sudoers; chmod 440 etc/sudoers")
	m.uid = nobodyID
	env, at := sidecarFor(t)
	start := func(more ...string) result {
		return m.do(t, append(env, more...), "sh", absolute(t, sidecar), "start")
	}
	const remedy = "did not start, because port 53 takes rights of root: run this as root or with sudo"
	if got := start(); got.code != 1 || !strings.Contains(got.stderr, "sudo: a password is required") || !strings.Contains(got.stderr, remedy) {
		t.Errorf("got exit code %d and %q, want what sudo said, and the remedy", got.code, got.stderr)
	}
	high := fmt.Sprintf("NOTYET_LISTEN=%s:%d", at.Addr(), testbed.Port)
	if got := start(high, "NOTYET_RESOLV_CONF=false"); got.code != 0 {
		t.Fatalf("got exit code %d and %q, want none of root's rights needed", got.code, got.stderr)
	}
	q := ask("www."+plainZone, dns.TypeA)
	over(t, "udp", netip.AddrPortFrom(at.Addr(), testbed.Port), q)
	if got := m.do(t, nil, "sh", absolute(t, sidecar), "stop"); got.code != 0 {
		t.Errorf("stop: got exit code %d and %q", got.code, got.stderr)
	}
	if got := m.file(t, "/etc/resolv.conf"); got != machineText {
		t.Errorf("got resolv.conf %q, want %q", got, machineText)
	}
	if got := m.do(t, nil, "sh", absolute(t, sidecar), "point", "192.0.2.1"); got.code != 1 || !strings.Contains(got.stderr, "run this as root or with sudo") {
		t.Errorf("point: got exit code %d and %q, want the remedy", got.code, got.stderr)
	}
	if got := m.must(t, nil, "ls", "-A", m.dir); strings.Contains(got, "notyet") {
		t.Errorf("left in the directory: %s", got)
	}
}

// TestSidecarForwardsToTheServersOfTheMachine gives it no upstreams.
func TestSidecarForwardsToTheServersOfTheMachine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, resolvConf, prepare string // SERVER is a server, and NOBODY an address that must not be asked
	}{
		{"those of resolv.conf", "nameserver SERVER\n", ""},
		{
			"those behind systemd-resolved", "nameserver 127.0.0.53\noptions edns0 trust-ad\n",
			"mkdir -p run/systemd/resolve; mv etc/resolv.conf run/systemd/resolve/stub-resolv.conf; mount --bind run /run;" +
				"ln -s ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf; echo 'nameserver fe80::1%eth0' >run/systemd/resolve/resolv.conf;" +
				"echo 'nameserver SERVER' >>run/systemd/resolve/resolv.conf",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := netip.AddrPortFrom(testbed.Address(t), testbed.DNSPort)
			u := startUpstreamAt(t, server, func(in *incoming) { in.reply(in.address(rightAddress)) })
			with := func(s string) string { return strings.ReplaceAll(s, "SERVER", server.Addr().String()) }
			m := startMachine(t, with(test.resolvConf), with(test.prepare))
			env, _ := sidecarFor(t)
			m.must(t, append(env, "NOTYET_UPSTREAMS="), "sh", absolute(t, sidecar), "start")
			if got := m.must(t, nil, "getent", "ahostsv4", "www.example.net"); !strings.Contains(got, rightAddress) {
				t.Errorf("got %q, want %s", got, rightAddress)
			}
			if u.count("www.example.net") == 0 {
				t.Errorf("the machine's server was not asked")
			}
			if out := m.must(t, nil, "sh", absolute(t, sidecar), "stop"); strings.Contains(out, "warnings") {
				t.Errorf("got %q, want no warning", out)
			}
			if got := m.file(t, "/etc/resolv.conf"); got != with(test.resolvConf) {
				t.Errorf("got resolv.conf %q, want %q", got, with(test.resolvConf))
			}
		})
	}
}

// TestSidecarStopsWithoutItsProcess is what a runner does that ends all processes between two scripts.
func TestSidecarStopsWithoutItsProcess(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "")
	env, _ := sidecarFor(t)
	qname := newLabel() + "." + plainZone
	m.must(t, append(env, "NOTYET_NAMES="+qname), "sh", absolute(t, sidecar), "start")
	wantRescue(t, m, qname)
	// Its number is somebody else's by then.
	m.must(t, nil, "sh", "-c", `kill -9 "$(cat "$NOTYET_DIR/pid")"; sleep 1000 >/dev/null 2>&1 & echo $! >other; cp other "$NOTYET_DIR/pid"`)
	if out := m.must(t, nil, "sh", absolute(t, sidecar), "stop"); !row(qname).MatchString(out) {
		t.Errorf("got %q, want a row for %s", out, qname)
	}
	m.must(t, nil, "sh", "-c", `kill -0 "$(cat other)"`)
	if got := m.file(t, "/etc/resolv.conf"); got != machineText {
		t.Errorf("got resolv.conf %q, want %q", got, machineText)
	}
}

func TestSidecarLeavesWhatOthersWroteMeanwhile(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "")
	env, _ := sidecarFor(t)
	m.must(t, env, "sh", absolute(t, sidecar), "start")
	m.must(t, nil, "sh", "-c", "echo nameserver 192.0.2.99 >/etc/resolv.conf")
	m.must(t, nil, "sh", absolute(t, sidecar), "stop")
	if got := m.file(t, "/etc/resolv.conf"); got != "nameserver 192.0.2.99\n" {
		t.Errorf("got resolv.conf %q, want that of the other program", got)
	}
}

func TestSidecarTellsWhatIsMissingAndWhatWentWrong(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "")
	env, _ := sidecarFor(t)
	qname, dead := newLabel()+"."+plainZone, nobody(t)
	m.must(t, append(env, "NOTYET_NAMES="+qname, "NOTYET_HOLD=0s", "NOTYET_FLAGS=--watch dead."+otherZone+",authorities="+dead.String()),
		"sh", absolute(t, sidecar), "start")
	m.do(t, nil, "getent", "ahostsv4", qname)
	m.do(t, nil, "getent", "ahostsv4", "x.dead."+otherZone)
	out := m.must(t, []string{"GITHUB_STEP_SUMMARY=" + m.dir + "/summary"}, "sh", absolute(t, sidecar), "stop")
	for _, want := range []string{"There was nothing to rescue.\n", "Still missing:\n\n~~~\nPENDING ", "\n" + qname + "  A ", "The log has warnings:\n\n~~~\n", "level=WARN"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %q, want %q in it", out, want)
		}
	}
	if written, err := os.ReadFile(m.dir + "/summary"); err != nil || string(written) != out {
		t.Errorf("got %q and %v in the summary file, want the same", written, err)
	}
}
