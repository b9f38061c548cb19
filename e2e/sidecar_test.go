//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"notyet/e2e/testbed"
)

// sidecar is the script, as the tests' folder sees it.
const sidecar = "../deploy/ci/sidecar.sh"

// sidecarFor is the environment for a notyet of a job, at port 53 of an address of its own, before the watchBed's Unbound.
func sidecarFor(t *testing.T) (env []string, at netip.AddrPort) {
	t.Helper()
	at = netip.AddrPortFrom(testbed.Address(t), testbed.DNSPort)
	return []string{"NOTYET_UPSTREAMS=" + watching().unbound.Addr.String(), "NOTYET_LISTEN=" + at.String()}, at
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// wantRescue has a program of the job look up a name that is published a second later.
func wantRescue(t *testing.T, m *machine, qname string) {
	t.Helper()
	published := make(chan error, 1)
	time.AfterFunc(time.Second, func() { published <- watching().add(qname + ". 60 A 192.0.2.7") })
	got := m.do(t, nil, "getent", "ahostsv4", qname)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	if got.code != 0 || !strings.Contains(got.stdout, "192.0.2.7") {
		t.Fatalf("%s: got exit code %d and %q, want its address", qname, got.code, got.stdout)
	}
}

// row is the line of a summary about a name.
func row(qname string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(qname) + ` \| A \| [0-9.]+m?s \| [0-9.]+s \|$`)
}

const machineText = "search corp.example\nnameserver 192.0.2.53\noptions ndots:1\n"

func TestSidecarIsAskedByAJobAndPutsBackWhatWas(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, shell, prepare string }{
		{"file", "dash", ""},
		{"link", "bash --posix", "mkdir run; mount --bind run /run; mv etc/resolv.conf run/theirs; ln -s ../run/theirs etc/resolv.conf"},
		{"mount", "busybox sh", "cp etc/resolv.conf mounted; mount --bind mounted /etc/resolv.conf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := startMachine(t, machineText, test.prepare)
			env, at := sidecarFor(t)
			qname := newLabel() + "." + plainZone
			script := append(strings.Fields(test.shell), absolute(t, sidecar))
			mode := m.must(t, nil, "stat", "-c", "%F %a %i %N", "/etc/resolv.conf")

			out := m.must(t, append(env, "NOTYET_NAMES=later."+plainZone+" "+qname), append([]string{"sh", "-c", `umask 077; exec "$@" start`, "sh"}, script...)...)
			for _, want := range []string{qname + " is under watch for 1h", "notyet answers at " + at.String()} {
				if !strings.Contains(out, want) {
					t.Errorf("start: got %q, want %q in it", out, want)
				}
			}
			want := fmt.Sprintf("nameserver %s\nsearch corp.example\noptions ndots:1\n", at.Addr())
			if got := m.file(t, "/etc/resolv.conf"); got != want {
				t.Errorf("got resolv.conf %q, want %q", got, want)
			}
			if got := m.must(t, nil, "stat", "-c", "%a", "/etc/resolv.conf"); got != "644\n" {
				t.Errorf("got mode %s, want one that everybody can read", got)
			}
			wantRescue(t, m, qname)

			out = m.must(t, nil, append(script, "stop")...)
			if !row(qname).MatchString(out) || !strings.HasPrefix(out, "### notyet\n\n") || strings.Contains(out, "warnings") {
				t.Errorf("stop: got %q, want a row for %s and no warning", out, qname)
			}
			if got := m.file(t, "/etc/resolv.conf"); got != machineText {
				t.Errorf("got resolv.conf %q after stop, want %q", got, machineText)
			}
			if got := m.must(t, nil, "stat", "-c", "%F %a %i %N", "/etc/resolv.conf"); test.name != "link" && got != mode {
				t.Errorf("got %s after stop, want %s", got, mode)
			} else if !strings.HasSuffix(got, mode[strings.Index(mode, "'"):]) {
				t.Errorf("got %s after stop, want %s", got, mode)
			}
			if left := m.left(t); strings.Contains(left, "notyet") {
				t.Errorf("left after stop: %s", left)
			}
			if got := m.must(t, nil, "ls", "-A", m.dir); strings.Contains(got, "notyet") {
				t.Errorf("left after stop in the directory: %s", got)
			}
		})
	}
}

