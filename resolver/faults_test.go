package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

// transports are the ways in which an upstream is asked.
var transports = []string{"udp", "tcp", "tls", "https"}

// result is what a client got, when, and how many queries an upstream saw over UDP and TCP.
type result struct {
	text     string
	took     time.Duration
	udp, tcp int
}

const fromFirst, fromSecond = "NOERROR A 192.0.2.1", "NOERROR A 192.0.2.2"

// faultRow is a fault of an upstream that is asked over one transport: alone, and before one that is well.
type faultRow struct {
	name        string
	transport   string // one or several; empty: all of them
	fault       fault
	certificate string // of the server
	alone       result
	beside      result // with the queries of the one with the fault; the other sees one, unless the text is that of the first
}

// Over HTTPS a response belongs to its request: the id does not count, and there is no other to wait for.
const streams, secure, butHTTPS = "tcp tls https", "tls https", "udp tcp tls"

// answers with an address is what a server without fault does.
func answers(address string) fault {
	return func(p *packet) { p.send(upstreamtest.Answer(p.query, "60 A "+address)) }
}

func replies(rcode int) fault {
	return func(p *packet) { p.send(upstreamtest.Rcode(p.query, rcode)) }
}

func silence(*packet) {}

// cutOff sends an answer that ends in its record.
func cutOff(p *packet) {
	m := p.answer()
	p.send(m[:len(m)-20])
}

// truncated answers over UDP that there is more over TCP.
func truncated(overTCP fault) fault {
	return func(p *packet) {
		if p.tcp {
			overTCP(p)
			return
		}
		m := upstreamtest.Reply(p.query)
		m.Truncated = true
		p.send(upstreamtest.Pack(m))
	}
}

// refers names other servers.
func refers(p *packet) {
	m := upstreamtest.Reply(p.query)
	m.Ns = []dns.RR{upstreamtest.RR("com. 60 NS ns.example.net.")}
	p.send(upstreamtest.Pack(m))
}

func (p *packet) answer() []byte { return upstreamtest.Answer(p.query, "60 A 192.0.2.1") }

// A timeout is told when the wheel of deadlines next turns.
const wheelTicks = 20 * time.Millisecond

