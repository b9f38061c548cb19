package upstream

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no /proc here: %v", err)
	}
	return len(entries)
}

// Not parallel: it counts what the whole process has.
func TestCloseLeavesNoSocketAndNoGoroutine(t *testing.T) {
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		switch {
		case q.TCP, q.Wire[1]&3 == 0:
			q.Deny()
		case q.Wire[1]&3 == 1:
			q.Truncate()
		}
	})
	under := newUnder(t)
	use := func() {
		u := New(Config{Addr: s.Addr, Group: under.group, Deadlines: under.deadlines, Metrics: NewMetrics()})
		var all []<-chan result
		for range 500 {
			all = append(all, start(t, u, "www.example.com.", soon))
		}
		for _, done := range all[:250] {
			finished(t, done)
		}
		if got := testutil.ToFloat64(u.meter.sockets); got < poolSize/2 {
			t.Errorf("busy: got %v open sockets in the metric, want about %d", got, poolSize)
		}
		u.Close()
		for _, done := range all[250:] {
			finished(t, done)
		}
		if got := testutil.ToFloat64(u.meter.sockets); got != 0 {
			t.Errorf("after Close: got %v open sockets in the metric, want 0", got)
		}
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would close what was forgotten
	use()                                            // the runtime opens some of its own
	settle(t)
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	use()
	// The server learns by itself that its connections have ended.
	if got := comesTo(files, func() int { return openFiles(t) }); got > files {
		t.Errorf("got %d descriptors afterwards, want %d", got, files)
	}
	if got := comesTo(goroutines, runtime.NumGoroutine); got > goroutines {
		t.Errorf("got %d goroutines afterwards, want %d", got, goroutines)
	}
}

// settle waits until the server's connections have ended.
func settle(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	files, stable := -1, 0
	for stable < 20 && time.Now().Before(deadline) {
		now := openFiles(t)
		if now == files {
			stable++
		} else {
			files, stable = now, 0
		}
		<-time.After(time.Millisecond)
	}
}

// comesTo waits until a number is no more than want, and returns it, be it so or not.
func comesTo(want int, number func() int) int {
	for deadline := time.Now().Add(patience); number() > want && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	return number()
}

func TestABusyUpstreamHasABoundedNumberOfSockets(t *testing.T) {
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { q.Deny() })
	u := newUpstream(t, s.Addr)
	before := openFiles(t)
	for range 3 * maxSocketQueries {
		ask(t, u, "www.example.com.", patience)
	}
	if got := openFiles(t) - before; got > poolSize {
		t.Errorf("got %d sockets after %d queries one by one, want at most %d", got, 3*maxSocketQueries, poolSize)
	}
}

// answerRaw answers every query with the query itself, which change may change, without allocating.
func answerRaw(t *testing.T, change func(b []byte, n int) int) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		c.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		b := make([]byte, 512)
		for {
			n, client, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			b[2] |= 0x80 // QR
			_, _ = c.WriteToUDPAddrPort(b[:change(b, n)], client)
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func asItIs(_ []byte, n int) int { return n }

// withCookie puts a server cookie behind the client cookie of a query.
func withCookie(b []byte, n int) int {
	question := wire.HeaderLen + bytes.IndexByte(b[wire.HeaderLen:n], 0) + 5
	opt := b[question:]
	binary.BigEndian.PutUint16(opt[wire.OPTLen-2:], 4+clientCookieLen+minServerCookie)
	binary.BigEndian.PutUint16(opt[wire.OPTLen+2:], clientCookieLen+minServerCookie)
	return question + wire.OPTLen + 4 + clientCookieLen + copy(opt[wire.OPTLen+4+clientCookieLen:], "8 octets")
}

func TestExchangeDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	tests := []struct {
		name   string
		change func([]byte, int) int
		form   form // in which is asked
	}{
		{"without cookies", asItIs, extended},
		{"with cookies", withCookie, cookied},
	}
	for _, tt := range tests {
		u := newUpstream(t, answerRaw(t, tt.change))
		x := question(t, "www.example.com.", dns.TypeA, time.Hour)
		done := make(chan error, 1)
		x.Done = func(_ []byte, err error) { done <- err }
		ask := func() {
			u.Ask(x)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		// The sockets, one allocation each now and then, are open and have their buffers from here on.
		for i := range u.pool {
			if _, err := u.pool[i].current(u, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 * poolSize {
			ask()
		}
		if got := testing.AllocsPerRun(2000, ask); got != 0 {
			t.Errorf("%s: got %v allocations per exchange, want 0", tt.name, got)
		}
		if x.form != tt.form {
			t.Errorf("%s: got form %d, want %d", tt.name, x.form, tt.form)
		}
	}
}

// answerRawTCP is answerRaw for one connection.
func answerRawTCP(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 512)
		for {
			n, err := c.Read(b) // one query at a time is asked
			if err != nil {
				return
			}
			b[4] |= 0x80 // QR, behind the length
			_, _ = c.Write(b[:n])
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestExchangeOverAKeptConnectionDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	u := newUpstreamTCP(t, answerRawTCP(t))
	x := question(t, "www.example.com.", dns.TypeA, time.Hour)
	done := make(chan error, 1)
	x.Done = func(_ []byte, err error) { done <- err }
	got := testing.AllocsPerRun(2000, func() {
		u.Ask(x)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations per exchange, want 0", got)
	}
}
