package server

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/resolver"
	"notyet/socket"
	"notyet/wire"
)

// batch is a full batch of packets with the same query.
func batch(t testing.TB, q *dns.Msg) []socket.Packet {
	b := pack(t, q)
	packets := make([]socket.Packet, socket.BatchSize)
	for i := range packets {
		packets[i] = socket.Packet{Peer: memoryPeer, In: b, Out: make([]byte, 0, socket.MaxQuery)}
	}
	return packets
}

// newTestReader is a reader without a socket.
func newTestReader(t testing.TB, u *upstream) *reader {
	t.Helper()
	config := (&fixture{upstream: u}).config(nil)
	config.Listen = nil
	s, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return newReader(s, newMemoryPackets(), new(tally))
}

// newHitReader is a reader whose cache has the answer to q. A denial has been there so often that it is kept for long.
func newHitReader(t testing.TB, q *dns.Msg) *reader {
	t.Helper()
	return newHitReaderOf(t, q, nil)
}

// newHitReaderOf is a reader whose cache has it for a name under watch, unless watched is nil.
func newHitReaderOf(t testing.TB, q *dns.Msg, watched *cache.Watched) *reader {
	t.Helper()
	now := time.Now()
	began := now.Add(-time.Hour)
	u := &upstream{cache: newCacheAt(began), watched: watched}
	r := newTestReader(t, u)
	r.server.config.Resolve = func(q *resolver.Query) {
		for at := began; at.Before(now); at = at.Add(time.Minute) {
			u.answerAt(q.Key, at)
		}
		q.Done(u.answerAt(q.Key, now))
	}
	r.handle(batch(t, q)[:1])
	r.server.config.Resolve = func(q *resolver.Query) { panic("asked upstream for " + question(q)) }
	return r
}

// hits are what the cache answers by itself, for names under watch too: it has them as package watch puts them there.
var hits = []struct {
	name    string
	query   *dns.Msg
	rcode   int
	watched *cache.Watched // nil: the name is not under watch
}{
	{"positive", query("www.example.com. A"), dns.RcodeSuccess, nil},
	{"positive with EDNS and DO", query("WWW.example.com. A", edns(1232), do), dns.RcodeSuccess, nil},
	{"behind a CNAME", query("alias.example.com. CNAME"), dns.RcodeSuccess, nil},
	{"truncated", query("big.example.com. TXT"), dns.RcodeSuccess, nil},
	{"nxdomain", query("missing.example.com. A"), dns.RcodeNameError, nil},
	{"nxdomain with EDNS", query("missing.example.com. A", edns(1232)), dns.RcodeNameError, nil},
	{"nodata", query("www.example.com. MX"), dns.RcodeSuccess, nil},
	{"watched", query("www.example.com. A"), dns.RcodeSuccess, &cache.Watched{MaxTTL: 10 * time.Minute, NoStale: true}},
	{"watched nxdomain", query("missing.example.com. A", edns(1232)), dns.RcodeNameError, missing()},
}

// missing is how the denial of a pending name is kept, with the most that a watch's negative_ttl may be: it has to last.
func missing() *cache.Watched {
	explain := func(time.Duration) []byte {
		return wire.AppendEDE(nil, dns.ExtendedErrorCodeOther, "notyet: NXDOMAIN; ns1.example.com not yet")
	}
	return &cache.Watched{NXDOMAIN: time.Hour, NODATA: time.Hour, Asked: new(cache.Asked), EDE: explain}
}

// TestHitDoesNotAllocate can't be parallel: what is counted is the whole program's.
func TestHitDoesNotAllocate(t *testing.T) {
	for _, tt := range hits {
		t.Run(tt.name, func(t *testing.T) {
			r, packets := newHitReaderOf(t, tt.query, tt.watched), batch(t, tt.query)
			got := testing.AllocsPerRun(100, func() {
				for i := range packets {
					packets[i].Out = packets[i].Out[:0]
				}
				r.handle(packets)
			})
			if got != 0 {
				t.Errorf("got %v allocations for %d packets, want 0", got, len(packets))
			}
			for i, p := range packets {
				var m dns.Msg
				if err := m.Unpack(p.Out); err != nil || m.Id != tt.query.Id || m.Rcode != tt.rcode {
					t.Fatalf("packet %d: got %s, %v, want a reply with rcode %d", i, render(&m), err, tt.rcode)
				}
			}
			if got, want := r.tally.queries.Load(), uint64(1+101*len(packets)); got != want {
				t.Errorf("got %d queries counted, want %d", got, want)
			}
		})
	}
}

// BenchmarkHit measures a packet of a full batch, from its bytes to those of the reply, without system calls.
func BenchmarkHit(b *testing.B) {
	for _, tt := range hits {
		b.Run(tt.name, func(b *testing.B) {
			r, packets := newHitReaderOf(b, tt.query, tt.watched), batch(b, tt.query)
			b.ReportAllocs()
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