var faults = []faultRow{
	{
		name: "none", fault: answers("192.0.2.1"),
		alone: result{text: fromFirst, udp: 1, tcp: 1}, beside: result{text: fromFirst, udp: 1, tcp: 1},
	},
	{
		name: "silence", fault: silence,
		alone:  result{text: `SERVFAIL 22 "timeout"`, took: 5 * time.Second, udp: 3, tcp: 3},
		beside: result{text: fromSecond, took: 50 * ms, udp: 1, tcp: 1},
	},
	{
		name: "nobody there", fault: nil,
		alone:  result{text: `SERVFAIL 23 "connection refused"`, udp: 1},
		beside: result{text: fromSecond, udp: 1},
	},
	{
		name: "slow", fault: after(40*ms, answers("192.0.2.1")),
		alone:  result{text: fromFirst, took: 40 * ms, udp: 1, tcp: 1},
		beside: result{text: fromFirst, took: 40 * ms, udp: 1, tcp: 1},
	},
	{
		name: "slower than usual", fault: after(300*ms, answers("192.0.2.1")),
		alone:  result{text: fromFirst, took: 300 * ms, udp: 1, tcp: 1},
		beside: result{text: fromSecond, took: 50 * ms, udp: 1, tcp: 1},
	},
	{
		name: "too late", transport: "udp", fault: after(3500*ms, answers("192.0.2.1")),
		alone:  result{text: `SERVFAIL 22 "timeout"`, took: 5 * time.Second, udp: 3},
		beside: result{text: fromSecond, took: 50 * ms, udp: 1},
	},
	{
		name: "SERVFAIL", fault: replies(dns.RcodeServerFailure),
		alone:  result{text: `SERVFAIL 0 "SERVFAIL"`, udp: 1, tcp: 1},
		beside: result{text: fromSecond, udp: 1, tcp: 1},
	},
	{
		name: "REFUSED", fault: replies(dns.RcodeRefused),
		alone:  result{text: `SERVFAIL 0 "REFUSED"`, udp: 1, tcp: 1},
		beside: result{text: fromSecond, udp: 1, tcp: 1},
	},
	{
		name: "NOTIMP", transport: "udp", fault: replies(dns.RcodeNotImplemented),
		alone:  result{text: `SERVFAIL 0 "NOTIMP"`, udp: 3}, // with a cookie, with EDNS, and without
		beside: result{text: fromSecond, udp: 3},
	},
	{
		name: "NOTIMP", transport: "tcp tls", fault: replies(dns.RcodeNotImplemented),
		alone:  result{text: `SERVFAIL 0 "NOTIMP"`, tcp: 2}, // with EDNS, and without
		beside: result{text: fromSecond, tcp: 2},
	},
	{
		name: "NOTIMP", transport: "https", fault: replies(dns.RcodeNotImplemented),
		alone:  result{text: `SERVFAIL 0 "NOTIMP"`, tcp: 1},
		beside: result{text: fromSecond, tcp: 1},
	},
	{
		name: "a referral", fault: refers,
		alone:  result{text: `SERVFAIL 0 "a referral: it does not recurse"`, udp: 1, tcp: 1},
		beside: result{text: fromSecond, udp: 1, tcp: 1},
	},
	{
		name: "garbage behind the question", fault: cutOff,
		alone:  result{text: `SERVFAIL 24 "malformed message"`, udp: 1, tcp: 1},
		beside: result{text: fromSecond, udp: 1, tcp: 1},
	},
	{
		name: "garbage", transport: butHTTPS, fault: func(p *packet) { p.send([]byte("garbage")) },
		alone:  result{text: `SERVFAIL 22 "timeout"`, took: 5 * time.Second, udp: 3, tcp: 3},
		beside: result{text: fromSecond, took: 50 * ms, udp: 1, tcp: 1},
	},
	{
		name: "another id, then the right one", fault: func(p *packet) { p.send(wrongID(p.answer())); p.send(p.answer()) },
		alone: result{text: fromFirst, udp: 1, tcp: 1}, beside: result{text: fromFirst, udp: 1, tcp: 1},
	},
	{
		name: "another id", transport: butHTTPS, fault: func(p *packet) { p.send(wrongID(p.answer())) },
		alone:  result{text: `SERVFAIL 22 "timeout"`, took: 5 * time.Second, udp: 3, tcp: 3},
		beside: result{text: fromSecond, took: 50 * ms, udp: 1, tcp: 1},
	},
	{
		name: "an answer to something else", transport: butHTTPS, fault: func(p *packet) {
			m := upstreamtest.Reply(p.query)
			m.Question[0].Name = "other.example.com."
			p.send(upstreamtest.Pack(m))
		},
		alone:  result{text: `SERVFAIL 22 "timeout"`, took: 5 * time.Second, udp: 3, tcp: 3},
		beside: result{text: fromSecond, took: 50 * ms, udp: 1, tcp: 1},
	},
	{
		name: "the same reply twice", fault: func(p *packet) { p.send(p.answer()); p.send(p.answer()) },
		alone: result{text: fromFirst, udp: 1, tcp: 1}, beside: result{text: fromFirst, udp: 1, tcp: 1},
	},
	{
		name: "truncated", transport: "udp", fault: truncated(answers("192.0.2.1")),
		alone: result{text: fromFirst, udp: 1, tcp: 1}, beside: result{text: fromFirst, udp: 1, tcp: 1},
	},
	{
		name: "truncated, and silence over TCP", transport: "udp", fault: truncated(silence),
		alone:  result{text: `SERVFAIL 22 "timeout"`, took: 5 * time.Second, udp: 3, tcp: 3},
		beside: result{text: fromSecond, took: 50 * ms, udp: 1, tcp: 1},
	},
	{
		name: "truncated, and SERVFAIL over TCP", transport: "udp", fault: truncated(replies(dns.RcodeServerFailure)),
		alone:  result{text: `SERVFAIL 0 "SERVFAIL"`, udp: 1, tcp: 1},
		beside: result{text: fromSecond, udp: 1, tcp: 1},
	},
	{
		name: "silence after half an answer", transport: streams, fault: func(p *packet) { p.raw(append([]byte{0, 100}, p.answer()[:20]...)) },
		alone:  result{text: `SERVFAIL 22 "timeout"`, took: 5 * time.Second, tcp: 3},
		beside: result{text: fromSecond, took: 50 * ms, tcp: 1},
	},
	{
		name: "garbage over HTTPS", transport: "https", fault: func(p *packet) { p.send([]byte("garbage")) },
		alone:  result{text: `SERVFAIL 23 "answers another question"`, tcp: 1},
		beside: result{text: fromSecond, tcp: 1},
	},
	{
		name: "an answer to something else, over HTTPS", transport: "https", fault: func(p *packet) {
			m := upstreamtest.Reply(p.query)
			m.Question[0].Name = "other.example.com."
			p.send(upstreamtest.Pack(m))
		},
		alone:  result{text: `SERVFAIL 23 "answers another question"`, tcp: 1},
		beside: result{text: fromSecond, tcp: 1},
	},
	{
		name: "another id over HTTPS", transport: "https", fault: func(p *packet) { p.send(wrongID(p.answer())) },
		alone: result{text: fromFirst, tcp: 1}, beside: result{text: fromFirst, tcp: 1},
	},
	{
		name: "closed inside the answer, once", transport: streams, fault: func(p *packet) {
			if p.nth == 1 {
				closeInside(p)
				return
			}
			p.send(p.answer())
		},
		alone: result{text: fromFirst, tcp: 2}, beside: result{text: fromFirst, tcp: 2},
	},
	{
		name: "closed inside every answer", transport: streams, fault: closeInside,
		alone:  result{text: `SERVFAIL 23 "closed the connection without a whole reply"`, tcp: 2},
		beside: result{text: fromSecond, tcp: 2},
	},
	{
		name: "expired certificate", transport: secure, fault: answers("192.0.2.1"), certificate: "expired",
		alone: result{text: `SERVFAIL 23 "its certificate expired at 1999-12-31T23:00:00Z: its operator has to renew it, ` +
			`unless this machine's clock is wrong"`},
		beside: result{text: fromSecond},
	},
	{
		name: "certificate of another", transport: secure, fault: answers("192.0.2.1"), certificate: "another's",
		alone: result{text: `SERVFAIL 23 "its certificate is for dns.example.org, not for dns.example.net: ` +
			`write the right name or address"`},
		beside: result{text: fromSecond},
	},
}

