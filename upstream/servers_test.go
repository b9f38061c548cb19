package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

func newServers(t *testing.T) *Servers {
	t.Helper()
	under := newUnder(t)
	s := NewServers(under.group, under.deadlines)
	t.Cleanup(s.Close)
	return s
}

func query(qname string) *dns.Msg { return new(dns.Msg).SetQuestion(qname, dns.TypeA) }

// reply is what Exchange returned.
type reply struct {
	message *dns.Msg
	err     error
}

func (r reply) addresses() string {
	if r.err != nil {
		return r.err.Error()
	}
	var all []string
	for _, rr := range r.message.Answer {
		all = append(all, rr.(*dns.A).A.String())
	}
	return strings.Join(all, ", ")
}

func (s *Servers) start(ctx context.Context, server netip.AddrPort, q *dns.Msg) <-chan reply {
	done := make(chan reply, 1)
	go func() {
		m, err := s.Exchange(ctx, server, q)
		done <- reply{m, err}
	}()
	return done
}

func returned(t *testing.T, done <-chan reply) reply {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(patience):
		t.Fatalf("Exchange did not return within %v", patience)
		return reply{}
	}
}

func (s *Servers) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.underWay) == 0
}

// idle waits until nothing is under way.
func (s *Servers) idle(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); !s.ended(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("exchanges are under way %v later", patience)
		}
	}
}

func TestServerIsAskedWithoutRecursionAndInAnySpelling(t *testing.T) {
	t.Parallel()
	arrived := make(chan *upstreamtest.Query, 1)
	server := upstreamtest.New(t, func(q *upstreamtest.Query) {
		arrived <- q
		q.Answer("60 A 192.0.2.1")
	})
	s := newServers(t)
	plain, do := query("www.example.com."), query("www.example.com.")
	do.CheckingDisabled = true
	do.SetEdns0(4096, true)
	spellings := make(map[string]bool)
	for i := range 40 {
		q := []*dns.Msg{plain, do}[i%2]
		before := q.String()
		got, err := s.Exchange(t.Context(), server.Addr, q)
		if err != nil {
			t.Fatal(err)
		}
		if q.String() != before {
			t.Errorf("the query has become %v, want it left as %v", q, before)
		}
		if got.Id != q.Id || got.Question[0] != q.Question[0] {
			t.Errorf("got a reply to %d %v, want %d %v", got.Id, got.Question[0], q.Id, q.Question[0])
		}
		incoming := <-arrived
		asked := incoming.Message()
		opt := asked.IsEdns0()
		if asked.RecursionDesired || asked.CheckingDisabled != q.CheckingDisabled || len(asked.Question) != 1 || len(asked.Extra) != 1 {
			t.Errorf("got the query %v, want one without RD and with the CD of %v", asked, q)
		}
		if opt == nil || opt.UDPSize() != wire.UDPSize || opt.Version() != 0 || opt.Do() != (q == do) {
			t.Errorf("got %v, want an OPT with %d bytes and the DO of %v", opt, wire.UDPSize, q)
		}
		qname := incoming.Qname()
		if !strings.EqualFold(qname, "www.example.com.") {
			t.Errorf("got a query for %s, want one for www.example.com", qname)
		}
		spellings[qname] = true
	}
	if len(spellings) < 38 { // of 8,192
		t.Errorf("got %d spellings in 40 queries, want hardly any twice", len(spellings))
	}
	if n := server.QueriesTCP(); n != 0 {
		t.Errorf("got %d queries over TCP, want 0", n)
	}
}

func TestServerIsAskedFromAnotherPortEachTime(t *testing.T) {
	t.Parallel()
	const queries = 100
	ports := make(chan uint16, queries)
	server := upstreamtest.New(t, func(q *upstreamtest.Query) {
		ports <- q.Client.Port()
		q.Deny()
	})
	s := newServers(t)
	seen := make(map[uint16]bool)
	for range queries {
		if _, err := s.Exchange(t.Context(), server.Addr, query("www.example.com.")); err != nil {
			t.Fatal(err)
		}
		seen[<-ports] = true
	}
	if len(seen) < queries-5 { // the kernel may choose one again
		t.Errorf("got %d ports in %d queries, want hardly any twice", len(seen), queries)
	}
	if u, _ := s.recent.Peek(server.Addr); len(u.open) != 0 {
		t.Errorf("got %d open sockets with nothing under way, want 0", len(u.open))
	}
}

