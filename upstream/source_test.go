package upstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

func TestIDsAndPortsAreRandom(t *testing.T) {
	t.Parallel()
	const queries = 2000
	type seen struct {
		id   uint16
		port uint16
	}
	arrived := make(chan seen, queries)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		arrived <- seen{binary.BigEndian.Uint16(q.Wire), q.Client.Port()}
		q.Deny()
	})
	u := newUpstream(t, s.Addr)
	ids, ports := make(map[uint16]bool), make(map[uint16]int)
	var high, low [16]int
	steps, repeats := 0, 0 // from one id to the next, by one; of the port
	var last seen
	for range queries {
		ask(t, u, "www.example.com.", patience)
		got := <-arrived
		ids[got.id] = true
		ports[got.port]++
		high[got.id>>12]++
		low[got.id&0xF]++
		if got.id == last.id+1 || got.id == last.id-1 {
			steps++
		}
		if got.port == last.port {
			repeats++
		}
		last = got
	}
	// Of 2,000 even draws from 65,536 about 1,970 are different, and each sixteenth gets 125, give or take 11.
	if len(ids) < 1900 {
		t.Errorf("got %d different ids in %d queries, want at least 1900", len(ids), queries)
	}
	for i := range 16 {
		if high[i] < 60 || high[i] > 190 || low[i] < 60 || low[i] > 190 {
			t.Errorf("sixteenth %d: got %d ids by the upper bits and %d by the lower, want 60 to 190", i, high[i], low[i])
		}
	}
	if steps > 5 {
		t.Errorf("got %d ids next to the one before, want hardly any", steps)
	}
	if len(ports) < poolSize {
		t.Errorf("got %d source ports, want at least %d", len(ports), poolSize)
	}
	// Each of 64 ports gets 31 queries, give or take 6.
	for port, n := range ports {
		if n > 70 {
			t.Errorf("port %d was used for %d of %d queries, want them spread", port, n, queries)
		}
	}
	// From one query to the next the port stays the same in one of 64.
	if repeats > queries/20 {
		t.Errorf("got the port of the query before %d times in %d queries, want hardly ever", repeats, queries)
	}
}

// sourceOf returns a source that queries may be sent from, and a function that sends one.
func sourceOf(t *testing.T, u *Upstream) (*source, func(qname string) <-chan result) {
	t.Helper()
	s, err := u.pool[0].current(u, time.Now())
	if err != nil {
		t.Fatalf("open a socket: %v", err)
	}
	return s, func(qname string) <-chan result {
		t.Helper()
		x := question(t, qname, dns.TypeA, patience)
		done := make(chan result, 8)
		x.Done = func(reply []byte, err error) { done <- result{reply: bytes.Clone(reply), err: err} }
		x.upstream, x.started = u, time.Now()
		x.setOut()
		if err := s.send(x); err != nil {
			t.Fatalf("send %s: %v", qname, err)
		}
		return done
	}
}

func (s *source) isOpen() bool { return s.conn.LocalAddr().IsValid() }

func TestSocketIsRetiredAfterAThousandQueries(t *testing.T) {
	t.Parallel()
	var held *upstreamtest.Query
	var mu sync.Mutex
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.Message().Question[0].Name == "held.example.com." {
			mu.Lock()
			held = q
			mu.Unlock()
			return
		}
		q.Deny()
	})
	u := newUpstream(t, s.Addr)
	source, send := sourceOf(t, u)
	last := send("held.example.com.")
	for range maxSocketQueries - 1 {
		if source.isRetired() {
			t.Fatalf("retired after %d queries, want %d", source.sent, maxSocketQueries)
		}
		finished(t, send("www.example.com."))
	}
	if !source.isRetired() || !source.isOpen() {
		t.Errorf("after %d queries: got retired %v, open %v, want both, since one is under way", maxSocketQueries, source.isRetired(), source.isOpen())
	}
	if err := source.send(question(t, "www.example.com.", dns.TypeA, patience)); !errors.Is(err, errRetired) {
		t.Errorf("send: got %v, want %v", err, errRetired)
	}
	next, err := u.pool[0].current(u, time.Now())
	if err != nil || next == source {
		t.Errorf("got the same socket again (%v), want another", err)
	}
	mu.Lock()
	held.Answer("60 A 192.0.2.1")
	mu.Unlock()
	if got := finished(t, last); got.records() != "A 192.0.2.1" {
		t.Errorf("the one that was under way: got %q, want A 192.0.2.1", got.records())
	}
	if source.isOpen() {
		t.Error("nothing is under way any more: got an open socket, want it closed")
	}
}

func TestSocketIsRetiredWhenOld(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		<-release
		q.Deny()
	})
	u := newUpstream(t, s.Addr)
	source, send := sourceOf(t, u)
	done := send("www.example.com.")
	if same, err := u.pool[0].current(u, source.opened.Add(maxSocketAge-1)); same != source || err != nil {
		t.Errorf("just below %v: got another socket (%v), want the same", maxSocketAge, err)
	}
	if other, err := u.pool[0].current(u, source.opened.Add(maxSocketAge)); other == source || err != nil {
		t.Errorf("after %v: got the same socket (%v), want another", maxSocketAge, err)
	}
	if !source.isOpen() {
		t.Error("a query is under way: got a closed socket, want it open")
	}
	close(release)
	if got := finished(t, done); got.err != nil {
		t.Errorf("got %v, want the reply", got.err)
	}
	if source.isOpen() {
		t.Error("nothing is under way any more: got an open socket, want it closed")
	}
}

