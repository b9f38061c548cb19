package upstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
	"notyet/wire"
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

func TestQueryArrivesAsItWasGivenIfItIsToBeSo(t *testing.T) {
	t.Parallel()
	arrived := make(chan []byte, 1)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		arrived <- q.Wire
		q.Deny()
	})
	u := newUnder(t).upstreamOfPorts(t, s.Addr)
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

func TestQueryAsksForRepliesOfAtMost1232Bytes(t *testing.T) {
	t.Parallel()
	arrived := make(chan *dns.Msg, 1)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		arrived <- q.Message()
		q.Deny()
	})
	under := newUnder(t)
	for _, tcp := range []bool{false, true} {
		u := under.upstream(t, s.Addr, tcp)
		for _, do := range []bool{false, true} {
			x := question(t, "www.example.com.", dns.TypeAAAA, patience)
			x.Query = wire.AppendQuery(x.Query[:0], x.Name, x.Type, wire.RD|wire.CD, do)
			done := make(chan struct{})
			x.Done = func([]byte, error) { close(done) }
			u.Ask(x)
			wait(t, done, "the reply")
			m := <-arrived
			if o := m.IsEdns0(); o == nil || o.UDPSize() != 1232 || o.Do() != do || o.Version() != 0 || !m.RecursionDesired || !m.CheckingDisabled {
				t.Errorf("%v: got %v, want an OPT with 1232 bytes and do %v, rd and cd", u, m, do)
			}
		}
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
}

func TestErrorOfASocketEndsAllThatIsUnderWayThere(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	u := newUpstream(t, s.Addr)
	source, send := sourceOf(t, u)
	one, two := send("one.example.com."), send("two.example.com.")
	source.Receive(nil, nil, syscall.EHOSTUNREACH)
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
