package upstream

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

// server is the other end of connections in memory, in fake time.
type server struct {
	handle func(q *upstreamtest.Query, conn int) // conn counts from 1
	began  time.Time

	mu     sync.Mutex // guards all below
	dialed int
	closed []time.Duration // when the client closed connections
	asked  int
}

func (s *server) dial(context.Context, string, string) (net.Conn, error) {
	client, conn := net.Pipe()
	s.mu.Lock()
	s.dialed++
	n := s.dialed
	s.mu.Unlock()
	go s.serve(conn, n)
	return client, nil
}

func (s *server) serve(conn net.Conn, n int) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		m, err := readMessage(r, nil)
		if err != nil {
			break
		}
		s.mu.Lock()
		s.asked++
		s.mu.Unlock()
		s.handle(upstreamtest.NewQuery(m, conn), n)
	}
	s.mu.Lock()
	s.closed = append(s.closed, time.Since(s.began))
	s.mu.Unlock()
}

// state is how many connections there were, and when they ended.
func (s *server) state() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.dialed, s.closed)
}

// overPipes runs a test of an upstream over connections in memory, in fake time.
func overPipes(t *testing.T, handle func(q *upstreamtest.Query, conn int), test func(t *testing.T, u *Upstream, s *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &server{handle: handle, began: time.Now()}
		d := NewDeadlines()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.Run(ctx) }()
		u := New(Config{Addr: nowhere, TCP: true, Deadlines: d, Metrics: NewMetrics(), Dial: s.dial})
		test(t, u, s)
		u.Close()
		counted(t, "connections after Close", u.meter.conns, 0)
		cancel()
		<-ended
	})
}

func address(q *upstreamtest.Query, _ int) { q.Answer("60 A 192.0.2.1") }

// wantAddress asks and wants the address that the server has.
func wantAddress(t *testing.T, u *Upstream, qname string, timeout time.Duration) {
	t.Helper()
	if got := ask(t, u, qname, timeout); got.records() != "A 192.0.2.1" {
		t.Errorf("%s: got %q after %v, want A 192.0.2.1", qname, got.records(), got.took)
	}
}

func TestConnectionIsKept(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.TCP {
			q.Answer("60 A 192.0.2.1")
			return
		}
		q.Truncate()
	})
	under := newUnder(t)
	for i, tcp := range []bool{true, false} {
		u := under.upstream(t, s.Addr, tcp)
		for range 10 {
			wantAddress(t, u, "www.example.com.", patience)
		}
		if got := s.Connections(); got != i+1 {
			t.Errorf("tcp %v: got %d connections, want one for all", tcp, got-i)
		}
		counted(t, "connections", u.meter.conns, 1)
	}
}

func TestRepliesMayComeInAnyOrder(t *testing.T) {
	t.Parallel()
	queries := make(chan *upstreamtest.Query, streamFill)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { queries <- q })
	u := newUpstreamTCP(t, s.Addr)
	var all []<-chan result
	for i := range streamFill {
		all = append(all, start(t, u, fmt.Sprintf("n%d.example.com.", i), patience))
	}
	var came []*upstreamtest.Query
	for range streamFill {
		came = append(came, <-queries) // none waits for the reply to another
	}
	for i := range came {
		q := came[len(came)-1-i]
		var n int
		fmt.Sscanf(q.Message().Question[0].Name, "n%d.", &n)
		q.Answer(fmt.Sprintf("60 A 192.0.2.%d", n))
	}
	for i, done := range all {
		if got, want := finished(t, done).records(), fmt.Sprintf("A 192.0.2.%d", i); got != want {
			t.Errorf("exchange %d: got %q, want %q", i, got, want)
		}
	}
	if got := s.Connections(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

func TestFullConnectionsAreJoinedByAFewOthers(t *testing.T) {
	t.Parallel()
	queries := make(chan *upstreamtest.Query, maxTCP)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { queries <- q })
	u := newUpstreamTCP(t, s.Addr)
	var all []<-chan result
	ask := func(n, connections int) {
		t.Helper()
		for len(all) < n {
			all = append(all, start(t, u, "www.example.com.", time.Minute))
			<-queries
		}
		if got := s.Connections(); got != connections {
			t.Errorf("with %d exchanges under way: got %d connections, want %d", n, got, connections)
		}
	}
	ask(streamFill, 1)
	ask(streamFill+1, 2)
	ask(3*streamFill, 3)
	ask(3*streamFill+1, maxStreams)
	ask(8*streamFill, maxStreams)
	u.Close()
	for _, done := range all {
		finished(t, done)
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	overPipes(t, address, func(t *testing.T, u *Upstream, s *server) {
		wantAddress(t, u, "www.example.com.", patience)
		time.Sleep(maxIdle - time.Second)
		wantAddress(t, u, "www.example.com.", patience) // which lengthens its life
		time.Sleep(maxIdle - time.Second)
		if got := s.state(); got != "1 []" {
			t.Errorf("got %s, want one connection, still open", got)
		}
		time.Sleep(2 * time.Second)
		if got := s.state(); got != "1 [19s]" {
			t.Errorf("got %s, want one connection that was closed 10s after its last use", got)
		}
		counted(t, "connections", u.meter.conns, 0)
		wantAddress(t, u, "www.example.com.", patience)
		if got := s.state(); got != "2 [19s]" {
			t.Errorf("got %s, want another connection", got)
		}
	})
}

func TestServerSaysHowLongAConnectionIsKept(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		says uint16 // tenths of a second
		want string
	}{
		{"less", 30, "1 [3s]"},
		{"more", 300, "1 [30s]"},
		{"too much", 65535, "1 [1m0s]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			overPipes(t, func(q *upstreamtest.Query, _ int) { q.Send(keepalive(q, tt.says)) }, func(t *testing.T, u *Upstream, s *server) {
				if got := ask(t, u, "www.example.com.", patience); got.err != nil {
					t.Fatal(got.err)
				}
				time.Sleep(2 * time.Minute)
				if got := s.state(); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// keepalive is a reply that says how long the connection is kept.
func keepalive(q *upstreamtest.Query, tenths uint16) []byte {
	m := upstreamtest.Reply(q.Wire)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: dns.EDNS0TCPKEEPALIVE, Data: binary.BigEndian.AppendUint16(nil, tenths)}}
	return upstreamtest.Pack(m)
}

func TestServerThatWantsNoMoreQueriesGetsNone(t *testing.T) {
	t.Parallel()
	queries := make(chan *upstreamtest.Query, 3)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { queries <- q })
	u := newUpstreamTCP(t, s.Addr)
	one, two := start(t, u, "www.example.com.", patience), start(t, u, "www.example.com.", patience)
	last := <-queries
	first := <-queries
	first.Send(keepalive(first, 0))
	select {
	case got := <-one:
		one = two
		if got.err != nil {
			t.Errorf("got %v, want a reply", got.err)
		}
	case got := <-two:
		if got.err != nil {
			t.Errorf("got %v, want a reply", got.err)
		}
	}
	three := start(t, u, "www.example.com.", patience)
	(<-queries).Deny()
	if got := finished(t, three); got.err != nil || s.Connections() != 2 {
		t.Errorf("got %v and %d connections, want a reply over a second one", got.err, s.Connections())
	}
	last.Deny() // is waited for
	if got := finished(t, one); got.err != nil {
		t.Errorf("got %v, want a reply", got.err)
	}
}

