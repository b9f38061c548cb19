package resolver

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/socket"
	"notyet/upstream"
	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

// newUpstream makes a real upstream, which is closed when the test ends.
func newUpstream(t testing.TB, addr netip.AddrPort, tcp bool) *upstream.Upstream {
	t.Helper()
	group, err := socket.NewGroup(nil)
	if err != nil {
		t.Fatalf("NewGroup: %v", err)
	}
	deadlines := upstream.NewDeadlines()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { group.Run(ctx) })
	running.Go(func() { deadlines.Run(ctx) })
	up := upstream.New(upstream.Config{Addr: addr, TCP: tcp, Group: group, Deadlines: deadlines, Metrics: upstream.NewMetrics()})
	t.Cleanup(func() {
		up.Close()
		cancel()
		running.Wait()
	})
	return up
}

func TestRealUpstreamsAreAsked(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		switch m := q.Message(); {
		case m.Question[0].Name == "www.example.com." && q.TCP:
			q.Answer("60 A 192.0.2.1", "60 A 192.0.2.2")
		case m.Question[0].Name == "www.example.com.":
			q.Truncate()
		default:
			q.Deny()
		}
	})
	for _, tcp := range []bool{false, true} {
		b := newBed(t, newUpstream(t, s.Addr, tcp))
		if got := b.ask("www.example.com. A").text; got != "NOERROR A 192.0.2.1 A 192.0.2.2" {
			t.Errorf("tcp %v: got %s, want two addresses", tcp, got)
		}
		if got := b.ask("missing.example.com. A").text; got != "NXDOMAIN" {
			t.Errorf("tcp %v: got %s, want NXDOMAIN", tcp, got)
		}
		b.idle()
	}
}

func TestRefusedConnectionIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	s.Close()
	for _, tt := range []struct {
		tcp  bool
		want string
	}{
		{false, fmt.Sprintf(`SERVFAIL 23 "notyet: %v: connection refused"`, s.Addr)},
		{true, fmt.Sprintf(`SERVFAIL 23 "notyet: tcp://%v: connect: connection refused"`, s.Addr)},
	} {
		b := newBed(t, newUpstream(t, s.Addr, tt.tcp))
		if got := b.ask("www.example.com. A"); got.text != tt.want || got.took > time.Second {
			t.Errorf("got %s after %v, want %s at once", got.text, got.took, tt.want)
		}
	}
}

// Not parallel: it counts the goroutines of the whole process.
func TestQuestionsUnderWayHoldNoGoroutine(t *testing.T) {
	const questions = 5000
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) // is silent
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	up := newUpstream(t, c.LocalAddr().(*net.UDPAddr).AddrPort(), false)
	b := newBed(t, up)
	var under sync.WaitGroup
	before := runtime.NumGoroutine()
	for i := range questions {
		q, _ := b.question(fmt.Sprintf("n%d.example.com. A", i))
		under.Add(1)
		q.Done = func(*cache.Entry) { under.Done() }
		b.Serve(&q)
	}
	if got := runtime.NumGoroutine() - before; got > 10 || b.queries.Load() != questions {
		t.Errorf("with %d of %d questions under way: got %d goroutines more, want at most 10", b.queries.Load(), questions, got)
	}
	up.Close()
	under.Wait()
	b.idle()
}

// answerRaw answers every question for an address with one, without allocating.
func answerRaw(t testing.TB) netip.AddrPort {
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
	behind := wire.AppendOPT([]byte{0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1}, 0, false, nil)
	go func() {
		defer close(ended)
		b := make([]byte, 512)
		for {
			n, client, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			end := wire.HeaderLen + bytes.IndexByte(b[wire.HeaderLen:n], 0) + 5 // of the question
			n = end + copy(b[end:], behind)
			b[2] |= 0x80 // QR
			b[7] = 1     // ANCOUNT
			_, _ = c.WriteToUDPAddrPort(b[:n], client)
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// miss asks one question after another that the cache doesn't have.
type miss struct {
	bed      *bed
	query    Query
	name     [wire.MaxName]byte
	number   uint32
	answered chan *cache.Entry
}

// newMiss has so many upstreams, all of which answer at once.
func newMiss(t testing.TB, n int) *miss {
	var upstreams []Upstream
	for range n {
		upstreams = append(upstreams, newUpstream(t, answerRaw(t), false))
	}
	m := &miss{bed: newBed(t, upstreams...), answered: make(chan *cache.Entry, 1)}
	m.query.Done = func(e *cache.Entry) { m.answered <- e }
	m.query.RD = true
	return m
}

func (m *miss) ask() *cache.Entry {
	m.number++
	number := binary.BigEndian.AppendUint32(m.name[:0], m.number)
	qname := hex.AppendEncode(append(number, 2*byte(len(number))), number)[len(number):]
	qname = append(qname, "\x07example\x03com\x00"...)
	m.query.Key = m.bed.cache.Key(qname[len(qname):], qname, dns.TypeA, false, false)
	m.bed.Serve(&m.query)
	return <-m.answered
}

func TestMissAllocatesLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, upstreams := range []int{1, 2} {
		m := newMiss(t, upstreams)
		if e := m.ask(); e.Kind() != wire.Positive {
			t.Fatalf("got %v, want an answer", e.Kind())
		}
		for range 3000 { // the sockets are opened, and the maps have grown
			m.ask()
		}
		// The entry and its bytes, and its element in the list of the cache. The sockets, which are
		// replaced every thousand queries, and the growth of maps come to less than one.
		const allowed = 4
		if got := testing.AllocsPerRun(5000, func() { m.ask() }); got > allowed {
			t.Errorf("%d upstreams: got %v allocations per miss, want at most %d", upstreams, got, allowed)
		} else {
			t.Logf("%d upstreams: %v allocations per miss", upstreams, got)
		}
	}
}

func BenchmarkMiss(b *testing.B) {
	for _, upstreams := range []int{1, 2} {
		b.Run(fmt.Sprintf("upstreams=%d", upstreams), func(b *testing.B) {
			m := newMiss(b, upstreams)
			b.ReportAllocs()
			for b.Loop() {
				if e := m.ask(); e.Kind() != wire.Positive {
					b.Fatalf("got %v, want an answer", e.Kind())
				}
			}
		})
	}
}
