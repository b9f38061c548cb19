package server

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/socket"
)

// sent is what the limiter makes of n packets of a client that come at once: "5 within, 3 truncate, 2 drop".
func (l *limiter) sent(client string, n int, now time.Time) string {
	var got [3]int
	for range n {
		got[l.take(netip.MustParseAddr(client), now)]++
	}
	return strconv.Itoa(got[within]) + " within, " + strconv.Itoa(got[truncate]) + " truncate, " + strconv.Itoa(got[drop]) + " drop"
}

func TestLimitIsARateWithABurstOfASecond(t *testing.T) {
	t.Parallel()
	start := time.Now()
	l := newLimiter(10, start)
	for _, tt := range []struct {
		after  time.Duration
		client string
		n      int
		want   string
	}{
		{0, "192.0.2.1", 15, "10 within, 3 truncate, 2 drop"},
		{0, "192.0.2.255", 3, "0 within, 1 truncate, 2 drop"}, // the same /24
		{0, "192.0.3.1", 10, "10 within, 0 truncate, 0 drop"},
		{0, "2001:db8:0:100::1", 12, "10 within, 1 truncate, 1 drop"},
		{0, "2001:db8:0:1ff:ffff::1", 1, "0 within, 1 truncate, 0 drop"}, // the same /56
		{0, "2001:db8:0:200::1", 10, "10 within, 0 truncate, 0 drop"},
		{0, "::ffff:192.0.2.7", 1, "0 within, 1 truncate, 0 drop"}, // IPv4 as some sockets give it
		{99 * time.Millisecond, "192.0.2.1", 1, "0 within, 0 truncate, 1 drop"},
		{100 * time.Millisecond, "192.0.2.1", 3, "1 within, 1 truncate, 1 drop"},
		{550 * time.Millisecond, "192.0.2.1", 5, "4 within, 1 truncate, 0 drop"},
		{time.Hour, "192.0.2.1", 11, "10 within, 0 truncate, 1 drop"}, // no more, however long it was silent
		{time.Hour, "127.0.0.1", 1000, "1000 within, 0 truncate, 0 drop"},
		{time.Hour, "127.255.0.1", 1000, "1000 within, 0 truncate, 0 drop"},
		{time.Hour, "::1", 1000, "1000 within, 0 truncate, 0 drop"},
	} {
		if got := l.sent(tt.client, tt.n, start.Add(tt.after)); got != tt.want {
			t.Errorf("%d packets from %s after %v: got %s, want %s", tt.n, tt.client, tt.after, got, tt.want)
		}
	}
}

// TestLimitOverTenSeconds has clients that send twice as much as they may.
func TestLimitOverTenSeconds(t *testing.T) {
	t.Parallel()
	client := netip.MustParseAddr("192.0.2.1")
	for _, rate := range []int{1, 3, 7, 1000, 30_000} {
		start := time.Now()
		l := newLimiter(rate, start)
		answered := 0
		for n := range 20 * rate {
			if l.take(client, start.Add(10*time.Second*time.Duration(n)/time.Duration(20*rate))) == within {
				answered++
			}
		}
		// A burst of a second, and ten seconds at the rate.
		if want := 11 * rate; answered > want+want/1000 || answered < want-want/1000-1 {
			t.Errorf("%d a second: got %d of %d within the limit in 10 s, want %d", rate, answered, 20*rate, want)
		}
	}
}

func TestManyPrefixesLeaveTheLimitsOfThoseThatSend(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimiter(10, now)
	l.sent("192.0.2.1", 1000, now)
	var address [16]byte
	address[0] = 0x20
	for n := range uint32(1_000_000) {
		binary.BigEndian.PutUint32(address[3:], n)
		if got := l.take(netip.AddrFrom16(address), now); got != within {
			t.Fatalf("the first packet of prefix %d: got verdict %d, want it within the limit", n, got)
		}
	}
	if got, want := l.sent("192.0.2.1", 2, now), "0 within, 1 truncate, 1 drop"; got != want {
		t.Errorf("after 1,000,000 others: got %s, want %s", got, want)
	}
}

func TestPrefixesAreAllToldApart(t *testing.T) {
	t.Parallel()
	seen := make(map[uint64]string)
	for _, client := range []string{
		"0.0.0.0", "0.0.1.0", "192.0.2.0", "192.0.3.0", "255.255.255.0",
		"::", "0:0:0:100::", "2001:db8::", "2001:db8:0:100::", "ffff:ffff:ffff:ff00::", "0:0:c000:200::",
	} {
		prefix := prefixOf(netip.MustParseAddr(client))
		if other, ok := seen[prefix]; ok || prefix == 0 {
			t.Errorf("%s: got prefix %#x, want one of its own, and not that of %q", client, prefix, other)
		}
		seen[prefix] = client
	}
}

// receivedAll are the replies to packets that came one after the other, nil for none.
func (r *reader) receivedAll(t *testing.T, packets ...[]byte) (replies []*dns.Msg) {
	t.Helper()
	now := time.Now()
	for _, b := range packets {
		p := socket.Packet{Peer: memoryPeer, In: b, Out: make([]byte, 0, socket.MaxQuery)}
		r.packet(&p, now)
		if len(p.Out) == 0 {
			replies = append(replies, nil)
			continue
		}
		m := new(dns.Msg)
		if err := m.Unpack(p.Out); err != nil {
			t.Fatalf("got %x, which is no message: %v", p.Out, err)
		}
		replies = append(replies, m)
	}
	r.tally.add(&r.counts, 0)
	return replies
}