func TestReplyOfAServerHasTheNamesAsTheQuerySpellsThem(t *testing.T) {
	t.Parallel()
	for _, tcp := range []bool{false, true} {
		server := upstreamtest.New(t, func(q *upstreamtest.Query) {
			if tcp && !q.TCP {
				q.Truncate()
				return
			}
			m := upstreamtest.Reply(q.Wire)
			qname := m.Question[0].Name
			m.Compress = true
			m.Answer = []dns.RR{upstreamtest.RR(qname + " 60 A 192.0.2.1"), upstreamtest.RR("Other.example. 60 A 192.0.2.2")}
			m.Ns = []dns.RR{upstreamtest.RR(qname[len("www."):] + " 60 NS ns." + qname[len("www."):])}
			q.Send(upstreamtest.Pack(m))
		})
		got, err := newServers(t).Exchange(t.Context(), server.Addr, query("www.eXample.com."))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"www.eXample.com.", "www.eXample.com.", "Other.example.", "eXample.com.", "ns.eXample.com."}
		names := []string{got.Question[0].Name, got.Answer[0].Header().Name, got.Answer[1].Header().Name, got.Ns[0].Header().Name, got.Ns[0].(*dns.NS).Ns}
		if fmt.Sprint(names) != fmt.Sprint(want) {
			t.Errorf("tcp %v: got the names %v, want %v", tcp, names, want)
		}
	}
}

func TestServerThatChangesTheSpellingIsAskedOverTCP(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, func(q *upstreamtest.Query) {
		m := upstreamtest.Reply(q.Wire)
		m.Question[0].Name = "wWW.EXAMPLE.COM." // one in 8,192 queries is spelled so
		m.Answer = []dns.RR{upstreamtest.RR("www.example.com. 60 A 192.0.2.66")}
		if q.TCP {
			m.Answer = []dns.RR{upstreamtest.RR("www.example.com. 60 A 192.0.2.1")}
		}
		q.Send(upstreamtest.Pack(m))
	})
	s := newServers(t)
	got := returned(t, s.start(t.Context(), server.Addr, query("www.example.com.")))
	if got.addresses() != "192.0.2.1" || got.message.Question[0].Name != "www.example.com." {
		t.Errorf("got %q and %v, want 192.0.2.1 for www.example.com", got.addresses(), got.message)
	}
	if server.QueriesUDP() != 1 || server.QueriesTCP() != 1 {
		t.Errorf("got %d queries over UDP and %d over TCP, want 1 and 1", server.QueriesUDP(), server.QueriesTCP())
	}
}

func TestTruncatedReplyOfAServerIsAskedAgainOverTCP(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.TCP {
			q.Answer("60 A 192.0.2.1", "60 A 192.0.2.2")
			return
		}
		q.Truncate()
	})
	got := returned(t, newServers(t).start(t.Context(), server.Addr, query("www.example.com.")))
	if got.addresses() != "192.0.2.1, 192.0.2.2" || got.message.Truncated {
		t.Errorf("got %q and %v, want 192.0.2.1, 192.0.2.2", got.addresses(), got.message)
	}
}

