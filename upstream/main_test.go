package upstream

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"notyet/socket"
	"notyet/wire"
)

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// soon is a deadline for what is to time out, and at once how long may go by for what must not wait for one.
const (
	soon   = 100 * time.Millisecond
	atOnce = time.Second
)

// nowhere is an address that nobody dials.
var nowhere = netip.MustParseAddrPort("192.0.2.53:53")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// under is what upstreams work with.
type under struct {
	group     *socket.Group
	deadlines *Deadlines
}

// newUnder runs until the test ends.
func newUnder(t testing.TB) under {
	t.Helper()
	g, err := socket.NewGroup(nil)
	if err != nil {
		t.Fatalf("NewGroup: %v", err)
	}
	u := under{group: g, deadlines: NewDeadlines()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		wheel := make(chan struct{})
		go func() {
			defer close(wheel)
			u.deadlines.Run(ctx)
		}()
		g.Run(ctx)
		<-wheel
	}()
	t.Cleanup(func() {
		cancel()
		wait(t, ended, "the end of Run")
	})
	return u
}

// upstream is closed when the test ends.
func (u under) upstream(t testing.TB, addr netip.AddrPort, tcp bool) *Upstream {
	t.Helper()
	up := New(Config{Addr: addr, TCP: tcp, Group: u.group, Deadlines: u.deadlines, Metrics: NewMetrics()})
	t.Cleanup(up.Close)
	return up
}

// upstreamOfPorts is one that is asked from a port of its own each time, with queries as they are given, and that counts nothing.
func (u under) upstreamOfPorts(t testing.TB, addr netip.AddrPort) *Upstream {
	t.Helper()
	up := New(Config{Addr: addr, SocketQueries: 1, AsGiven: true, Group: u.group, Deadlines: u.deadlines})
	t.Cleanup(up.Close)
	return up
}

// logged is an upstream with what it tells.
func (u under) logged(t testing.TB, addr netip.AddrPort, tcp bool) (*Upstream, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	up := New(Config{
		Addr: addr, TCP: tcp, Group: u.group, Deadlines: u.deadlines, Metrics: NewMetrics(), Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	t.Cleanup(up.Close)
	return up, log
}

// logBuffer is what has been logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// told checks that each of the words has been logged once, in a line of its own, and nothing else.
func (l *logBuffer) told(t testing.TB, words ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.b.String()
	right := strings.Count(text, "\n") == len(words)
	for _, w := range words {
		right = right && strings.Count(text, w) == 1
	}
	if !right {
		t.Errorf("got the log %q, want one line for each of %q", text, words)
	}
}

func newUpstream(t testing.TB, addr netip.AddrPort) *Upstream {
	return newUnder(t).upstream(t, addr, false)
}

func newUpstreamTCP(t testing.TB, addr netip.AddrPort) *Upstream {
	return newUnder(t).upstream(t, addr, true)
}

// question makes an exchange. The caller sets Done.
func question(t testing.TB, qname string, qtype uint16, timeout time.Duration) *Exchange {
	t.Helper()
	name, err := wire.Name(qname)
	if err != nil {
		t.Fatalf("qname %q: %v", qname, err)
	}
	return &Exchange{
		Query: wire.AppendQuery(nil, name, qtype, wire.RD, false), Name: name, Type: qtype,
		Deadline: time.Now().Add(timeout),
	}
}

// result is what Done got.
type result struct {
	reply []byte
	err   error
	took  time.Duration
}

// start asks for the address of qname. What Done gets comes out of the channel, every time.
func start(t testing.TB, u *Upstream, qname string, timeout time.Duration) <-chan result {
	t.Helper()
	x := question(t, qname, dns.TypeA, timeout)
	done := make(chan result, 8)
	began := time.Now()
	x.Done = func(reply []byte, err error) { done <- result{bytes.Clone(reply), err, time.Since(began)} }
	u.Ask(x)
	return done
}

func (r result) records() string {
	if r.err != nil {
		return r.err.Error()
	}
	m := new(dns.Msg)
	if err := m.Unpack(r.reply); err != nil {
		return err.Error()
	}
	var all []string
	for _, rr := range m.Answer {
		all = append(all, strings.Join(strings.Fields(rr.String())[3:], " "))
	}
	return strings.Join(all, ", ")
}

func ask(t testing.TB, u *Upstream, qname string, timeout time.Duration) result {
	t.Helper()
	return finished(t, start(t, u, qname, timeout))
}

func finished(t testing.TB, done <-chan result) result {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(patience):
		t.Fatalf("the exchange was not done within %v", patience)
		return result{}
	}
}

func wait(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
}

func counted(t testing.TB, what string, c prometheus.Collector, want float64) {
	t.Helper()
	if got := testutil.ToFloat64(c); got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func setID(m []byte, id uint16) []byte {
	m = bytes.Clone(m)
	binary.BigEndian.PutUint16(m, id)
	return m
}
