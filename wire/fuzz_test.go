package wire

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// slow is longer than any message takes to read.
const slow = time.Second

func queries(t testing.TB) [][]byte {
	do := opt(&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "24a5ac1223344556"})
	do.SetDo()
	return [][]byte{
		message{question: "example.com. A", flags: RD}.pack(t),
		message{question: "wWw.eXample.cOm. AAAA", flags: RD | AD, opt: opt()}.pack(t),
		message{question: "_443._tcp.www.example.com. TLSA", flags: RD | CD, opt: do}.pack(t),
		message{question: ". NS"}.pack(t),
		message{question: "example.com. IXFR", authority: soa, opt: opt()}.pack(t),
		message{question: "example.com. HTTPS", flags: RD, opt: opt(
			&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE},
			&dns.EDNS0_PADDING{Padding: make([]byte, 64)},
			&dns.EDNS0_NSID{Code: dns.EDNS0NSID},
		)}.pack(t),
		message{question: "example.com. A", flags: RD, additional: "www.example.com. 300 A 192.0.2.1", opt: opt()}.pack(t),
		message{question: "example.com. SOA", flags: 4<<11 | AA, answer: soa}.pack(t),
		message{question: "example.com. SOA", flags: 5 << 11, authority: soa, opt: do}.pack(t),
		join(header(RD, 1, 0, 0, 2), AppendQuestion(nil, longName(MaxName), 65400, dns.ClassINET), AppendOPT(nil, 0, true, nil), AppendOPT(nil, 0, true, nil)),
	}
}

func replies(t testing.TB) [][]byte {
	return [][]byte{
		message{question: "www.example. A", flags: QR | RD | RA, answer: "www.example. 300 A 192.0.2.1\nwww.example. 60 A 192.0.2.2", opt: opt()}.pack(t),
		message{
			question: "wWw.Example. AAAA", flags: QR | RD | RA | AD,
			answer: "www.example. 300 CNAME web.example.\nwww.example. 300 RRSIG CNAME 13 2 300 20300101000000 20200101000000 1 example. AAAA\n" +
				"web.example. 60 AAAA 2001:db8::1",
			authority: "example. 3600 NS ns.example.", additional: "ns.example. 86400 A 192.0.2.53\nns.example. 4294967295 AAAA 2001:db8::53",
		}.pack(t),
		message{question: "gone.example. A", rcode: dns.RcodeNameError, flags: QR | AA, authority: soa, opt: opt(&dns.EDNS0_EDE{InfoCode: 30})}.pack(t),
		message{
			question: "gone.example. A", rcode: dns.RcodeNameError, flags: QR, answer: "gone.example. 30 CNAME far.example.",
			authority: soa + "example. 60 RRSIG SOA 13 1 300 20300101000000 20200101000000 1 example. AAAA\n" +
				"a.example. 60 NSEC z.example. A RRSIG NSEC\n" +
				"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. 60 NSEC3 1 1 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX",
		}.pack(t),
		message{question: "example. MX", flags: QR, answer: "example. 300 MX 10 mx.example.\nexample. 300 MX 20 mx.example.", additional: "mx.example. 1 A 192.0.2.1"}.pack(t),
		message{question: "example. SOA", flags: QR | AA, answer: soa}.pack(t),
		message{question: "1.2.0.192.in-addr.arpa. PTR", flags: QR, answer: "1.2.0.192.in-addr.arpa. 0 PTR www.example."}.pack(t),
		message{question: "_sip._udp.example. SRV", flags: QR, answer: "_sip._udp.example. 300 SRV 1 2 5060 sip.example."}.pack(t),
		message{question: "www.example. A", flags: QR, authority: "example. 300 NS ns.example.", additional: "ns.example. 300 A 192.0.2.53"}.pack(t),
		message{question: "www.example. A", rcode: dns.RcodeBadCookie, flags: QR, opt: opt()}.pack(t),
		message{question: "www.example. A", rcode: dns.RcodeServerFailure, flags: QR, opt: opt(&dns.EDNS0_EDE{InfoCode: 22, ExtraText: "timeout"})}.pack(t),
		message{question: "www.example. TXT", flags: QR, answer: `www.example. 300 TXT "a" "b"`}.pack(t),
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, b := range queries(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		packet := bytes.Clone(b)
		var q Query
		err := ParseQuery(b, &q)
		if !bytes.Equal(b, packet) {
			t.Fatalf("%x: the packet was changed to %x", packet, b)
		}
		if err == ErrIgnore {
			return
		}
		if q.ID != be16(b, 0) || q.Flags != Flags(be16(b, 2)) {
			t.Fatalf("%x: got id %x and flags %x", b, q.ID, q.Flags)
		}
		// Whatever is wrong with it can be answered.
		unpack(t, AppendAnswer(nil, &q, dns.RcodeFormatError, nil, nil))
		m := new(dns.Msg)
		unpackErr := m.Unpack(b)
		if err == ErrOpcode && unpackErr == nil && q.EDNS.Present && m.IsEdns0() == nil {
			t.Fatalf("%x: got %+v, want no OPT", b, q.EDNS)
		}
		if err != nil {
			return
		}

		if len(m.Question) != 1 {
			t.Fatalf("%x: taken, but miekg/dns: %v", b, unpackErr)
		}
		if got, want := (dns.Question{Name: String(q.Name), Qtype: q.Type, Qclass: q.Class}), m.Question[0]; got != want {
			t.Fatalf("%x: got question %v, want %v", b, got, want)
		}
		if unpackErr != nil {
			if plainEDNS(b, &q) {
				t.Fatalf("%x: taken, but miekg/dns: %v", b, unpackErr)
			}
			return
		}
		o := m.IsEdns0()
		if (o != nil) != q.EDNS.Present {
			t.Fatalf("%x: got %+v, want %v", b, q.EDNS, o)
		}
		if o == nil {
			return
		}
		want := EDNS{Present: true, Version: o.Version(), DO: o.Do(), Size: o.UDPSize()}
		want.Keepalive = slices.ContainsFunc(o.Option, func(e dns.EDNS0) bool { return e.Option() == dns.EDNS0TCPKEEPALIVE })
		if q.EDNS != want {
			t.Fatalf("%x: got %+v, want %+v", b, q.EDNS, want)
		}
	})
}

