package server

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// client is a connection to a server, over UDP or TCP.
type client struct {
	net.Conn
}

func dial(t *testing.T, proto string, addr netip.AddrPort) client {
	t.Helper()
	c, err := net.Dial(proto, addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return client{c}
}

func (f *fixture) dial(t *testing.T, proto string) client {
	t.Helper()
	return dial(t, proto, f.addr)
}

// isStream says whether messages need their length before them.
func (c client) isStream() bool {
	_, packets := c.Conn.(net.PacketConn)
	return !packets
}

// send sends a message as it is.
func (c client) send(t testing.TB, b []byte) {
	t.Helper()
	if c.isStream() {
		b = framed(b)
	}
	if _, err := c.Write(b); err != nil {
		t.Fatalf("send %x: %v", b, err)
	}
}

// sendAgain sends a message that often over a stream, from any goroutine.
func (c client) sendAgain(t testing.TB, b []byte, times int) {
	for range times {
		if _, err := c.Write(framed(b)); err != nil {
			t.Errorf("send %x: %v", b, err)
			return
		}
	}
}

// framed puts a message behind its length (RFC 1035, section 4.2.2).
func framed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// receive waits for the next message.
func (c client) receive() ([]byte, error) {
	if !c.isStream() {
		b := make([]byte, wire.MaxMessage)
		n, err := c.Read(b)
		return b[:n], err
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(c, b)
	return b, err
}

// reply waits for the next message and takes it apart.
func (c client) reply(t testing.TB) *dns.Msg {
	t.Helper()
	b, err := c.receive()
	if err != nil {
		t.Fatalf("no reply: %v", err)
	}
	m := &dns.Msg{}
	if err := m.Unpack(b); err != nil {
		t.Fatalf("got %x, which is no message: %v", b, err)
	}
	return m
}

// ask sends a query and waits for the reply.
func (c client) ask(t testing.TB, q *dns.Msg) *dns.Msg {
	t.Helper()
	c.send(t, pack(t, q))
	m := c.reply(t)
	if m.Id != q.Id {
		t.Fatalf("%s: got id %d, want %d", q.Question[0].String(), m.Id, q.Id)
	}
	return m
}

// query makes one from "www.example.com. A", with "CH" or "TYPE1234" where it matters, and recursion desired.
func query(text string, change ...func(*dns.Msg)) *dns.Msg {
	fields := strings.Fields(text)
	q := &dns.Msg{Question: []dns.Question{{Name: fields[0], Qclass: dns.ClassINET}}}
	q.Id, q.RecursionDesired = dns.Id(), true
	for _, f := range fields[1:] {
		if class, ok := dns.StringToClass[f]; ok && f != "ANY" {
			q.Question[0].Qclass = class
		} else if n, err := strconv.ParseUint(strings.TrimPrefix(f, "TYPE"), 10, 16); err == nil {
			q.Question[0].Qtype = uint16(n)
		} else {
			q.Question[0].Qtype = dns.StringToType[f]
		}
	}
	for _, c := range change {
		c(q)
	}
	return q
}

// edns gives a query an OPT.
func edns(size uint16, options ...dns.EDNS0) func(*dns.Msg) {
	return func(q *dns.Msg) {
		opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}, Option: options}
		opt.SetUDPSize(size)
		q.Extra = append(q.Extra, opt)
	}
}

// do sets the DO flag of a query that has an OPT.
func do(q *dns.Msg) { q.IsEdns0().SetDo() }

func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Copy().Pack() // which changes the OPT
	if err != nil {
		t.Fatalf("pack %v: %v", m, err)
	}
	return b
}

// render writes a reply in one line: rcode and flags, question, records without TTL, OPT.
func render(m *dns.Msg) string {
	var b strings.Builder
	if m.Opcode != dns.OpcodeQuery {
		b.WriteString(strconv.Itoa(m.Opcode) + " ")
	}
	b.WriteString(wire.RcodeName(m.Rcode))
	for _, flag := range []struct {
		name string
		set  bool
	}{
		{"qr", m.Response},
		{"aa", m.Authoritative},
		{"tc", m.Truncated},
		{"rd", m.RecursionDesired},
		{"ra", m.RecursionAvailable},
		{"ad", m.AuthenticatedData},
		{"cd", m.CheckingDisabled},
	} {
		if flag.set {
			b.WriteString(" " + flag.name)
		}
	}
	for _, q := range m.Question {
		b.WriteString(" | " + q.Name + " " + dns.Class(q.Qclass).String() + " " + dns.Type(q.Qtype).String())
	}
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, r := range section {
			if opt, ok := r.(*dns.OPT); ok {
				b.WriteString(" | " + renderOPT(opt))
				continue
			}
			fields := strings.Fields(r.String())
			b.WriteString(" | " + strings.Join(slices.Delete(fields, 1, 2), " "))
		}
	}
	return b.String()
}

func renderOPT(opt *dns.OPT) string {
	text := "OPT " + strconv.Itoa(int(opt.UDPSize()))
	if opt.Do() {
		text += " do"
	}
	for _, o := range opt.Option {
		switch o := o.(type) {
		case *dns.EDNS0_TCP_KEEPALIVE:
			text += " keepalive " + strconv.Itoa(int(o.Timeout))
		case *dns.EDNS0_EDE:
			text += " EDE " + strconv.Itoa(int(o.InfoCode))
		default:
			text += " " + o.String()
		}
	}
	return text
}