// With most ids taken, the one that is drawn is taken too more often than not.
func TestQueriesUnderWayHaveDifferentIDs(t *testing.T) {
	t.Parallel()
	ids := make(chan uint16, 1)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { ids <- binary.BigEndian.Uint16(q.Wire) })
	u := newUpstream(t, s.Addr)
	source, send := sourceOf(t, u)
	busy := &Exchange{upstream: u, Done: func([]byte, error) {}}
	for id := range 1 << 16 {
		if id%1000 != 0 {
			source.pending[uint16(id)] = busy
		}
	}
	for range 60 {
		send("www.example.com.")
		if id := <-ids; id%1000 != 0 {
			t.Errorf("got id %d, which is taken", id)
		}
	}
	clear(source.pending)
}

func TestEveryQueryFromAPortOfItsOwn(t *testing.T) {
	t.Parallel()
	const queries = 100
	arrived := make(chan *upstreamtest.Query, queries)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { arrived <- q })
	u := newUnder(t).upstreamOfPorts(t, s.Addr)
	ask := func() (<-chan result, *upstreamtest.Query) {
		done := start(t, u, "www.example.com.", patience)
		return done, <-arrived
	}
	ports := make(map[uint16]bool)
	for range queries {
		done, q := ask()
		ports[q.Client.Port()] = true
		q.Deny()
		finished(t, done)
		if n := len(u.open); n != 0 {
			t.Fatalf("got %d open sockets after the reply, want 0", n)
		}
	}
	// The kernel may choose a port again: of 28,000, hardly ever.
	if len(ports) < queries-5 {
		t.Errorf("one by one: got %d ports in %d queries, want hardly any twice", len(ports), queries)
	}
	clear(ports)
	var all []<-chan result
	for range queries {
		done, q := ask()
		ports[q.Client.Port()] = true
		defer q.Deny()
		all = append(all, done)
	}
	if len(ports) != queries || len(u.open) != queries {
		t.Errorf("under way at once: got %d ports and %d open sockets of %d queries, want as many", len(ports), len(u.open), queries)
	}
	u.Close()
	for _, done := range all {
		if got := finished(t, done); !errors.Is(got.err, ErrStopped) {
			t.Errorf("got %v, want %v", got.err, ErrStopped)
		}
	}
	if n := len(u.open); n != 0 {
		t.Errorf("got %d open sockets after Close, want 0", n)
	}
}

// However a query of its own port ends, the socket does not stay.
func TestSocketOfOneQueryIsClosedAtItsEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		handle func(*upstreamtest.Query) // nil: nobody listens
		padded int                       // bytes behind the query
		want   error
	}{
		{name: "reply", handle: func(q *upstreamtest.Query) { q.Deny() }},
		{name: "truncated", handle: func(q *upstreamtest.Query) {
			if q.TCP {
				q.Deny()
				return
			}
			q.Truncate()
		}},
		{name: "timeout", handle: func(*upstreamtest.Query) {}, want: ErrTimeout},
		{name: "refused", want: syscall.ECONNREFUSED},
		{name: "can't be sent", handle: func(*upstreamtest.Query) {}, padded: 1 << 16, want: syscall.EMSGSIZE},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := upstreamtest.New(t, tt.handle)
			if tt.handle == nil {
				s.Close()
			}
			u := newUnder(t).upstreamOfPorts(t, s.Addr)
			x := question(t, "www.example.com.", dns.TypeA, soon)
			x.Query = append(x.Query, make([]byte, tt.padded)...)
			done := make(chan result, 1)
			open := make(chan int, 1)
			x.Done = func(_ []byte, err error) {
				u.mu.Lock()
				open <- len(u.open)
				u.mu.Unlock()
				done <- result{err: err}
			}
			u.Ask(x)
			if got := finished(t, done); !errors.Is(got.err, tt.want) {
				t.Errorf("got %v, want %v", got.err, tt.want)
			}
			if n := <-open; n != 0 {
				t.Errorf("got %d open sockets, want 0", n)
			}
		})
	}
}

func TestSocketIsRetiredAfterAsManyQueriesAsConfigured(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { q.Deny() })
	under := newUnder(t)
	u := New(Config{Addr: s.Addr, SocketQueries: 3, Group: under.group, Deadlines: under.deadlines})
	defer u.Close()
	source, send := sourceOf(t, u)
	for i := range 3 {
		if source.isRetired() {
			t.Fatalf("retired after %d queries, want 3", i)
		}
		finished(t, send("www.example.com."))
	}
	if !source.isRetired() || source.isOpen() {
		t.Errorf("after 3 queries: got retired %v, open %v, want it retired and closed", source.isRetired(), source.isOpen())
	}
}
