package upstreamtest

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Query is a query that came in. It may be answered at any time and from any goroutine, several times or never.
type Query struct {
	Wire   []byte
	TCP    bool
	Client netip.AddrPort
	Nth    int // of those over the same protocol; from 1

	send func([]byte)
	conn net.Conn // nil over UDP
}

// NewQuery is a query that came over a connection of the test's own.
func NewQuery(m []byte, c net.Conn) *Query {
	return &Query{Wire: m, TCP: true, conn: c, send: func(m []byte) {
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	}}
}

// Send sends m as the reply, with its length before it over TCP.
func (q *Query) Send(m []byte) { q.send(m) }

// SendRaw sends b as it is over TCP.
func (q *Query) SendRaw(b []byte) { _, _ = q.conn.Write(b) }

// Hangup closes the TCP connection that the query came over.
func (q *Query) Hangup() { q.conn.Close() }

// Message is the query, unpacked, with its qname in lower case; one that does not unpack has no question.
func (q *Query) Message() *dns.Msg {
	m := new(dns.Msg)
	_ = m.Unpack(q.Wire)
	for i := range m.Question {
		m.Question[i].Name = strings.ToLower(m.Question[i].Name)
	}
	return m
}

// Qname is the qname in the spelling of the query.
func (q *Query) Qname() string {
	m := new(dns.Msg)
	_ = m.Unpack(q.Wire)
	return m.Question[0].Name
}

// Cookie is the cookie of the query, nil if it has none.
func (q *Query) Cookie() []byte {
	for _, o := range options(q.Message()) {
		if c, ok := o.(*dns.EDNS0_COOKIE); ok {
			b, _ := hex.DecodeString(c.Cookie)
			return b
		}
	}
	return nil
}

func options(m *dns.Msg) []dns.EDNS0 {
	if opt := m.IsEdns0(); opt != nil {
		return opt.Option
	}
	return nil
}

// WithCookie puts a cookie into a reply to a query with EDNS.
func WithCookie(m *dns.Msg, cookie []byte) *dns.Msg {
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(cookie)})
	return m
}

// Answer replies NOERROR with these records of the qname, written as in "60 A 192.0.2.1".
func (q *Query) Answer(records ...string) { q.Send(Answer(q.Wire, records...)) }

// Deny replies NXDOMAIN with the SOA of the root zone, whose negative TTL is 60 s.
func (q *Query) Deny() { q.Send(Deny(q.Wire)) }

// Rcode replies with an rcode and nothing else.
func (q *Query) Rcode(rcode int) { q.Send(Rcode(q.Wire, rcode)) }

// Truncate replies that the answer is too long for UDP.
func (q *Query) Truncate() {
	m := Reply(q.Wire)
	m.Truncated = true
	q.Send(Pack(m))
}

// Reply is the reply to a query, NOERROR without records and with an OPT, for the caller to change.
func Reply(query []byte) *dns.Msg {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		panic("upstreamtest: not a query: " + err.Error())
	}
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	m.CheckingDisabled = q.CheckingDisabled
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
	}
	return m
}

// Answer is a reply with records of the qname, written as in "60 A 192.0.2.1".
func Answer(query []byte, records ...string) []byte {
	m := Reply(query)
	for _, r := range records {
		m.Answer = append(m.Answer, RR(m.Question[0].Name+" "+r))
	}
	return Pack(m)
}

// Deny is NXDOMAIN with the SOA of the root zone, whose negative TTL is 60 s.
func Deny(query []byte) []byte {
	m := Reply(query)
	m.Rcode = dns.RcodeNameError
	m.Ns = []dns.RR{RR(". 60 SOA ns.example. admin.example. 1 7200 900 1209600 60")}
	return Pack(m)
}

// Rcode is a reply with an rcode and nothing else.
func Rcode(query []byte, rcode int) []byte {
	m := Reply(query)
	m.Rcode = rcode
	return Pack(m)
}

// Failed is SERVFAIL with an extended error.
func Failed(query []byte, code uint16, text string) []byte {
	m := Reply(query)
	m.Rcode = dns.RcodeServerFailure
	if m.IsEdns0() == nil {
		m.SetEdns0(1232, false)
	}
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: text})
	return Pack(m)
}

// RR reads a record in the form of a zone file.
func RR(s string) dns.RR {
	rr, err := dns.NewRR(s)
	if err != nil {
		panic("upstreamtest: " + err.Error())
	}
	return rr
}

// Pack is the message in wire format.
func Pack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		panic("upstreamtest: " + err.Error())
	}
	return b
}
