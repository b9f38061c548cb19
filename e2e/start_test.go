//go:build e2e && linux

package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

func TestTwoProcessesShareAPort(t *testing.T) {
	t.Parallel()
	b := shared()
	at := nobody(t)
	var both []*testbed.Notyet
	for range 2 {
		both = append(both, testbed.StartNotyet(t, testbed.NotyetConfig{
			Binary:    notyetBinary,
			Listen:    []netip.AddrPort{at},
			Upstreams: []netip.AddrPort{b.unbound.Addr},
			Extra:     "reuse_port: true",
		}))
	}
	q := ask("www."+plainZone, dns.TypeA)
	want := direct(t, b.knot.Addr, q)
	for _, proto := range []string{"udp", "tcp"} {
		before := []float64{queries(t, both[0], proto), queries(t, both[1], proto)}
		for range 200 { // The kernel chooses by the client's port.
			sameAnswer(t, q, over(t, proto, at, q), want)
		}
		for i, n := range both {
			if got := queries(t, n, proto) - before[i]; got < 20 {
				t.Errorf("process %d: got %v of 200 queries over %s, want about half", i, got, proto)
			}
		}
	}
}

// TestUpgradeLosesNoQuery stops the older of two processes while it has a query under way, which keeps
// it from ending, for 5 s: meanwhile all that comes in is the other one's.
func TestUpgradeLosesNoQuery(t *testing.T) {
	t.Parallel()
	timely(t, func() error { return upgrade(t) })
}

// upgrade returns an error when there was no time.
func upgrade(t *testing.T) error {
	slow := "slow." + plainZone
	release := make(chan struct{})
	u := startUpstream(t, func(in *incoming) {
		if in.Question[0].Name == slow+"." {
			select {
			case <-release:
			case <-in.done:
			}
		}
		in.reply(in.address(rightAddress))
	})
	at := nobody(t)
	start := func() *testbed.Notyet {
		return testbed.StartNotyet(t, testbed.NotyetConfig{
			Binary:    notyetBinary,
			Listen:    []netip.AddrPort{at},
			Upstreams: []netip.AddrPort{u.addr},
			Extra:     "reuse_port: true",
		})
	}
	older := start()
	waiting := ask(slow, dns.TypeA)
	c := dial(t, "udp", at)
	if err := c.send(pack(t, waiting)); err != nil {
		t.Fatalf("%v", err)
	}
	testbed.Until(t, patience, "the upstream to be asked", func() bool { return u.count(slow) > 0 })
	start()
	before := listeners(t, at)
	older.Signal(syscall.SIGTERM)
	testbed.Until(t, patience, "the older process to close its listener", func() bool { return listeners(t, at) < before })
	const asked = 100
	lost := map[string]int{}
	q := ask("www."+plainZone, dns.TypeA)
	for _, proto := range []string{"udp", "tcp"} {
		var clients []*client
		for range asked { // The kernel chooses by the client's port.
			c := dial(t, proto, at)
			_ = c.send(pack(t, q)) // What is not sent gets no answer.
			clients = append(clients, c)
		}
		limit := time.Now().Add(patience)
		for _, c := range clients {
			if _, err := c.receive(max(time.Until(limit), 10*time.Millisecond)); err != nil {
				lost[proto]++
			}
		}
	}
	if lost["udp"]+lost["tcp"] > 0 {
		t.Errorf("while the older process waits for its upstream: lost %d of %d queries over udp and %d over tcp, want none",
			lost["udp"], asked, lost["tcp"])
	}
	if !older.Running() {
		return errors.New("the older process ended before all had their answers")
	}
	close(release)
	b, err := c.receive(patience)
	if err != nil {
		t.Fatalf("%s, under way at the older process: no answer: %v", describe(waiting), err)
	}
	wantRcode(t, waiting, parse(t, waiting, b), dns.RcodeSuccess)
	if code := older.Wait(t, patience); code != 0 {
		t.Errorf("the older process: got exit code %d, want 0", code)
	}
	return nil
}

// listeners tells how many sockets listen for TCP connections at an IPv4 address. The kernel gives its list in pieces, between
// which sockets come and go: one can be passed over, so that the most of several times is right.
func listeners(t testing.TB, at netip.AddrPort) (most int) {
	t.Helper()
	a := at.Addr().As4()
	const listen = "0A" // the state
	local := fmt.Sprintf(" %08X:%04X 00000000:0000 %s ", binary.NativeEndian.Uint32(a[:]), at.Port(), listen)
	for range 5 {
		b, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatalf("%v", err)
		}
		most = max(most, bytes.Count(b, []byte(local)))
	}
	return most
}

func queries(t testing.TB, n *testbed.Notyet, proto string) float64 {
	t.Helper()
	return n.Metric(t, "notyet_queries_total", `proto="`+proto+`"`)
}

