//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// A load asks for one new name after another, from several clients at a time.
type load struct {
	asked atomic.Int64
	end   func() // waits for the last answers
}

// startClients wants every answer to be rightAddress.
func startClients(t *testing.T, at netip.AddrPort) *load {
	t.Helper()
	l := new(load)
	var clients sync.WaitGroup
	stop := make(chan struct{})
	l.end = sync.OnceFunc(func() { close(stop); clients.Wait() })
	t.Cleanup(l.end)
	for i := range 8 {
		client := dns.Client{Timeout: patience}
		if i%4 == 0 {
			client.Net = "tcp"
		}
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				qname := fmt.Sprintf("c%d-n%d.%s.", i, n, plainZone)
				m, _, err := client.Exchange(new(dns.Msg).SetQuestion(qname, dns.TypeA), at.String())
				if err != nil || m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != rightAddress {
					t.Errorf("%s: got %v, %v, want %s", qname, m, err, rightAddress)
					return
				}
				l.asked.Add(1)
			}
		})
	}
	return l
}

// goesOn waits until many more questions have been answered.
func (l *load) goesOn(t *testing.T) {
	t.Helper()
	from := l.asked.Load()
	testbed.Until(t, patience, "more answers", func() bool { return l.asked.Load() > from+40 })
}

// replaceFile puts a new file in the place of another.
func replaceFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatalf("%v", err)
	}
}

// told waits until the log has a text for the nth time.
func told(t testing.TB, p *testbed.Process, text string, n int) {
	t.Helper()
	testbed.Until(t, patience, fmt.Sprintf("%q to be logged %d times", text, n), func() bool { return strings.Count(p.Stderr(), text) >= n })
}

// thinking is an upstream whose answers take a moment, so that there are always questions under way.
func thinking(in *incoming) {
	select {
	case <-time.After(20 * time.Millisecond):
		in.reply(in.address(rightAddress))
	case <-in.done:
	}
}

func TestReloadsUnderLoadLoseNoQuery(t *testing.T) {
	t.Parallel()
	const good, bad = "configuration reloaded", "configuration has a fault"
	first, second := startUpstream(t, thinking), startUpstream(t, thinking)
	n := front(t, "", first.addr)
	text, err := os.ReadFile(n.File)
	if err != nil {
		t.Fatalf("%v", err)
	}
	with := func(u *fakeUpstream, more string) string {
		return strings.Replace(string(text), first.addr.String(), u.addr.String(), 1) + more
	}
	l := startClients(t, n.Addr)
	l.goesOn(t)
	for i := range 4 {
		replaceFile(t, n.File, with(second, "cache: {memory: 4MiB}\nwatch: [{zone: other.example, verify: off}]\n"))
		told(t, n.Process, good, 3*i+1)
		l.goesOn(t)
		replaceFile(t, n.File, with(second, "log: loud\n"))
		told(t, n.Process, bad, i+1)
		if code, _ := n.Get("/readyz"); code != 200 || n.Metric(t, "notyet_config_fault") != 1 {
			t.Errorf("with a fault in the file: got readiness %d and fault %v, want 200 and 1", code, n.Metric(t, "notyet_config_fault"))
		}
		l.goesOn(t)
		replaceFile(t, n.File, with(first, ""))
		told(t, n.Process, good, 3*i+2)
		l.goesOn(t)
		n.Signal(syscall.SIGHUP)
		told(t, n.Process, good, 3*i+3)
		l.goesOn(t)
	}
	l.end()
	if got := n.Metric(t, "notyet_config_reloads_total", `result="applied"`); got != 12 {
		t.Errorf("got %v reloads applied, want 12", got)
	}
	if got := n.Metric(t, "notyet_config_fault"); got != 0 {
		t.Errorf("got fault %v with a good file, want 0", got)
	}
}