func TestErrorsOfServers(t *testing.T) {
	t.Parallel()
	silent := upstreamtest.New(t, func(*upstreamtest.Query) {})
	closed := upstreamtest.New(t, func(*upstreamtest.Query) {})
	closed.Close()
	garbage := upstreamtest.New(t, func(q *upstreamtest.Query) {
		m := upstreamtest.Answer(q.Wire, "60 A 192.0.2.1")
		q.Send(m[:len(m)-13]) // within the answer
	})
	s := newServers(t)
	two := query("www.example.com.")
	two.Question = append(two.Question, two.Question[0])
	none := &dns.Msg{}
	long := query(strings.Repeat("x", 64) + ".example.com.")
	response := query("www.example.com.")
	response.Response = true
	tests := []struct {
		name   string
		server netip.AddrPort
		query  *dns.Msg
		want   error // nil: any
		words  string
	}{
		{name: "silent", server: silent.Addr, query: query("www.example.com."), want: ErrTimeout},
		{name: "closed", server: closed.Addr, query: query("www.example.com."), want: syscall.ECONNREFUSED},
		{name: "garbage", server: garbage.Addr, query: query("www.example.com."), words: "reply: "},
		{name: "two questions", server: silent.Addr, query: two, want: wire.ErrFormat, words: "query: "},
		{name: "no question", server: silent.Addr, query: none, want: wire.ErrFormat, words: "query: "},
		{name: "a response", server: silent.Addr, query: response, want: wire.ErrIgnore, words: "query: "},
		{name: "label too long", server: silent.Addr, query: long, words: "query: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			m, err := s.Exchange(ctx, tt.server, tt.query)
			if m != nil || err == nil || (tt.want != nil && !errors.Is(err, tt.want)) || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("got %v and %v, want %v with %q", m, err, tt.want, tt.words)
			}
		})
	}
}

func TestExchangeWithAServerHasTimeForTwoAttempts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := []struct {
		allowed, want time.Duration // from now
	}{
		{time.Minute, 4 * time.Second},
		{time.Second, time.Second},
		{-time.Second, -time.Second},
	}
	for _, tt := range tests {
		ctx, cancel := context.WithDeadline(t.Context(), now.Add(tt.allowed))
		defer cancel()
		if got := deadline(ctx, now).Sub(now); got != tt.want {
			t.Errorf("context that ends in %v: got %v, want %v", tt.allowed, got, tt.want)
		}
	}
	if got := deadline(t.Context(), now).Sub(now); got != serverTimeout {
		t.Errorf("context without a deadline: got %v, want %v", got, serverTimeout)
	}
}

func TestExchangeWithAServerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for _, tcp := range []bool{false, true} {
		held := make(chan *upstreamtest.Query, 1)
		server := upstreamtest.New(t, func(q *upstreamtest.Query) {
			if tcp && !q.TCP {
				q.Truncate()
				return
			}
			held <- q
		})
		s := newServers(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := s.start(ctx, server.Addr, query("www.example.com."))
		q := <-held
		cancel()
		if got := returned(t, done); !errors.Is(got.err, context.Canceled) {
			t.Errorf("tcp %v: got %q, want %v", tcp, got.addresses(), context.Canceled)
		}
		if s.ended() {
			t.Errorf("tcp %v: got nothing under way, want the exchange to end by itself", tcp)
		}
		q.Deny()
		s.idle(t)
		if _, err := s.Exchange(ctx, server.Addr, query("www.example.com.")); !errors.Is(err, context.Canceled) {
			t.Errorf("tcp %v: afterwards: got %v, want %v", tcp, err, context.Canceled)
		}
		if n := server.QueriesUDP(); n != 1 {
			t.Errorf("tcp %v: got %d queries, want 1", tcp, n)
		}
	}
}

func TestAbandonedExchangeWithASilentServerEnds(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, func(*upstreamtest.Query) {})
	s := newServers(t)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	got := returned(t, s.start(ctx, server.Addr, query("www.example.com.")))
	if took := time.Since(began); !errors.Is(got.err, ErrTimeout) || took < soon || took > soon+atOnce {
		t.Errorf("got %q after %v, want %v after %v", got.addresses(), took, ErrTimeout, soon)
	}
	s.idle(t)
}

func TestServersAreAskedConcurrently(t *testing.T) {
	t.Parallel()
	var servers []netip.AddrPort
	for i := range 3 {
		servers = append(servers, upstreamtest.New(t, func(q *upstreamtest.Query) {
			if !q.TCP && q.Wire[1]&3 == 0 {
				q.Truncate()
				return
			}
			q.Answer(fmt.Sprintf("60 A 192.0.2.%d", i))
		}).Addr)
	}
	s := newServers(t)
	q := query("www.example.com.") // one for all
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for i := range 60 {
				m, err := s.Exchange(t.Context(), servers[i%3], q)
				got := reply{m, err}
				if want := fmt.Sprintf("192.0.2.%d", i%3); got.addresses() != want {
					t.Errorf("server %d: got %q, want %s", i%3, got.addresses(), want)
				}
			}
		})
	}
	asking.Wait()
	if n := s.recent.Len(); n != 3 || !s.ended() {
		t.Errorf("got %d servers, anything under way: %v; want 3 and nothing", n, !s.ended())
	}
}

