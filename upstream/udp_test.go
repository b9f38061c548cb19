package upstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

func TestReplyIsHandedOver(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1", "::1"} {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			ip := netip.MustParseAddr(addr)
			if c, err := net.ListenPacket("udp", netip.AddrPortFrom(ip, 0).String()); err != nil {
				t.Skipf("no %s here: %v", addr, err)
			} else {
				c.Close()
			}
			s := upstreamtest.NewAt(t, ip, func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") })
			u := newUpstream(t, s.Addr)
			if got := ask(t, u, "www.example.com.", patience); got.records() != "A 192.0.2.1" {
				t.Errorf("got %q, want A 192.0.2.1", got.records())
			}
			if s.QueriesUDP() != 1 || s.QueriesTCP() != 0 {
				t.Errorf("got %d queries over UDP and %d over TCP, want 1 and 0", s.QueriesUDP(), s.QueriesTCP())
			}
		})
	}
}

func TestQueryArrivesAsItWasGiven(t *testing.T) {
	t.Parallel()
	arrived := make(chan []byte, 1)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		arrived <- q.Wire
		q.Deny()
	})
	u := newUpstream(t, s.Addr)
	x := question(t, "www.example.com.", dns.TypeAAAA, patience)
	want := bytes.Clone(x.Query)
	done := make(chan struct{})
	x.Done = func([]byte, error) { close(done) }
	u.Ask(x)
	wait(t, done, "the reply")
	if got := setID(<-arrived, 0); !bytes.Equal(got, want) {
		t.Errorf("got query %x, want %x", got, want)
	}
}

func TestReplyFromAnotherSourceIsIgnored(t *testing.T) {
	t.Parallel()
	forger, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) // the same host, another port
	if err != nil {
		t.Fatal(err)
	}
	defer forger.Close()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if _, err := forger.WriteToUDPAddrPort(upstreamtest.Answer(q.Wire, "60 A 192.0.2.66"), q.Client); err != nil {
			t.Error(err)
		}
		q.Answer("60 A 192.0.2.1")
	})
	u := newUpstream(t, s.Addr)
	if got := ask(t, u, "www.example.com.", patience); got.records() != "A 192.0.2.1" {
		t.Errorf("got %q, want A 192.0.2.1", got.records())
	}
}

// RFC 5452, section 9.1: what does not match is not the end of the exchange.
func TestReplyThatDoesNotMatchIsIgnoredAndTheRightOneUsed(t *testing.T) {
	t.Parallel()
	forge := func(q *upstreamtest.Query, change func(*dns.Msg)) []byte {
		m := upstreamtest.Reply(q.Wire)
		m.Answer = []dns.RR{upstreamtest.RR("www.example.com. 60 A 192.0.2.66")}
		change(m)
		return upstreamtest.Pack(m)
	}
	tests := []struct {
		name  string
		reply func(*upstreamtest.Query) []byte
	}{
		{"next id", func(q *upstreamtest.Query) []byte { return forge(q, func(m *dns.Msg) { m.Id++ }) }},
		{"id with its bytes swapped", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Id ^= 0xFF00 })
		}},
		{"another qname", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Question[0].Name = "wwx.example.com." })
		}},
		{"a longer qname", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Question[0].Name = "www.example.com.au." })
		}},
		{"a shorter qname", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Question[0].Name = "." })
		}},
		{"another qtype", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA })
		}},
		{"another class", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS })
		}},
		{"no question", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Question = nil })
		}},
		{"two questions", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) })
		}},
		{"a query", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Response = false })
		}},
		{"a reply to a NOTIFY", func(q *upstreamtest.Query) []byte {
			return forge(q, func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify })
		}},
		{"half a question", func(q *upstreamtest.Query) []byte { return upstreamtest.Answer(q.Wire)[:20] }},
		{"half a header", func(q *upstreamtest.Query) []byte { return upstreamtest.Answer(q.Wire)[:11] }},
		{"nothing but the id", func(q *upstreamtest.Query) []byte { return q.Wire[:2] }},
		{"nothing", func(*upstreamtest.Query) []byte { return nil }},
	}
	for _, tcp := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, tcp %v", tt.name, tcp), func(t *testing.T) {
				t.Parallel()
				s := upstreamtest.New(t, func(q *upstreamtest.Query) {
					q.Send(tt.reply(q))
					q.Answer("60 A 192.0.2.1")
				})
				u := newUnder(t).upstream(t, s.Addr, tcp)
				if got := ask(t, u, "www.example.com.", patience); got.records() != "A 192.0.2.1" {
					t.Errorf("got %q, want A 192.0.2.1", got.records())
				}
				if s.Queries() != 1 {
					t.Errorf("got %d queries, want 1", s.Queries())
				}
				counted(t, "ignored", u.meter.ignored, 1)
			})
		}
	}
}