func closeInside(p *packet) {
	p.raw(append([]byte{0, 100}, p.answer()[:20]...))
	p.close()
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range faults {
		for _, transport := range transports {
			if tt.transport != "" && !slices.Contains(strings.Fields(tt.transport), transport) {
				continue
			}
			t.Run(tt.name+" over "+transport, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) { tt.testAlone(t, transport) })
				inBubble(t, func(t *testing.T) { tt.testBeside(t, transport) })
			})
		}
	}
}

func (row faultRow) server() *server {
	return &server{addr: netip.MustParseAddrPort("192.0.2.53:53"), fault: row.fault, certificate: row.certificate}
}

func (row faultRow) testAlone(t *testing.T, transport string) {
	s := row.server()
	b := newBed(t, newUpstreamOf(t, s, transport))
	s.check(t, "alone", b.ask("www.example.com. A"), row.alone, row.seen(row.alone, transport))
}

func (row faultRow) testBeside(t *testing.T, transport string) {
	s := row.server()
	well := &server{addr: netip.MustParseAddrPort("192.0.2.54:53"), fault: answers("192.0.2.2")}
	b := newBed(t, newUpstreamOf(t, s, transport), newUpstreamOf(t, well, transport))
	a := b.ask("www.example.com. A")
	time.Sleep(10 * time.Second) // for what is late
	s.check(t, "beside another", a, row.beside, row.seen(row.beside, transport))
	want := 1
	if row.beside.text == fromFirst {
		want = 0
	}
	if n := int(well.udp.Load() + well.tcp.Load()); n != want {
		t.Errorf("the other saw %d queries, want %d", n, want)
	}
	synctest.Wait()
	b.idle()
}

// seen is how many queries the server is to see: over TCP and what is on top of it alone those in tcp, over UDP those in udp,
// and both when the row is about UDP alone.
func (row faultRow) seen(r result, transport string) result {
	switch {
	case row.transport == "udp":
	case transport == "udp":
		r.tcp = 0
	default:
		r.udp = 0
	}
	return r
}

// check compares what a client got, in whose text the upstream's name is left out.
func (s *server) check(t *testing.T, how string, a answer, want, seen result) {
	t.Helper()
	text := a.text
	for _, name := range []string{"notyet: tcp://" + s.addr.String() + ": ", "notyet: " + s.addr.String() + ": ", "connect: "} {
		text = strings.ReplaceAll(text, name, "")
	}
	if text != want.text || a.took < want.took || a.took > want.took+wheelTicks {
		t.Errorf("%s: got %s after %v, want %s after %v", how, text, a.took, want.text, want.took)
	}
	if udp, tcp := int(s.udp.Load()), int(s.tcp.Load()); udp != seen.udp || tcp != seen.tcp {
		t.Errorf("%s: it saw %d queries over UDP and %d over TCP, want %d and %d", how, udp, tcp, seen.udp, seen.tcp)
	}
}

// What comes after a fault has lasted: how many of 20 questions an upstream still gets, one each 100 ms.
func TestFaultThatLasts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault fault
		most  int
	}{
		{"silence", silence, 8}, // it takes half a second to be sure
		{"nobody there", nil, 3},
		{"REFUSED", replies(dns.RcodeRefused), 3},
		{"garbage behind the question", cutOff, 3},
	} {
		for _, transport := range transports {
			t.Run(tt.name+" over "+transport, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					s := &server{addr: netip.MustParseAddrPort("192.0.2.53:53"), fault: tt.fault}
					well := &server{addr: netip.MustParseAddrPort("192.0.2.54:53"), fault: answers("192.0.2.2")}
					b := newBed(t, newUpstreamOf(t, s, transport), newUpstreamOf(t, well, transport))
					for i := range 20 {
						a := b.ask(fmt.Sprintf("n%d.example.com. A", i))
						if a.text != fromSecond || a.took > 50*ms {
							t.Errorf("question %d: got %s after %v, want %s within 50 ms", i, a.text, a.took, fromSecond)
						}
						time.Sleep(100*ms - a.took)
					}
					if n := int(s.udp.Load() + s.tcp.Load()); n > tt.most {
						t.Errorf("it saw %d of 20 questions, want at most %d", n, tt.most)
					}
				})
			})
		}
	}
}
