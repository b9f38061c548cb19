//go:build e2e && linux

package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"notyet/e2e/testbed"
)

// A traced run is one that tells where its command's name server and processes are.
type traced struct {
	*testbed.Process
	server    netip.AddrPort
	sockets   []string // numbers of those that are bound to server
	pid       int      // of the command
	namespace string   // of its mounts
}

var nameServer = regexp.MustCompile(`(?m)^nameserver (\S+)$`)

// trace starts a command that tells its resolv.conf and its pid, and then becomes the rest.
func trace(t testing.TB, flags []string, rest string) traced {
	t.Helper()
	p := startRun(t, flags, "sh", "-c", "cat /etc/resolv.conf; echo $$; echo; "+rest)
	testbed.Until(t, patience, "the command to be ready", func() bool { return strings.Contains(p.Stdout(), "\n\n") || !p.Running() })
	server := nameServer.FindStringSubmatch(p.Stdout())
	if server == nil {
		t.Fatalf("the command has no name server: %s", p.Output())
	}
	conf, _, _ := strings.Cut(p.Stdout(), "\n\n")
	at := netip.AddrPortFrom(netip.MustParseAddr(server[1]), 53)
	r := traced{Process: p, server: at, sockets: bound(t, at)}
	var err error
	if r.pid, err = strconv.Atoi(conf[strings.LastIndex(conf, "\n")+1:]); err != nil {
		t.Fatal(err)
	}
	namespace := "/proc/" + strconv.Itoa(r.pid) + "/ns/mnt"
	held, err := os.Open(namespace) // so that no other gets its number
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	if r.namespace, err = os.Readlink(namespace); err != nil {
		t.Fatal(err)
	}
	return r
}

// wantGone wants nothing left of it.
func (r traced) wantGone(t testing.TB) {
	t.Helper()
	testbed.Until(t, patience, "the command to be gone", func() bool { return errors.Is(unix.Kill(r.pid, 0), unix.ESRCH) })
	if r.Left() {
		t.Error("got a process left")
	}
	// Another run may have its address by now, but not with these.
	for _, socket := range bound(t, r.server) {
		if slices.Contains(r.sockets, socket) {
			t.Errorf("got socket %s left at %v", socket, r.server)
		}
	}
	threads, err := filepath.Glob("/proc/[0-9]*/task/*/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		if ns, err := os.Readlink(thread); err == nil && ns == r.namespace {
			t.Errorf("got %s left in the command's namespace", thread)
		}
	}
}

// bound tells the numbers of the sockets that are bound to an IPv4 address, over UDP and TCP.
func bound(t testing.TB, at netip.AddrPort) (sockets []string) {
	t.Helper()
	a := at.Addr().As4()
	local := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(a[:]), at.Port())
	for _, file := range []string{"/proc/net/udp", "/proc/net/tcp"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 && f[1] == local && f[9] != "0" { // 0: nobody's any more
				sockets = append(sockets, f[9])
			}
		}
	}
	return sockets
}

// machineState is what a run has to leave as it is.
func machineState(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, file := range []string{"/etc/resolv.conf", "/etc/nsswitch.conf", "/proc/self/mountinfo"} {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		b.Write(text)
	}
	var stat unix.Stat_t
	if err := unix.Stat("/etc/resolv.conf", &stat); err != nil {
		t.Fatal(err)
	}
	b.WriteString(strconv.FormatUint(stat.Ino, 10) + " " + strconv.FormatInt(stat.Ctim.Nano(), 10))
	return b.String()
}

func TestRunLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"when its command ends": unix.SIGTERM, "when it is killed": unix.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := machineState(t)
			r := trace(t, nil, "exec sleep 100")
			if len(r.sockets) == 0 {
				t.Errorf("got no sockets at %v while the command lives", r.server)
			}
			if during := machineState(t); during != before {
				t.Errorf("while it runs: got\n%s\nwant\n%s", during, before)
			}
			r.Signal(sig)
			r.Wait(t, patience)
			r.wantGone(t)
			if after := machineState(t); after != before {
				t.Errorf("afterwards: got\n%s\nwant\n%s", after, before)
			}
		})
	}
}

