//go:build e2e && linux

package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// patience is how long a client waits for an answer, which takes notyet 5 s at most.
const patience = 10 * time.Second

// An option changes a query.
type option func(*dns.Msg)

func withDO(m *dns.Msg) { m.SetEdns0(1232, true) }
func withCD(m *dns.Msg) { m.CheckingDisabled = true }
func withAD(m *dns.Msg) { m.AuthenticatedData = true }

// withEDNS adds an OPT that says how many bytes the client takes over UDP.
func withEDNS(size uint16, options ...dns.EDNS0) option {
	return func(m *dns.Msg) {
		m.SetEdns0(size, false)
		m.IsEdns0().Option = options
	}
}

// ask is a query as a stub sends it: RD set, no EDNS unless an option says so.
func ask(qname string, qtype uint16, options ...option) *dns.Msg {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(qname), qtype)
	for _, o := range options {
		o(m)
	}
	return m
}

func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatalf("pack %v: %v", m.Question, err)
	}
	return b
}

// A client is one socket: connected UDP, so that only replies from the address asked come in, or a TCP connection.
type client struct {
	net.Conn
	proto string // "udp" or "tcp"
}

func dial(t testing.TB, proto string, at netip.AddrPort) *client {
	t.Helper()
	var conn net.Conn
	// With its backlog full a listener drops the connection that is coming in.
	err := errors.New("not tried")
	testbed.Within(patience, func() bool {
		conn, err = net.DialTimeout(proto, at.String(), patience)
		return err == nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{Conn: conn, proto: proto}
}

// frame puts the length before a message that goes over TCP (RFC 1035, section 4.2.2).
func frame(packet []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
}

// send sends a message; that the other end has closed the connection is no fault here.
func (c *client) send(packet []byte) error {
	if c.proto == "tcp" {
		packet = frame(packet)
	}
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	_, err := c.Write(packet)
	return err
}

// receive returns the next message.
func (c *client) receive(timeout time.Duration) ([]byte, error) {
	_ = c.SetReadDeadline(time.Now().Add(timeout))
	if c.proto == "udp" {
		buf := make([]byte, 65536)
		n, err := c.Read(buf)
		return buf[:n], err
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(c, buf)
	return buf, err
}

// exchange sends a query and returns the reply, checked for what is true of every reply.
func (c *client) exchange(t testing.TB, q *dns.Msg) *dns.Msg {
	t.Helper()
	if err := c.send(pack(t, q)); err != nil {
		t.Fatalf("%s %s: send: %v", c.proto, describe(q), err)
	}
	b, err := c.receive(patience)
	if err != nil {
		t.Fatalf("%s %s: no answer: %v", c.proto, describe(q), err)
	}
	return parse(t, q, b)
}

// parse unpacks the reply to a query and checks what is true of every reply.
func parse(t testing.TB, q *dns.Msg, b []byte) *dns.Msg {
	t.Helper()
	r := new(dns.Msg)
	if err := r.Unpack(b); err != nil {
		t.Fatalf("%s: unpack the reply %x: %v", describe(q), b, err)
	}
	switch {
	case r.Id != q.Id:
		t.Errorf("%s: got id %d, want %d", describe(q), r.Id, q.Id)
	case !r.Response:
		t.Errorf("%s: got QR clear in the reply", describe(q))
	case len(r.Question) != 1 || r.Question[0] != q.Question[0]:
		t.Errorf("%s: got question %v, want it as asked", describe(q), r.Question)
	case !r.RecursionAvailable:
		t.Errorf("%s: got RA clear", describe(q))
	case r.Authoritative:
		t.Errorf("%s: got AA set", describe(q))
	case r.RecursionDesired != q.RecursionDesired:
		t.Errorf("%s: got RD %v, want %v as asked", describe(q), r.RecursionDesired, q.RecursionDesired)
	case r.CheckingDisabled != q.CheckingDisabled:
		t.Errorf("%s: got CD %v, want %v as asked", describe(q), r.CheckingDisabled, q.CheckingDisabled)
	case r.AuthenticatedData && !q.AuthenticatedData && !wantsDO(q):
		t.Errorf("%s: got AD set, although neither AD nor DO was", describe(q))
	}
	checkOPT(t, q, r)
	return r
}

// checkOPT checks that a reply has an OPT when the query had one, and what is in it.
func checkOPT(t testing.TB, q, r *dns.Msg) {
	t.Helper()
	var opts []*dns.OPT
	for _, rr := range r.Extra {
		if o, ok := rr.(*dns.OPT); ok {
			opts = append(opts, o)
		}
	}
	if q.IsEdns0() == nil {
		if len(opts) != 0 {
			t.Errorf("%s: got an OPT, want none because none was asked for", describe(q))
		}
		return
	}
	if len(opts) != 1 {
		t.Errorf("%s: got %d OPTs, want 1", describe(q), len(opts))
		return
	}
	if got := opts[0].UDPSize(); got != 1232 {
		t.Errorf("%s: got EDNS size %d, want 1232", describe(q), got)
	}
	if got := opts[0].Version(); got != 0 {
		t.Errorf("%s: got EDNS version %d, want 0", describe(q), got)
	}
	if got, want := opts[0].Do(), wantsDO(q); got != want {
		t.Errorf("%s: got DO %v, want %v as asked", describe(q), got, want)
	}
}

func wantsDO(q *dns.Msg) bool {
	o := q.IsEdns0()
	return o != nil && o.Do()
}

// over asks a server one question over UDP or TCP on a socket of its own.
func over(t testing.TB, proto string, at netip.AddrPort, q *dns.Msg) *dns.Msg {
	t.Helper()
	c := dial(t, proto, at)
	defer c.Close()
	return c.exchange(t, q)
}

// lookup asks over UDP and, when the reply is truncated, over TCP, as a stub does.
func lookup(t testing.TB, at netip.AddrPort, q *dns.Msg) *dns.Msg {
	t.Helper()
	if r := over(t, "udp", at, q); !r.Truncated {
		return r
	}
	return over(t, "tcp", at, q)
}

// direct asks a server that is not notyet, over TCP, so that it gives all it has.
func direct(t testing.TB, at netip.AddrPort, q *dns.Msg) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: "tcp", Timeout: patience}
	r, _, err := c.Exchange(q, at.String())
	if err != nil {
		t.Fatalf("ask %v for %s: %v", at, describe(q), err)
	}
	return r
}

// describe says in one line what was asked.
func describe(q *dns.Msg) string {
	if len(q.Question) != 1 {
		return "no question"
	}
	s := strings.TrimSpace(strings.TrimPrefix(q.Question[0].String(), ";"))
	s = strings.Join(strings.Fields(s), " ")
	if q.CheckingDisabled {
		s += " +cd"
	}
	if q.AuthenticatedData {
		s += " +ad"
	}
	if o := q.IsEdns0(); o != nil {
		s += " +edns"
		if o.Do() {
			s += " +do"
		}
	}
	return s
}

// rcode names an rcode.
func rcode(code int) string {
	if s, ok := dns.RcodeToString[code]; ok {
		return s
	}
	return fmt.Sprintf("RCODE%d", code)
}

func wantRcode(t testing.TB, q, r *dns.Msg, want int) {
	t.Helper()
	if r.Rcode != want {
		t.Errorf("%s: got %s, want %s\n%v", describe(q), rcode(r.Rcode), rcode(want), r)
	}
}

// label is the i-th label of names that must differ, with its dot.
func label(i int) string { return fmt.Sprintf("n%d.", i) }