func TestReplyInAnotherSpellingIsTaken(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		m := upstreamtest.Reply(q.Wire)
		m.Question[0].Name = "WWW.eXaMpLe.COM."
		m.Answer = []dns.RR{upstreamtest.RR("www.example.com. 60 A 192.0.2.1")}
		q.Send(upstreamtest.Pack(m))
	})
	u := newUpstream(t, s.Addr)
	if got := ask(t, u, "www.example.com.", patience); got.records() != "A 192.0.2.1" {
		t.Errorf("got %q, want A 192.0.2.1", got.records())
	}
}

func TestReplyIsUsedOnce(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		for range 3 {
			q.Answer("60 A 192.0.2.1")
		}
	})
	u := newUpstream(t, s.Addr)
	done := start(t, u, "www.example.com.", patience)
	finished(t, done)
	ask(t, u, "other.example.com.", patience)
	if len(done) > 0 {
		t.Errorf("Done was called %d times more, want once in all", len(done))
	}
}

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
	steps := 0 // from one id to the next, by one
	var last uint16
	for range queries {
		ask(t, u, "www.example.com.", patience)
		got := <-arrived
		ids[got.id] = true
		ports[got.port]++
		high[got.id>>12]++
		low[got.id&0xF]++
		if got.id == last+1 || got.id == last-1 {
			steps++
		}
		last = got.id
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
	if len(ports) < 32 {
		t.Errorf("got %d source ports, want at least 32", len(ports))
	}
	for port, n := range ports {
		if n > queries/8 {
			t.Errorf("port %d was used for %d of %d queries, want them spread", port, n, queries)
		}
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

func TestTimeoutComesAtTheDeadline(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	under := newUnder(t)
	for _, tcp := range []bool{false, true} {
		u := under.upstream(t, s.Addr, tcp)
		got := ask(t, u, "www.example.com.", soon)
		if !errors.Is(got.err, ErrTimeout) || got.took < soon || got.took > soon+atOnce {
			t.Errorf("%v: got %q and %v after %v, want %v after %v", u, got.reply, got.err, got.took, ErrTimeout, soon)
		}
		counted(t, "timeout", u.meter.timeout, 1)
		counted(t, "up", u.meter.up, 0)
	}
}

func TestDeadlineThatHasPassed(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	under := newUnder(t)
	for _, tcp := range []bool{false, true} {
		u := under.upstream(t, s.Addr, tcp)
		if got := ask(t, u, "www.example.com.", -time.Second); !errors.Is(got.err, ErrTimeout) || got.took > atOnce {
			t.Errorf("%v: got %v after %v, want %v at once", u, got.err, got.took, ErrTimeout)
		}
	}
}

func TestAttemptTakesTwoSecondsAtMost(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := []struct {
		deadline, want time.Duration // from now
	}{
		{5 * time.Second, 2 * time.Second},
		{2 * time.Second, 2 * time.Second},
		{time.Second, time.Second},
		{-time.Second, -time.Second},
	}
	for _, tt := range tests {
		x := &Exchange{Deadline: now.Add(tt.deadline)}
		if got := x.limit(now).Sub(now); got != tt.want {
			t.Errorf("deadline in %v: got an attempt of %v, want %v", tt.deadline, got, tt.want)
		}
	}
}

func TestLateReplyIsIgnored(t *testing.T) {
	t.Parallel()
	queries := make(chan *upstreamtest.Query, 1)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.Message().Question[0].Name == "late.example.com." {
			queries <- q
			return
		}
		q.Deny()
	})
	u := newUpstream(t, s.Addr)
	source, send := sourceOf(t, u)
	late := send("late.example.com.")
	a := attemptOf(t, source)
	a.expire()
	if got := finished(t, late); !errors.Is(got.err, ErrTimeout) {
		t.Errorf("got %v, want %v", got.err, ErrTimeout)
	}
	u.config.Deadlines.remove(a.exchange)
	(<-queries).Answer("60 A 192.0.2.1")
	finished(t, send("www.example.com.")) // comes behind it
	if len(late) > 0 {
		t.Errorf("Done was called again with %q", (<-late).records())
	}
	counted(t, "ignored", u.meter.ignored, 1)
}