// TestWhatACommandLeavesInTheBackgroundHasTheMachinesNameServers: its own is gone.
func TestWhatACommandLeavesInTheBackgroundHasTheMachinesNameServers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo, out := dir+"/fifo", dir+"/out"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := startRun(t, nil, "sh", "-c", `(read line <"$0"; cat /etc/resolv.conf >"$1.new"; mv "$1.new" "$1") & grep -q 127.0.53 /etc/resolv.conf`, fifo, out)
	if code := p.Wait(t, patience); code != 0 {
		t.Fatalf("got exit code %d, want 0: %s", code, p.Output())
	}
	if err := os.WriteFile(fifo, []byte("go on\n"), 0); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	testbed.Until(t, patience, "what is left in the background", func() bool {
		got, err = os.ReadFile(out)
		return err == nil
	})
	if string(got) != string(want) {
		t.Errorf("got %q, want the machine's %q", got, want)
	}
}

func TestTwoRunsAtOnceHaveNameServersOfTheirOwn(t *testing.T) {
	t.Parallel()
	var runs []traced
	var upstreams []*fakeUpstream
	for _, address := range []string{"192.0.2.11", "192.0.2.12"} {
		u := startUpstream(t, func(in *incoming) { in.reply(in.address(address)) })
		upstreams = append(upstreams, u)
		runs = append(runs, trace(t, []string{"--upstream", u.addr.String()}, "exec sleep 100"))
	}
	if runs[0].server == runs[1].server {
		t.Errorf("both have the name server %v", runs[0].server)
	}
	q := ask("www."+plainZone, dns.TypeA)
	for i, r := range runs {
		over(t, "udp", r.server, q)
		if n := upstreams[i].count("www." + plainZone); n != 1 {
			t.Errorf("run %d: its upstream was asked %d times, want once", i, n)
		}
	}
}

// TestRunWithinARun has the outer one's name server as its upstream.
func TestRunWithinARun(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
	p := startRun(t, []string{"--upstream", u.addr.String()}, notyetBinary, "run", "--", "getent", "ahostsv4", "www."+plainZone)
	if code := p.Wait(t, patience); code != 0 || !strings.Contains(p.Stdout(), rightAddress) {
		t.Errorf("got exit code %d and %s, want %s", code, p.Output(), rightAddress)
	}
	if p.Stderr() != nothingRescued+nothingRescued {
		t.Errorf("got %q on standard error, want %q twice", p.Stderr(), nothingRescued)
	}
}

func TestRunIsRefusedWithTheRemedy(t *testing.T) {
	t.Parallel()
	setpriv := testbed.Look(t, "setpriv")
	for name, without := range map[string][]string{
		"nobody":                     {"--reuid=65534", "--regid=65534", "--clear-groups"},
		"without port 53":            {"--bounding-set=-net_bind_service"},
		"without a namespace":        {"--bounding-set=-sys_admin"},
		"nobody, with port 53 alone": {"--reuid=65534", "--clear-groups", "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(without, notyetBinary)
			args = append(args, runArgs(t, []string{"--watch", plainZone, "--hold", "2s"}, "echo", "run all the same")...)
			p := testbed.StartCommand(t, exec.Command(setpriv, args...))
			if code := p.Wait(t, patience); code != 1 {
				t.Errorf("got exit code %d, want 1", code)
			}
			if p.Stdout() != "" {
				t.Errorf("got %q, want the command not run", p.Stdout())
			}
			for _, want := range []string{
				"notyet: run needs root, or CAP_NET_BIND_SERVICE and CAP_SYS_ADMIN", "not permitted", `"notyet serve --watch ` + plainZone + `,hold=2s --upstream 127.`, "deploy/ci",
			} {
				if want == "not permitted" && strings.Contains(p.Stderr(), "permission denied") {
					continue
				}
				if !strings.Contains(p.Stderr(), want) {
					t.Errorf("got %q, want %q in it", p.Stderr(), want)
				}
			}
		})
	}
}