func TestUpstreamThatIsTakenOutIsNotAskedAnyMore(t *testing.T) {
	t.Parallel()
	first, second := startUpstream(t, thinking), startUpstream(t, thinking)
	n := front(t, "", first.addr)
	wantRcode(t, ask("www."+plainZone, dns.TypeA), over(t, "udp", n.Addr, ask("www."+plainZone, dns.TypeA)), dns.RcodeSuccess)
	text, err := os.ReadFile(n.File)
	if err != nil {
		t.Fatalf("%v", err)
	}
	replaceFile(t, n.File, strings.Replace(string(text), first.addr.String(), second.addr.String(), 1))
	told(t, n.Process, "configuration reloaded", 1)
	for _, qname := range []string{"www." + plainZone, "new." + plainZone} {
		q := ask(qname, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
	}
	if a, b, c := first.count("new."+plainZone), second.count("new."+plainZone), second.count("www."+plainZone); a != 0 || b != 1 || c != 0 {
		t.Errorf("got %d questions at the old upstream, %d at the new one and %d for what is in the cache, want 0, 1 and 0", a, b, c)
	}
	of := func(u *fakeUpstream) float64 {
		return n.Metric(t, "notyet_upstream_queries_total", `upstream="`+u.addr.String()+`"`)
	}
	testbed.Until(t, 3*patience, "the old upstream to be gone from the metrics", func() bool { return of(first) == 0 })
	if of(second) == 0 {
		t.Error("got no metrics of the new upstream")
	}
}

// startWithEtc runs notyet where /etc is a directory of the test's, which has a resolv.conf with the given text.
func startWithEtc(t *testing.T, text string, at netip.AddrPort) (p *testbed.Process, etc string) {
	t.Helper()
	etc = t.TempDir()
	replaceFile(t, filepath.Join(etc, "resolv.conf"), text)
	const mountAndRun = `mount --bind "$0" /etc && exec "$@"`
	p = testbed.StartCommand(t, exec.Command(testbed.Look(t, "unshare"),
		"--mount", "sh", "-c", mountAndRun, etc, notyetBinary, "serve", "--admin", "", "--listen", at.String()))
	testbed.Until(t, patience, "notyet to listen", func() bool { return strings.Contains(p.Stderr(), "listening") })
	return p, etc
}

func TestResolvConfIsFollowedUnderLoad(t *testing.T) {
	t.Parallel()
	const changed, lost = `"name servers of the system"`, "name servers of the system are not to be had"
	first := startUpstreamAt(t, port53(t), thinking)
	second := startUpstreamAt(t, port53(t), thinking)
	at := nobody(t)
	p, etc := startWithEtc(t, "nameserver "+first.addr.Addr().String()+"\n", at)
	path := filepath.Join(etc, "resolv.conf")
	l := startClients(t, at)
	l.goesOn(t)
	wantAsked := func(step string, u *fakeUpstream, proto string) {
		t.Helper()
		l.goesOn(t)
		qname := strings.ReplaceAll(step, " ", "-") + "." + plainZone
		q := ask(qname, dns.TypeA)
		wantRcode(t, q, over(t, "udp", at, q), dns.RcodeSuccess)
		if got := u.count(qname, proto); got != 1 {
			t.Errorf("%s: got %d questions over %s at %v, want 1", step, got, proto, u.addr)
		}
	}
	wantAsked("at first", first, "udp")

	replaceFile(t, path, "search example.net\nnameserver "+second.addr.Addr().String()+"\n")
	told(t, p, changed, 1)
	wantAsked("replaced by rename", second, "udp")

	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	told(t, p, lost, 1)
	wantAsked("empty", second, "udp")

	if err := os.Remove(path); err != nil {
		t.Fatalf("%v", err)
	}
	told(t, p, lost, 2)
	wantAsked("gone", second, "udp")

	if err := os.Mkdir(filepath.Join(etc, "run"), 0o755); err != nil {
		t.Fatalf("%v", err)
	}
	replaceFile(t, filepath.Join(etc, "run", "resolv.conf"), "nameserver "+first.addr.Addr().String()+"\n")
	if err := os.Symlink("run/resolv.conf", path); err != nil {
		t.Fatalf("%v", err)
	}
	told(t, p, changed, 2)
	wantAsked("a link", first, "udp")

	replaceFile(t, filepath.Join(etc, "run", "resolv.conf"), "nameserver "+first.addr.Addr().String()+"\noptions use-vc\n")
	told(t, p, changed, 3)
	wantAsked("use-vc behind a link", first, "tcp")
	l.end()
}