// attemptOf returns the only attempt that is under way at the source.
func attemptOf(t *testing.T, s *source) attempt {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) != 1 {
		t.Fatalf("got %d exchanges under way, want 1", len(s.pending))
	}
	for id, x := range s.pending {
		return attempt{exchange: x, source: s, id: id, seq: x.seq}
	}
	return attempt{}
}

// The wheel may have taken an attempt out and be about to end it, when the reply comes and the exchange is used again:
// here, under the same id even.
func TestTimeoutOfAFormerAttemptDoesNotEndTheNext(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {})
	u := newUpstream(t, s.Addr)
	source, _ := sourceOf(t, u)
	x := question(t, "www.example.com.", dns.TypeA, patience)
	done := make(chan error, 2)
	x.Done = func(_ []byte, err error) { done <- err }
	x.upstream, x.started = u, time.Now()
	var former attempt
	for i := range 2 {
		if err := source.send(x); err != nil {
			t.Fatal(err)
		}
		a := attemptOf(t, source)
		if i == 0 {
			former = a
			source.Receive(nil, upstreamtest.Answer(x.Query), nil)
			if err := <-done; err != nil {
				t.Fatalf("got %v, want a reply", err)
			}
			continue
		}
		source.mu.Lock()
		delete(source.pending, a.id)
		source.pending[former.id] = x
		source.mu.Unlock()
	}
	former.expire()
	if len(done) > 0 {
		t.Errorf("got %v from the former attempt's timeout, want nothing", <-done)
	}
}

func TestRefusedPacketFailsAtOnce(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	s.Close()
	u := newUpstream(t, s.Addr)
	for range 2 { // the second on a new socket
		got := ask(t, u, "www.example.com.", patience)
		if !errors.Is(got.err, syscall.ECONNREFUSED) || got.took > atOnce {
			t.Errorf("got %v after %v, want %v at once", got.err, got.took, syscall.ECONNREFUSED)
		}
	}
	counted(t, "unreachable", u.meter.unreachable, 2)
	counted(t, "up", u.meter.up, 0)
}

func TestErrorOfASocketEndsAllThatIsUnderWayThere(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	u := newUpstream(t, s.Addr)
	source, send := sourceOf(t, u)
	one, two := send("one.example.com."), send("two.example.com.")
	source.Receive(source.conn, nil, syscall.EHOSTUNREACH)
	for _, done := range []<-chan result{one, two} {
		if got := finished(t, done); !errors.Is(got.err, syscall.EHOSTUNREACH) {
			t.Errorf("got %v, want %v", got.err, syscall.EHOSTUNREACH)
		}
	}
	if source.isOpen() {
		t.Error("got an open socket, want it closed")
	}
	if next, err := u.pool[0].current(u, time.Now()); next == source || err != nil {
		t.Errorf("got the same socket again (%v), want another", err)
	}
	if n := u.config.Deadlines.count; n != 0 {
		t.Errorf("got %d exchanges in the wheel, want 0", n)
	}
}