// plainEDNS reports whether the query that b was read as has, behind its question, at most an OPT, and in
// that only options whose contents miekg/dns takes as they are.
func plainEDNS(b []byte, q *Query) bool {
	if be16(b, 6) != 0 || be16(b, 8) != 0 || be16(b, 10) > 1 || !q.EDNS.Present {
		return be16(b, 6)|be16(b, 8)|be16(b, 10) == 0
	}
	options := b[HeaderLen+len(q.Name)+4+OPTLen:]
	for len(options) > 0 {
		n := be16(options, 2)
		switch be16(options, 0) {
		case dns.EDNS0NSID, dns.EDNS0COOKIE, dns.EDNS0PADDING:
		case dns.EDNS0TCPKEEPALIVE:
			if n != 0 && n != 2 {
				return false
			}
		default:
			return false
		}
		options = options[4+n:]
	}
	return true
}

func FuzzParseReply(f *testing.F) {
	for _, b := range replies(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name, qtype, ok := ownQuestion(b)
		if !ok {
			return
		}
		r, err := readAll(t, b, name, qtype)
		if err != nil {
			return
		}
		checkReply(t, b, r)
		checkRespelled(t, b, name, qtype, r)
	})
}

// readAll reads the reply and all that is found out of it later. It may be slow once, when the machine has other things to do.
func readAll(t *testing.T, b, name []byte, qtype uint16) (*Reply, error) {
	for try := 1; ; try++ {
		started := time.Now()
		r := new(Reply)
		err := ParseReply(b, name, qtype, r)
		if err == nil {
			if n := len(r.Target(nil)); n == 0 || n > MaxName {
				t.Fatalf("%x: a target of %d bytes", b, n)
			}
			r.Owners(func(owner []byte) {
				if plainName(owner, 0) != len(owner) {
					t.Fatalf("%x: got owner %x", b, owner)
				}
			})
		}
		d := time.Since(started)
		if d < slow {
			return r, err
		}
		if try == 3 {
			t.Fatalf("%x: took %v", b, d)
		}
	}
}

// checkRespelled checks that another spelling of the qname changes nothing else.
func checkRespelled(t *testing.T, b, name []byte, qtype uint16, r *Reply) {
	lower := AppendLower(nil, name)
	respelled := bytes.Clone(b)
	Respell(respelled, lower)
	got := new(Reply)
	if err := ParseReply(respelled, lower, qtype, got); err != nil || got.Kind != r.Kind || !slices.Equal(got.TTLs, r.TTLs) {
		t.Fatalf("%x: respelled to %x: got %+v, %v, want %+v", b, respelled, got, err, r)
	}
	if !bytes.Equal(bytes.ToLower(respelled), bytes.ToLower(b)) || !bytes.Equal(respelled[HeaderLen:][:len(lower)], lower) {
		t.Fatalf("%x: respelled to %x", b, respelled)
	}
}

// ownQuestion is the question that the reply itself has.
func ownQuestion(b []byte) (name []byte, qtype uint16, ok bool) {
	if len(b) < HeaderLen || len(b) > MaxMessage {
		return nil, 0, false
	}
	end := plainName(b, HeaderLen)
	if end < 0 || end+4 > len(b) {
		return nil, 0, false
	}
	return b[HeaderLen:end], be16(b, end), true
}

