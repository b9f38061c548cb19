//go:build e2e && linux

package e2e

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// A serviceManager has sockets on port 53 of an address, and hears what the program that it passes them to has to say.
type serviceManager struct {
	addr     netip.AddrPort
	udp      *net.UDPConn
	tcp      *net.TCPListener
	heard    *net.UnixConn
	socket   string // the path of heard
	upstream netip.AddrPort
}

func startManager(t *testing.T, upstream netip.AddrPort) *serviceManager {
	t.Helper()
	m := &serviceManager{addr: netip.AddrPortFrom(testbed.Address(t), testbed.DNSPort), upstream: upstream}
	var err error
	if m.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(m.addr)); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { m.udp.Close() })
	if m.tcp, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(m.addr)); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { m.tcp.Close() })
	dir, err := os.MkdirTemp("", "notyet-") // not below one that only its owner may enter
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m.socket = filepath.Join(dir, "notify")
	if m.heard, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.socket, Net: "unixgram"}); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { m.heard.Close() })
	for path, mode := range map[string]os.FileMode{dir: 0o755, m.socket: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatalf("%v", err)
		}
	}
	return m
}

// start starts a notyet as a user without any permission, with the sockets.
func (m *serviceManager) start(t *testing.T, sockets ...interface{ File() (*os.File, error) }) *testbed.Process {
	t.Helper()
	const pass = `LISTEN_FDS=$0 LISTEN_PID=$$ exec "$@"`
	cmd := exec.Command("sh", "-c", pass, strconv.Itoa(len(sockets)), notyetBinary, "serve",
		"--admin", "", "--log-format", "json", "--upstream", m.upstream.String())
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.socket)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	for _, s := range sockets {
		f, err := s.File()
		if err != nil {
			t.Fatalf("%v", err)
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return testbed.StartCommand(t, cmd)
}

// hears waits for the next message and wants each of its lines to begin as told.
func (m *serviceManager) hears(t *testing.T, lines ...string) {
	t.Helper()
	_ = m.heard.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	n, err := m.heard.Read(buf)
	if err != nil {
		t.Fatalf("the service manager heard nothing, want %q: %v", lines, err)
	}
	got := strings.Split(strings.TrimSpace(string(buf[:n])), "\n")
	same := len(got) == len(lines)
	for i := range lines {
		same = same && strings.HasPrefix(got[i], lines[i])
	}
	if !same {
		t.Errorf("the service manager heard %q, want %q", got, lines)
	}
}

// TestServiceWithoutPermissionsAnswersOnPassedSockets has it reload, stop, and be started again.
func TestServiceWithoutPermissionsAnswersOnPassedSockets(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
	m := startManager(t, u.addr)
	// Asked before anybody is there, as the first question is.
	waiting := []*client{dial(t, "udp", m.addr), dial(t, "tcp", m.addr)}
	for round := range 2 {
		q := ask(label(round)+plainZone, dns.TypeA)
		for _, c := range waiting {
			if err := c.send(pack(t, q)); err != nil {
				t.Fatalf("%v", err)
			}
		}
		p := m.start(t, m.udp, m.tcp)
		m.hears(t, "READY=1", "STATUS=Answering on "+m.addr.String())
		for _, c := range waiting {
			b, err := c.receive(patience)
			if err != nil {
				t.Fatalf("start %d: asked over %s before it: %v\n%s", round, c.proto, err, p.Output())
			}
			wantRcode(t, q, parse(t, q, b), dns.RcodeSuccess)
		}
		p.Signal(syscall.SIGHUP)
		m.hears(t, "RELOADING=1", "MONOTONIC_USEC=")
		m.hears(t, "READY=1", "STATUS=Answering on "+m.addr.String())
		p.Signal(syscall.SIGTERM)
		m.hears(t, "STOPPING=1")
		if code := p.Wait(t, patience); code != 0 {
			t.Errorf("got exit code %d, want 0: %s", code, p.Output())
		}
		// Now it is nobody's, and still open.
		waiting = []*client{dial(t, "udp", m.addr), dial(t, "tcp", m.addr)}
	}
}

func TestSocketsThatAreNotEnoughAreTold(t *testing.T) {
	t.Parallel()
	m := startManager(t, nobody(t))
	p := m.start(t, m.udp)
	if code := p.Wait(t, patience); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	if got, want := p.Stderr(), "ListenStream="+m.addr.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) {
		t.Errorf("only UDP is passed: got %q, want a line with %q", got, want)
	}
}