func TestSidecarRunsACommand(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "")
	env, at := sidecarFor(t)
	run := func(args ...string) result {
		return m.do(t, env, append([]string{"sh", absolute(t, sidecar), "run"}, args...)...)
	}
	got := run("sh", "-c", "cat /etc/resolv.conf; exit 7")
	if want := "nameserver " + at.Addr().String(); got.code != 7 || !strings.HasPrefix(got.stdout, want) || strings.Contains(got.stdout, "notyet") {
		t.Errorf("got exit code %d and %q, want 7 and what the command prints alone, %q", got.code, got.stdout, want)
	}
	if !strings.Contains(got.stderr, "There was nothing to rescue.") {
		t.Errorf("got %q, want the summary", got.stderr)
	}
	if got := run("no-such-program"); got.code != 127 {
		t.Errorf("got exit code %d for a program that there isn't, want 127", got.code)
	}
	for signal, want := range map[string]int{"HUP": 129, "INT": 130, "PIPE": 141, "TERM": 143} {
		// A second one while it stops is not to break that off.
		again := "(while kill -" + signal + " $PPID; do sleep 0.1; done) >/dev/null 2>&1 &"
		if got := run("sh", "-c", again+" kill -"+signal+" $PPID"); got.code != want || !strings.Contains(got.stderr, "### notyet") {
			t.Errorf("got exit code %d at SIG%s, want %d and a summary: %s", got.code, signal, want, got.stderr)
		}
		if got := m.file(t, "/etc/resolv.conf"); got != machineText {
			t.Errorf("got resolv.conf %q after SIG%s, want %q", got, signal, machineText)
		}
	}
	if got := m.file(t, "/etc/resolv.conf"); got != machineText {
		t.Errorf("got resolv.conf %q, want %q", got, machineText)
	}
	if left := m.left(t); strings.Contains(left, "notyet") {
		t.Errorf("left: %s", left)
	}
}

func TestSidecarThatCannotStartLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "")
	env, _ := sidecarFor(t)
	for _, test := range []struct{ name, variable, want string }{
		{"no program", "NOTYET_BINARY=notyit", "sidecar.sh: there is no program notyit: name one in NOTYET_BINARY"},
		{"a port of somebody else", "NOTYET_LISTEN=" + watching().knots[0].Addr.String(), "address already in use"},
		{"a port that resolv.conf can't name", "NOTYET_LISTEN=127.0.0.1:1053", "set NOTYET_RESOLV_CONF=false"},
		{"a bad name", "NOTYET_NAMES=com", "name a zone below it"},
		{"a bad flag", "NOTYET_FLAGS=--config none.yaml", "none.yaml: no such file or directory"},
		{"a bad word", "NOTYET_RESOLV_CONF=yes", "NOTYET_RESOLV_CONF yes: write true or false"},
		{"somebody else's API", "NOTYET_ADMIN=" + watching().notyet.Admin.String(), "set NOTYET_ADMIN to another address"},
	} {
		got := m.do(t, append(env, test.variable), "sh", absolute(t, sidecar), "start")
		if got.code == 0 || !strings.Contains(got.stderr, test.want) {
			t.Errorf("%s: got exit code %d and %q, want %q", test.name, got.code, got.stderr, test.want)
		}
		if text := m.file(t, "/etc/resolv.conf"); text != machineText {
			t.Errorf("%s: got resolv.conf %q, want it left alone", test.name, text)
		}
		if left := m.left(t) + m.must(t, nil, "ls", "-A", m.dir); strings.Contains(left, "notyet") {
			t.Errorf("%s: left: %s", test.name, left)
		}
	}
	if got := m.do(t, env, "sh", absolute(t, sidecar), "stop"); got.code != 0 || !strings.Contains(got.stderr, "nothing was started") {
		t.Errorf("stop: got exit code %d and %q, want it told", got.code, got.stderr)
	}
	if got := m.do(t, env, "sh", absolute(t, sidecar), "begin"); got.code != 2 || !strings.Contains(got.stderr, "usage: ") {
		t.Errorf("begin: got exit code %d and %q, want 2", got.code, got.stderr)
	}
}

func TestSidecarStartsOnce(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "")
	env, _ := sidecarFor(t)
	other, _ := sidecarFor(t)
	m.must(t, env, "sh", absolute(t, sidecar), "start")
	if got := m.do(t, append(other, "NOTYET_ADMIN=unix://"+m.dir+"/other.sock"), "sh", absolute(t, sidecar), "start"); got.code != 1 || !strings.Contains(got.stderr, `stop" first`) {
		t.Errorf("got exit code %d and %q, want the second start refused", got.code, got.stderr)
	}
	m.must(t, nil, "sh", absolute(t, sidecar), "stop")
	if got := m.file(t, "/etc/resolv.conf"); got != machineText {
		t.Errorf("got resolv.conf %q, want %q", got, machineText)
	}
}