func TestQueryThatCannotBeSentFailsAtOnce(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	u := newUpstream(t, s.Addr)
	x := question(t, "www.example.com.", dns.TypeA, patience)
	x.Query = append(x.Query, make([]byte, 1<<16)...)
	done := make(chan error, 2)
	x.Done = func(_ []byte, err error) { done <- err }
	u.Ask(x)
	if err := <-done; !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("got %v, want %v", err, syscall.EMSGSIZE)
	}
	if n := u.config.Deadlines.count; n != 0 {
		t.Errorf("got %d exchanges in the wheel, want 0", n)
	}
}

func TestUpstreamThatComesBackIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") })
	u := newUpstream(t, s.Addr)
	source, send := sourceOf(t, u)
	source.fail(syscall.ECONNREFUSED)
	if err := source.send(question(t, "www.example.com.", dns.TypeA, patience)); !errors.Is(err, errRetired) {
		t.Errorf("send on the failed socket: got %v, want %v", err, errRetired)
	}
	_ = send
	if got := ask(t, u, "www.example.com.", patience); got.records() != "A 192.0.2.1" {
		t.Errorf("got %q, want A 192.0.2.1", got.records())
	}
	counted(t, "up", u.meter.up, 1)
}

func TestTruncatedReplyIsAskedAgainOverTCP(t *testing.T) {
	t.Parallel()
	ids := make(chan uint16, 2)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		ids <- binary.BigEndian.Uint16(q.Wire)
		if q.TCP {
			q.Answer("60 A 192.0.2.1", "60 A 192.0.2.2")
			return
		}
		q.Truncate()
	})
	u := newUpstream(t, s.Addr)
	if got := ask(t, u, "www.example.com.", patience); got.records() != "A 192.0.2.1, A 192.0.2.2" {
		t.Errorf("got %q, want A 192.0.2.1, A 192.0.2.2", got.records())
	}
	if s.QueriesUDP() != 1 || s.QueriesTCP() != 1 {
		t.Errorf("got %d queries over UDP and %d over TCP, want 1 and 1", s.QueriesUDP(), s.QueriesTCP())
	}
	if udp, tcp := <-ids, <-ids; udp == tcp {
		t.Errorf("got id %d twice, want another over TCP", udp)
	}
	counted(t, "truncated", u.meter.truncated, 1)
	counted(t, "answered", u.meter.answered, 1)
}

func TestTruncatedReplyAndNoTCPIsAFailure(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.TCP {
			q.Hangup()
			return
		}
		q.Truncate()
	})
	u := newUpstream(t, s.Addr)
	got := ask(t, u, "www.example.com.", patience)
	if got.err == nil || errors.Is(got.err, ErrTimeout) || got.took > atOnce {
		t.Errorf("got %q and %v after %v, want an error at once", got.reply, got.err, got.took)
	}
}

func TestResultsAreCounted(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		switch q.Message().Question[0].Name {
		case "yes.":
			q.Answer("60 A 192.0.2.1")
		case "no.":
			q.Deny()
		case "refused.":
			q.Rcode(dns.RcodeRefused)
		}
	})
	u := newUpstream(t, s.Addr)
	for _, qname := range []string{"yes.", "no.", "no.", "refused."} {
		if got := ask(t, u, qname, patience); got.err != nil {
			t.Errorf("%s: %v", qname, got.err)
		}
	}
	counted(t, "answered", u.meter.answered, 1)
	counted(t, "nxdomain", u.meter.negative, 2)
	counted(t, "failed", u.meter.failed, 1)
	counted(t, "up", u.meter.up, 1)
}