// TestFaultAtTheStartIsOneLineThatHelps wants the place of the fault and a remedy in the line.
func TestFaultAtTheStartIsOneLineThatHelps(t *testing.T) {
	t.Parallel()
	b := shared()
	upstream := b.unbound.Addr.String()
	taken := front(t, "", b.unbound.Addr)
	shares := front(t, "reuse_port: true", b.unbound.Addr)
	free := nobody(t)
	for _, test := range []struct {
		name  string
		args  []string
		words []string // all of them
		oneOf []string // the remedy
		code  int
	}{
		{
			"port in use", []string{"--listen", taken.Addr.String(), "--upstream", upstream},
			[]string{taken.Addr.String(), "in use"}, []string{"reuse_port", "reuse-port"}, 1,
		},
		{
			"port in use, but would share", []string{"--listen", taken.Addr.String(), "--upstream", upstream, "--reuse-port"},
			[]string{taken.Addr.String(), "in use"}, []string{"reuse_port", "reuse-port", "stop"}, 1,
		},
		{
			"port in use by one that shares", []string{"--listen", shares.Addr.String(), "--upstream", upstream},
			[]string{shares.Addr.String(), "in use"}, []string{"reuse_port", "reuse-port"}, 1,
		},
		{
			"admin port in use", []string{"--listen", free.String(), "--upstream", upstream, "--admin", taken.Admin.String()},
			[]string{taken.Admin.String(), "in use"}, []string{"admin"}, 1,
		},
		{
			"address of another machine", []string{"--listen", "192.0.2.1:5300", "--upstream", upstream},
			[]string{"192.0.2.1:5300"}, []string{"listen"}, 1,
		},
		{
			"own address as the upstream", []string{"--listen", free.String(), "--upstream", free.String()},
			[]string{free.String()}, []string{"upstream"}, 1,
		},
		{
			"no such file", []string{"--config", "/no/such/file.yaml"},
			[]string{"/no/such/file.yaml"}, []string{"no such file"}, 1,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"serve"}, test.args...)
			if !strings.Contains(strings.Join(args, " "), "--admin") {
				args = append(args, "--admin", nobody(t).String())
			}
			wantFaultAtTheStart(t, exec.Command(notyetBinary, args...), test.code, test.words, test.oneOf)
		})
	}
	t.Run("no permission", func(t *testing.T) {
		t.Parallel()
		at := netip.AddrPortFrom(testbed.Address(t), 53)
		cmd := exec.Command(notyetBinary, "serve", "--listen", at.String(), "--upstream", upstream, "--admin", nobody(t).String())
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		if firstUnprivilegedPort(t) <= 53 {
			// Here everybody may have port 53, so it has to work.
			p := testbed.StartCommand(t, cmd)
			q := ask("version.bind.", dns.TypeTXT)
			q.Question[0].Qclass = dns.ClassCHAOS
			testbed.Until(t, patience, "port 53 to answer", func() bool {
				_, _, err := (&dns.Client{Timeout: time.Second}).Exchange(q, at.String())
				return err == nil || !p.Running()
			})
			if !p.Running() {
				t.Errorf("listen on %v: got %s, want it to serve", at, p.Stderr())
			}
			return
		}
		wantFaultAtTheStart(t, cmd, 1, []string{at.String(), "permi"}, []string{"CAP_NET_BIND_SERVICE", "cap_net_bind_service", "root", "1024"})
	})
	t.Run("wrong usage", func(t *testing.T) {
		t.Parallel()
		for _, args := range [][]string{{"serve", "--no-such-flag"}, {"no-such-command"}, {"serve", "argument"}} {
			p := testbed.StartCommand(t, exec.Command(notyetBinary, args...))
			if code := p.Wait(t, patience); code != 2 {
				t.Errorf("notyet %v: got exit code %d, want 2: %s", args, code, p.Output())
			}
		}
	})
}

// firstUnprivilegedPort is where the ports that anybody may bind begin.
func firstUnprivilegedPort(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatalf("%v", err)
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return n
}

func wantFaultAtTheStart(t *testing.T, cmd *exec.Cmd, code int, words, oneOf []string) {
	t.Helper()
	p := testbed.StartCommand(t, cmd)
	got := p.Wait(t, patience)
	line := strings.TrimSpace(p.Stderr())
	if got != code {
		t.Errorf("notyet %v: got exit code %d, want %d: %s", cmd.Args[1:], got, code, p.Output())
	}
	if strings.Count(line, "\n") != 0 {
		t.Errorf("notyet %v: got more than one line:\n%s", cmd.Args[1:], line)
	}
	for _, w := range words {
		if !strings.Contains(line, w) {
			t.Errorf("notyet %v: got %q, want %q in it", cmd.Args[1:], line, w)
		}
	}
	helps := false
	for _, w := range oneOf {
		helps = helps || strings.Contains(line, w)
	}
	if !helps {
		t.Errorf("notyet %v: got %q, want a remedy with one of %q", cmd.Args[1:], line, oneOf)
	}
}

// TestFlagsOverrideTheFile starts with a file of which nothing may be used.
func TestFlagsOverrideTheFile(t *testing.T) {
	t.Parallel()
	b := shared()
	at, admin := nobody(t), nobody(t)
	n := testbed.LaunchNotyet(t, testbed.NotyetConfig{
		Binary:    notyetBinary,
		Upstreams: []netip.AddrPort{nobody(t)},
		Args:      []string{"--listen", at.String(), "--upstream", b.unbound.Addr.String(), "--admin", admin.String()},
	})
	n.Admin = admin
	testbed.Until(t, patience, "the admin address of the flag", func() bool { code, _ := n.Get("/healthz"); return code == 200 })
	q := ask("www."+plainZone, dns.TypeA)
	sameAnswer(t, q, over(t, "udp", at, q), direct(t, b.knot.Addr, q))
}