func TestKeepaliveIsAskedForOnceAConnection(t *testing.T) {
	t.Parallel()
	var options []int
	var mu sync.Mutex
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		mu.Lock()
		defer mu.Unlock()
		keepalives := 0
		for _, o := range q.Message().IsEdns0().Option {
			if o.Option() == dns.EDNS0TCPKEEPALIVE {
				keepalives++
			}
		}
		options = append(options, keepalives)
		q.Deny()
	})
	under := newUnder(t)
	for _, u := range []*Upstream{under.upstream(t, s.Addr, true), under.upstream(t, s.Addr, false)} {
		ask(t, u, "www.example.com.", patience)
		ask(t, u, "www.example.com.", patience)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := fmt.Sprint(options); got != "[1 0 0 0]" {
		t.Errorf("got %s options in queries, want one in the first over TCP, and none over UDP", got)
	}
}

func TestServerThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDeadlines()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.Run(ctx) }()
		u := New(Config{Addr: nowhere, TCP: true, Deadlines: d, Metrics: NewMetrics(), Dial: func(context.Context, string, string) (net.Conn, error) {
			client, _ := net.Pipe()
			return client, nil
		}})
		var all []<-chan result
		for range 2 * streamFill {
			all = append(all, start(t, u, "www.example.com.", patience))
		}
		for _, done := range all {
			if got := finished(t, done); !errors.Is(got.err, ErrTimeout) || got.took > tryTimeout+2*tick {
				t.Errorf("got %v after %v, want %v after %v", got.err, got.took, ErrTimeout, tryTimeout)
			}
		}
		u.Close()
		cancel()
		<-ended
	})
}

func TestCloseWhileConnecting(t *testing.T) {
	t.Parallel()
	under := newUnder(t)
	dialing := make(chan struct{})
	u := New(Config{Addr: nowhere, TCP: true, Group: under.group, Deadlines: under.deadlines, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	done := start(t, u, "www.example.com.", patience)
	<-dialing
	u.Close()
	if got := finished(t, done); !errors.Is(got.err, ErrStopped) {
		t.Errorf("got %v, want %v", got.err, ErrStopped)
	}
}

func TestServerOfZonesHoldsNoConnection(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if !q.TCP {
			q.Truncate()
			return
		}
		if n := len(q.Message().IsEdns0().Option); n != 0 {
			t.Errorf("got a query with %d options, want none", n)
		}
		q.Deny()
	})
	u := newUnder(t).upstreamOfPorts(t, s.Addr)
	if got := ask(t, u, "www.example.com.", patience); got.err != nil {
		t.Fatal(got.err)
	}
	if got := comesTo(0, s.Open); got != 0 {
		t.Errorf("got %d open connections with nothing under way, want none", got)
	}
}

func TestMessageThatIsNoReplyIsLeft(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		q.Send(nil)
		q.Send([]byte{1})
		q.Send(q.Wire) // a query
		q.Send(upstreamtest.Answer(upstreamtest.Pack(new(dns.Msg).SetQuestion("other.example.com.", dns.TypeA))))
		q.Answer("60 A 192.0.2.1")
	})
	u := newUpstreamTCP(t, s.Addr)
	wantAddress(t, u, "www.example.com.", patience)
	counted(t, "ignored", u.meter.ignored, 4)
}

func TestReadMessageUsesItsBuffer(t *testing.T) {
	t.Parallel()
	in, w := io.Pipe()
	r := bufio.NewReader(in)
	go func() {
		for n := range 100 {
			_, _ = w.Write(appendMessage(nil, make([]byte, n)))
		}
		w.Close()
	}()
	b := make([]byte, 0, 64)
	for n := range 100 {
		got, err := readMessage(r, b)
		if err != nil || len(got) != n {
			t.Fatalf("got %d bytes and %v, want %d", len(got), err, n)
		}
		if n > 0 && n <= 64 && &got[0] != &b[:1][0] {
			t.Errorf("%d bytes: got another buffer", n)
		}
	}
}
