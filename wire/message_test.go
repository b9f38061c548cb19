package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const testID = 0x1234

// message is a DNS message as people write it; miekg/dns makes the bytes.
type message struct {
	question string // "www.example. A"
	rcode    int
	flags    Flags // as they stand in the header, QR included
	// The sections are lines of a zone file.
	answer, authority, additional string
	opt                           *dns.OPT // the last of the additional section
}

func (m message) pack(t testing.TB) []byte {
	t.Helper()
	name, qtype := question(t, m.question)
	msg := &dns.Msg{Compress: true}
	msg.Id, msg.Rcode = testID, m.rcode
	msg.Question = []dns.Question{{Name: name, Qtype: qtype, Qclass: dns.ClassINET}}
	msg.Answer, msg.Ns, msg.Extra = records(t, m.answer), records(t, m.authority), records(t, m.additional)
	if m.opt != nil {
		msg.Extra = append(msg.Extra, m.opt)
	}
	b, err := msg.Pack()
	if err != nil {
		t.Fatalf("pack %+v: %v", m, err)
	}
	b[2], b[3] = b[2]|byte(m.flags>>8), b[3]|byte(m.flags)
	return b
}

// parse packs the message and reads it as the reply to its own question.
func (m message) parse(t testing.TB) *Reply {
	t.Helper()
	name, qtype := question(t, m.question)
	m.flags |= QR
	var r Reply
	if err := ParseReply(m.pack(t), wireName(t, name), qtype, &r); err != nil {
		t.Fatalf("%+v: %v", m, err)
	}
	return &r
}

// question takes "www.example. A" apart.
func question(t testing.TB, s string) (name string, qtype uint16) {
	t.Helper()
	name, typeName, _ := strings.Cut(s, " ")
	qtype, ok := dns.StringToType[typeName]
	if !ok {
		if _, err := fmt.Sscanf(typeName, "TYPE%d", &qtype); err != nil {
			t.Fatalf("question %q: no type", s)
		}
	}
	return name, qtype
}

func records(t testing.TB, zone string) (rrs []dns.RR) {
	t.Helper()
	zp := dns.NewZoneParser(strings.NewReader(zone), "", "")
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		rrs = append(rrs, rr)
	}
	if err := zp.Err(); err != nil {
		t.Fatalf("records %q: %v", zone, err)
	}
	return rrs
}

// opt is an OPT record that announces UDPSize and has the given options.
func opt(options ...dns.EDNS0) *dns.OPT {
	o := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}, Option: options}
	o.SetUDPSize(UDPSize)
	return o
}

// optWords is what an OPT record says.
func optWords(o *dns.OPT) string {
	s := fmt.Sprintf("version %d", o.Version())
	if o.Do() {
		s += " do"
	}
	s += fmt.Sprintf(" size %d", o.UDPSize())
	for _, option := range o.Option {
		switch option := option.(type) {
		case *dns.EDNS0_EDE:
			s += fmt.Sprintf(" ede %d %s", option.InfoCode, option.ExtraText)
		case *dns.EDNS0_LOCAL:
			s += fmt.Sprintf(" option %d %s", option.Code, option.Data)
		default:
			s += fmt.Sprintf(" option %d", option.Option())
		}
	}
	return s
}

func unpack(t testing.TB, b []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		t.Fatalf("unpack %x: %v", b, err)
	}
	// Of these miekg/dns is lenient.
	if _, end := ttlOffsets(t, b); end != len(b) || int(be16(b, 4)) != len(m.Question) || int(be16(b, 6)) != len(m.Answer) ||
		int(be16(b, 8)) != len(m.Ns) || int(be16(b, 10)) != len(m.Extra) {
		t.Fatalf("the counts or the end of %x are not those of %v", b, m)
	}
	return m
}

// ttlOffsets finds the TTLs of the message by miekg/dns alone, and its end.
func ttlOffsets(t testing.TB, b []byte) (ttls []int, end int) {
	t.Helper()
	name := func(off int) int {
		_, end, err := dns.UnpackDomainName(b, off)
		if err != nil {
			t.Fatalf("name at %d of %x: %v", off, b, err)
		}
		return end
	}
	end = HeaderLen
	for range be16(b, 4) {
		end = name(end) + 4
	}
	for range int(be16(b, 6)) + int(be16(b, 8)) + int(be16(b, 10)) {
		ttls = append(ttls, name(end)+4)
		_, next, err := dns.UnpackRR(b, end)
		if err != nil {
			t.Fatalf("record at %d of %x: %v", end, b, err)
		}
		end = next
	}
	return ttls, end
}

// wireName is the name in wire format and in its spelling; unlike Name it takes no escapes.
func wireName(t testing.TB, s string) []byte {
	t.Helper()
	b := make([]byte, 2*MaxName)
	n, err := dns.PackDomainName(dns.Fqdn(s), b, 0, nil, false)
	if err != nil {
		t.Fatalf("name %q: %v", s, err)
	}
	return b[:n]
}

// longName is a wire-format name of n bytes, from 1 up.
func longName(n int) (name []byte) {
	for left := n - 1; left > 0; {
		label := min(left-1, 63)
		if left-1-label == 1 {
			label-- // one byte is no label
		}
		name = append(name, byte(label))
		name = append(name, strings.Repeat("a", label)...)
		left -= 1 + label
	}
	return append(name, 0)
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// rr is a resource record of class IN with TTL 300 around any bytes.
func rr(owner []byte, rtype uint16, rdata ...byte) []byte {
	b := binary.BigEndian.AppendUint16(append([]byte(nil), owner...), rtype)
	b = append(b, 0, 1, 0, 0, 300>>8, 300&0xFF)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(rdata))), rdata...)
}