// checkReply compares what was read with what miekg/dns reads, if that takes the message.
func checkReply(t *testing.T, b []byte, r *Reply) {
	m := new(dns.Msg)
	if m.Unpack(b) != nil {
		return
	}
	if m.Rcode != r.Rcode || len(m.Answer) != r.Answers || len(m.Ns) != r.Authorities {
		t.Fatalf("%x: got %+v, want %v", b, r, m)
	}
	if o, found := FindOPT(b); found != (m.IsEdns0() != nil) || o.Rcode != r.Rcode&^0xF {
		t.Fatalf("%x: got the OPT %+v, %v, want that of %v", b, o, found, m)
	}
	// OPT ends what is kept of the additional section.
	end := len(m.Extra)
	if i := slices.IndexFunc(m.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT }); i >= 0 {
		end = i
	}
	if r.Additional != end {
		t.Fatalf("%x: got %d additional records, want %d of %v", b, r.Additional, end, m)
	}
	rrs := slices.Concat(m.Answer, m.Ns, m.Extra[:end])
	if len(r.TTLs) != len(rrs) {
		t.Fatalf("%x: got %d TTLs, want %d", b, len(r.TTLs), len(rrs))
	}
	lowest := uint32(0)
	var soa *dns.SOA
	for i, rr := range rrs {
		if got := be32(r.Message, int(r.TTLs[i])); got != rr.Header().Ttl {
			t.Fatalf("%x: got TTL %d, want that of %v", b, got, rr)
		}
		ttl := TTL(rr.Header().Ttl)
		if i == 0 || i < r.Answers && ttl < lowest {
			lowest = ttl
		}
		if s, ok := rr.(*dns.SOA); ok && soa == nil && i >= r.Answers && i < r.Answers+r.Authorities {
			soa = s
		}
	}
	if r.Answers > 0 && r.AnswerTTL != lowest {
		t.Fatalf("%x: got lowest TTL %d, want %d", b, r.AnswerTTL, lowest)
	}
	if r.SOA != (soa != nil) || soa != nil && (r.SOATTL != TTL(soa.Hdr.Ttl) || r.Minimum != TTL(soa.Minttl)) {
		t.Fatalf("%x: got SOA %v, TTL %d, MINIMUM %d, want %v", b, r.SOA, r.SOATTL, r.Minimum, soa)
	}
	kept := b
	if end < len(m.Extra) {
		ttls, _ := ttlOffsets(t, b)
		kept = b[:ttls[len(rrs)]-5] // the OPT's name is one byte, its type and size are four
	}
	if !bytes.Equal(r.Message, kept) {
		t.Fatalf("%x: got %x as what is kept, want %x", b, r.Message, kept)
	}
}

func FuzzAge(f *testing.F) {
	for i, b := range replies(f) {
		f.Add(b, uint32(i*i*i*7))
	}
	f.Fuzz(func(t *testing.T, b []byte, seconds uint32) {
		name, qtype, ok := ownQuestion(b)
		if !ok {
			return
		}
		var r Reply
		if ParseReply(b, name, qtype, &r) != nil || new(dns.Msg).Unpack(b) != nil {
			return
		}
		aged := bytes.Clone(r.Message)
		var offsets []byte
		for _, off := range r.TTLs {
			offsets = binary.BigEndian.AppendUint16(offsets, off)
		}
		Age(aged, offsets, seconds)

		want := bytes.Clone(r.Message)
		ttls, _ := ttlOffsets(t, b)
		for _, off := range ttls[:len(r.TTLs)] {
			ttl := int64(be32(b, off))
			if ttl > 1<<31-1 {
				ttl = 0
			}
			copy(want[off:], be32Bytes(uint32(max(0, ttl-int64(seconds)))))
		}
		if !bytes.Equal(aged, want) {
			t.Fatalf("%x after %d s: got %x, want %x", r.Message, seconds, aged, want)
		}
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{".", "", "example.com", "WWW.Example.COM.", `a\.b\\.\000\255.example.`, `\065.example.`, "_443._tcp.*.example.", "münchen.example.", "a..b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := Name(s)
		if err != nil {
			return
		}
		if plainName(name, 0) != len(name) || !bytes.Equal(name, AppendLower(nil, name)) {
			t.Fatalf("Name(%q): got %q, want a name in lower case", s, name)
		}
		again, err := Name(String(name))
		if err != nil || !bytes.Equal(again, name) {
			t.Fatalf("Name(%q) = %q, written %s: got %q, %v", s, name, String(name), again, err)
		}
		if compressed := appendName([]byte{}, name, 0); !bytes.Equal(compressed, name) {
			t.Fatalf("%q: read as %q", name, compressed)
		}
	})
}