func TestWhatIsOverTheLimitIsTruncatedOrDropped(t *testing.T) {
	t.Parallel()
	r := newHitReader(t, query("wWw.example.com. A"))
	r.server.SetRateLimit(1)
	www := query("wWw.example.com. A")
	response := query("www.example.com. A", func(q *dns.Msg) { q.Response = true })
	withEDNS := query("www.example.com. A", edns(1232), do)
	zone := query("example.com. AXFR")
	notify := query("example.com. SOA", opcode(dns.OpcodeNotify))
	for i, tt := range []struct {
		name   string
		packet []byte
		want   string // empty: no reply
	}{
		{"within", pack(t, www), "NOERROR qr rd ra | wWw.example.com. IN A | wWw.example.com. IN A 192.0.2.1"},
		{"first over it", pack(t, www), "NOERROR qr tc rd ra | wWw.example.com. IN A"},
		{"second", pack(t, www), ""},
		{"third, with EDNS", pack(t, withEDNS), "NOERROR qr tc rd ra | www.example.com. IN A | OPT 1232 do"},
		{"a response is not counted", pack(t, response), ""},
		{"nor is half a header", []byte("short"), ""},
		{"fourth", pack(t, www), ""},
		{"fifth, a zone transfer", pack(t, zone), "NOERROR qr tc rd ra | example.com. IN AXFR"},
		{"sixth", pack(t, www), ""},
		{"seventh, malformed", append(pack(t, www), 0), ""},
		{"eighth", pack(t, www), ""},
		{"ninth, a NOTIFY", pack(t, notify), ""},
	} {
		m := r.receivedAll(t, tt.packet)[0]
		if got := strings.TrimSuffix(renderReply(m), " "); got != tt.want {
			t.Errorf("packet %d, %s: got %q, want %q", i, tt.name, got, tt.want)
		}
	}
	if got := r.tally.limited.Load(); got != 9 {
		t.Errorf("got %d packets counted as limited, want 9", got)
	}
	if got := r.tally.rcodes[dns.RcodeSuccess].Load(); got != 4 {
		t.Errorf("got %d replies counted, want 4", got)
	}
}

// renderReply renders a reply, or none as nothing.
func renderReply(m *dns.Msg) string {
	if m == nil {
		return ""
	}
	return render(m)
}

func TestLimitChangesWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	www := query("www.example.com. A")
	r := newHitReader(t, www)
	b := pack(t, www)
	answered := func(n int) (whole int) {
		t.Helper()
		for range n {
			if m := r.receivedAll(t, b)[0]; m != nil && !m.Truncated {
				whole++
			}
		}
		return whole
	}
	if got := answered(1000); got != 1000 {
		t.Errorf("no limit: got %d of 1,000 answered", got)
	}
	r.server.SetRateLimit(1)
	if got := answered(10); got != 1 {
		t.Errorf("limit 1: got %d of 10 answered", got)
	}
	r.server.SetRateLimit(1)
	if got := answered(10); got != 0 {
		t.Errorf("the same limit again: got %d of 10 answered, want none: nothing has changed", got)
	}
	r.server.SetRateLimit(0)
	if got := answered(1000); got != 1000 {
		t.Errorf("no limit again: got %d of 1,000 answered", got)
	}
}

// TestTCPHasNoLimit has the same client over both.
func TestTCPHasNoLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startInMemory(t, func(c *Config, _ *upstream) { c.RateLimit = 1 })
		www := query("www.example.com. A")
		over := m.listener.connect(t)
		for i := range 10 {
			m.packets.in <- pack(t, www)
			if got := render(over.ask(t, www)); strings.Contains(got, " tc") {
				t.Fatalf("query %d over TCP: got %s, want the answer", i, got)
			}
		}
		synctest.Wait()
		if got := len(m.packets.out); got != 1+5 { // the first one, and every second of nine
			t.Errorf("got %d of 10 replies over UDP, want 6", got)
		}
		if got := m.metrics(t)["notyet_queries_limited_total"]; got != 9 {
			t.Errorf("got %v queries counted as limited, want 9", got)
		}
	})
}

// TestLimitDoesNotAllocate can't be parallel: what is counted is the whole program's.
func TestLimitDoesNotAllocate(t *testing.T) {
	q := query("www.example.com. A", edns(1232))
	r, packets := newHitReader(t, q), batch(t, q)
	for _, rate := range []int{1, 1_000_000} { // nearly all are over it, or none is
		r.server.SetRateLimit(rate)
		if got := testing.AllocsPerRun(100, func() {
			for i := range packets {
				packets[i].Out = packets[i].Out[:0]
			}
			r.handle(packets)
		}); got != 0 {
			t.Errorf("%d a second: got %v allocations for %d packets, want 0", rate, got, len(packets))
		}
	}
}

// BenchmarkLimit measures a packet of a full batch that the limit lets through, and one that it doesn't.
func BenchmarkLimit(b *testing.B) {
	q := query("www.example.com. A")
	for name, rate := range map[string]int{"off": 0, "within": 1_000_000_000, "over": 1} {
		b.Run(name, func(b *testing.B) {
			r, packets := newHitReader(b, q), batch(b, q)
			r.server.SetRateLimit(rate)
			for b.Loop() {
				for i := range packets {
					packets[i].Out = packets[i].Out[:0]
				}
				r.handle(packets)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/packet")
		})
	}
}