// crowd asks so many other servers, none of which is there.
func (s *Servers) crowd(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		nobody := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), 1)
		if _, err := s.Exchange(t.Context(), nobody, query("www.example.com.")); err == nil {
			t.Fatalf("got a reply from %v, want an error", nobody)
		}
	}
}

func TestServersAreForgottenTheLeastRecentlyUsedFirst(t *testing.T) {
	t.Parallel()
	var servers []netip.AddrPort
	for range 2 {
		servers = append(servers, upstreamtest.New(t, func(q *upstreamtest.Query) { q.Deny() }).Addr)
	}
	s := newServers(t)
	ask := func(server netip.AddrPort) {
		t.Helper()
		if _, err := s.Exchange(t.Context(), server, query("www.example.com.")); err != nil {
			t.Errorf("%v: %v", server, err)
		}
	}
	ask(servers[0])
	ask(servers[1])
	s.crowd(t, maxServers-2)
	ask(servers[0])
	s.crowd(t, maxServers-1) // one more than there were
	if n := s.recent.Len(); n != maxServers {
		t.Errorf("got %d servers, want %d", n, maxServers)
	}
	if !s.recent.Contains(servers[0]) || s.recent.Contains(servers[1]) {
		t.Errorf("got the server used lately %v, the other %v, want only the first kept", s.recent.Contains(servers[0]), s.recent.Contains(servers[1]))
	}
	ask(servers[1])
}

func TestServerThatIsForgottenEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, tcp := range []bool{false, true} {
		held := make(chan *upstreamtest.Query, 2)
		server := upstreamtest.New(t, func(q *upstreamtest.Query) {
			if tcp && !q.TCP {
				q.Truncate()
				return
			}
			held <- q
		})
		s := newServers(t)
		answered := s.start(t.Context(), server.Addr, query("www.example.com."))
		first := <-held
		stopped := s.start(t.Context(), server.Addr, query("other.example.com."))
		<-held
		s.crowd(t, maxServers)
		if s.recent.Contains(server.Addr) {
			t.Fatalf("tcp %v: %v is remembered, want it forgotten", tcp, server.Addr)
		}
		first.Answer("60 A 192.0.2.1")
		if got := returned(t, answered); got.addresses() != "192.0.2.1" {
			t.Errorf("tcp %v: got %q, want 192.0.2.1", tcp, got.addresses())
		}
		s.Close()
		if got := returned(t, stopped); !errors.Is(got.err, ErrStopped) {
			t.Errorf("tcp %v: after Close: got %q, want %v", tcp, got.addresses(), ErrStopped)
		}
		s.idle(t)
	}
}

func TestCloseEndsExchangesWithServers(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 100)
	server := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if !q.TCP && q.Wire[1]&1 == 0 {
			q.Truncate()
			return
		}
		arrived <- struct{}{}
	})
	s := newServers(t)
	var all []<-chan reply
	for range 50 {
		all = append(all, s.start(t.Context(), server.Addr, query("www.example.com.")))
	}
	for range all {
		<-arrived
	}
	u, _ := s.recent.Peek(server.Addr)
	s.Close()
	for _, done := range all {
		if got := returned(t, done); !errors.Is(got.err, ErrStopped) {
			t.Errorf("got %q, want %v", got.addresses(), ErrStopped)
		}
	}
	if len(u.open) != 0 || !s.ended() {
		t.Errorf("got %d open sockets, anything under way: %v; want nothing", len(u.open), !s.ended())
	}
	other := upstreamtest.New(t, func(q *upstreamtest.Query) { q.Deny() })
	for _, addr := range []netip.AddrPort{server.Addr, other.Addr} {
		if _, err := s.Exchange(t.Context(), addr, query("www.example.com.")); !errors.Is(err, ErrStopped) {
			t.Errorf("afterwards: got %v from %v, want %v", err, addr, ErrStopped)
		}
	}
	s.Close()
}
