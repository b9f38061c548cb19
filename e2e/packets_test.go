//go:build e2e && linux

package e2e

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	silence = -1 // no answer; over TCP the connection may be closed instead

	headerSize = 12 // bytes

	opcodeOffset = 2
	flagsOffset  = 2
	qdcount      = 4 // offsets of the counts in the header
	arcount      = 10
)

// packetTests are the rows of the design's table of bad packets that need no upstream to misbehave.
var packetTests = []struct {
	name   string
	packet []byte
	want   int // an rcode or silence
}{
	{"one byte", []byte{7}, silence},
	{"eleven bytes", plainQuery()[:11], silence},
	{"a response", edit(plainQuery(), func(b []byte) { b[flagsOffset] |= 0x80 }), silence},
	{"a response that is broken", edit(plainQuery()[:20], func(b []byte) { b[flagsOffset] |= 0x80 }), silence},

	{"no question", edit(plainQuery()[:headerSize], func(b []byte) { b[qdcount+1] = 0 }), dns.RcodeFormatError},
	{"no question counted, one there", edit(plainQuery(), func(b []byte) { b[qdcount+1] = 0 }), dns.RcodeFormatError},
	{"no question and an opt", noQuestionWithOPT(), dns.RcodeFormatError},
	{"two questions", twoQuestions(), dns.RcodeFormatError},
	{"two questions counted, one there", edit(plainQuery(), func(b []byte) { b[qdcount+1] = 2 }), dns.RcodeFormatError},
	{"65535 questions counted", edit(plainQuery(), func(b []byte) { b[qdcount], b[qdcount+1] = 255, 255 }), dns.RcodeFormatError},
	{"header only", plainQuery()[:headerSize], dns.RcodeFormatError},
	{"cut off in the name", plainQuery()[:headerSize+6], dns.RcodeFormatError},
	{"cut off before the type", plainQuery()[:len(plainQuery())-4], dns.RcodeFormatError},
	{"cut off in the class", plainQuery()[:len(plainQuery())-1], dns.RcodeFormatError},
	{"name points to itself", question([]byte{0xc0, headerSize}), dns.RcodeFormatError},
	{"name points ahead", question([]byte{1, 'a', 0xc0, 200}), dns.RcodeFormatError},
	{"name points into the header", question([]byte{1, 'a', 0xc0, 0}), dns.RcodeFormatError},
	{"label of type 01", question([]byte{0x41, 'a', 0}), dns.RcodeFormatError},
	{"label of type 10", question([]byte{0x81, 'a', 0}), dns.RcodeFormatError},
	{"label longer than the packet", question([]byte{63, 'a', 0}), dns.RcodeFormatError},
	{"name of 256 bytes", question(longName(256)), dns.RcodeFormatError},
	{"one byte of garbage behind", append(plainQuery(), 0), dns.RcodeFormatError},
	{"garbage behind", append(plainQuery(), "garbage"...), dns.RcodeFormatError},
	{"garbage behind the opt", append(query(withDO), "garbage"...), dns.RcodeFormatError},
	{"additional counted, none there", edit(plainQuery(), func(b []byte) { b[arcount+1] = 1 }), dns.RcodeFormatError},
	{"opt cut off", query(withDO)[:len(query(withDO))-1], dns.RcodeFormatError},
	{"option longer than the opt", brokenOption(), dns.RcodeFormatError},
	{"two opts", twoOPTs(), dns.RcodeFormatError},

	{"opcode iquery", opcode(dns.OpcodeIQuery), dns.RcodeNotImplemented},
	{"opcode status", opcode(dns.OpcodeStatus), dns.RcodeNotImplemented},
	{"opcode update", update(), dns.RcodeNotImplemented},
	{"opcode dso", opcode(6), dns.RcodeNotImplemented},
	{"opcode 3", opcode(3), dns.RcodeNotImplemented},
	{"opcode 15", opcode(15), dns.RcodeNotImplemented},
	{"notify from a client that may not", notify(), dns.RcodeRefused},

	{"class ch, another name", class(dns.ClassCHAOS), dns.RcodeNotImplemented},
	{"class hs", class(dns.ClassHESIOD), dns.RcodeNotImplemented},
	{"class none", class(dns.ClassNONE), dns.RcodeNotImplemented},
	{"class any", class(dns.ClassANY), dns.RcodeNotImplemented},
	{"class 65280", class(65280), dns.RcodeNotImplemented},

	{"axfr", qtype(dns.TypeAXFR), dns.RcodeRefused},
	{"ixfr", qtype(dns.TypeIXFR), dns.RcodeRefused},
	{"ixfr with a serial", ixfr(), dns.RcodeRefused},

	{"edns version 1", query(func(m *dns.Msg) { withDO(m); m.IsEdns0().SetVersion(1) }), dns.RcodeBadVers},
	{"edns version 255", query(func(m *dns.Msg) { withDO(m); m.IsEdns0().SetVersion(255) }), dns.RcodeBadVers},
}

func TestBadPackets(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range packetTests {
		for _, proto := range []string{"udp", "tcp"} {
			t.Run(test.name+" over "+proto, func(t *testing.T) {
				t.Parallel()
				c := dial(t, proto, b.notyet.Addr)
				if err := c.send(test.packet); err != nil {
					t.Fatalf("send: %v", err)
				}
				if test.want != silence {
					wantFault(t, c, test.packet, test.want)
				}
				// The next query is answered, and its answer is the first thing that comes when there was to be none.
				next := ask("www."+plainZone, dns.TypeA)
				if err := c.send(pack(t, next)); err == nil {
					if reply, err := c.receive(patience); err == nil {
						wantRcode(t, next, parse(t, next, reply), dns.RcodeSuccess)
						return
					}
				}
				if proto == "udp" || test.want != silence {
					t.Errorf("packet %x over %s: the next query on the same socket was not answered", test.packet, proto)
				}
				wantRcode(t, next, over(t, proto, b.notyet.Addr, next), dns.RcodeSuccess)
			})
		}
	}
}

// wantFault reads the reply to a bad packet.
func wantFault(t testing.TB, c *client, packet []byte, want int) {
	t.Helper()
	reply, err := c.receive(patience)
	if err != nil {
		t.Fatalf("packet %x over %s: no answer: %v; want %s", packet, c.proto, err, rcode(want))
	}
	r := new(dns.Msg)
	if err := r.Unpack(reply); err != nil {
		t.Fatalf("packet %x over %s: unpack the reply %x: %v", packet, c.proto, reply, err)
	}
	if r.Rcode != want {
		t.Errorf("packet %x over %s: got %s, want %s", packet, c.proto, rcode(r.Rcode), rcode(want))
	}
	if !r.Response || !bytes.Equal(reply[:2], packet[:2]) {
		t.Errorf("packet %x over %s: got id %x and QR %v, want id %x and QR set", packet, c.proto, reply[:2], r.Response, packet[:2])
	}
	if got, want := reply[opcodeOffset]>>3&15, packet[opcodeOffset]>>3&15; got != want {
		t.Errorf("packet %x over %s: got opcode %d, want %d as asked", packet, c.proto, got, want)
	}
	if r.Authoritative || len(r.Answer) != 0 {
		t.Errorf("packet %x over %s: got AA %v and %d answers, want AA clear and none", packet, c.proto, r.Authoritative, len(r.Answer))
	}
	if o := r.IsEdns0(); want == dns.RcodeBadVers && (o == nil || o.Version() != 0) {
		t.Errorf("packet %x over %s: got OPT %v, want one of version 0", packet, c.proto, o)
	}
}

// query is a packed query for www in the plain zone.
func query(options ...option) []byte {
	b, err := ask("www."+plainZone, dns.TypeA, options...).Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func plainQuery() []byte { return query() }

func edit(b []byte, f func([]byte)) []byte {
	b = slices.Clone(b)
	f(b)
	return b
}

func opcode(code int) []byte {
	return edit(plainQuery(), func(b []byte) { b[opcodeOffset] = b[opcodeOffset]&^0x78 | byte(code)<<3 })
}

func class(qclass uint16) []byte {
	return query(func(m *dns.Msg) { m.Question[0].Qclass = qclass })
}

func qtype(t uint16) []byte {
	return query(func(m *dns.Msg) { m.Question[0].Qtype = t })
}

// question is a query for A IN with a name given as bytes.
func question(name []byte) []byte {
	return slices.Concat(plainQuery()[:headerSize], name, []byte{0, 1, 0, 1})
}

// longName is a name of n bytes on the wire.
func longName(n int) []byte {
	var b []byte
	for left := n - 1; left > 0; {
		label := min(63, left-1)
		b = append(append(b, byte(label)), strings.Repeat("a", label)...)
		left -= label + 1
	}
	return append(b, 0)
}

func twoQuestions() []byte {
	return query(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) })
}

func noQuestionWithOPT() []byte {
	return query(func(m *dns.Msg) { m.Question = nil; withDO(m) })
}

func twoOPTs() []byte {
	return query(func(m *dns.Msg) { withDO(m); m.Extra = append(m.Extra, m.Extra[0]) })
}

// brokenOption is a query whose OPT has an option that claims more bytes than there are.
func brokenOption() []byte {
	b := query(withEDNS(1232, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte{1, 2}}))
	binary.BigEndian.PutUint16(b[len(b)-4:], 200)
	return b
}

func update() []byte {
	m := new(dns.Msg).SetUpdate(plainZone + ".")
	m.Insert([]dns.RR{mustRR("new." + plainZone + ". 60 A 192.0.2.1")})
	return mustPack(m)
}

func notify() []byte {
	m := new(dns.Msg).SetNotify(plainZone + ".")
	m.Answer = []dns.RR{mustRR(plainZone + ". 300 SOA ns.shipit.dev. h.shipit.dev. 2 3600 600 86400 60")}
	return mustPack(m)
}

func ixfr() []byte {
	return mustPack(new(dns.Msg).SetIxfr(plainZone+".", 1, "ns.shipit.dev.", "h.shipit.dev."))
}

func mustPack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// TestFlagsComeBackAsAsked has every combination of the flags that come back.
func TestFlagsComeBackAsAsked(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, proto := range []string{"udp", "tcp"} {
		for bits := range 32 {
			q := ask("www."+plainZone, dns.TypeA)
			q.RecursionDesired = bits&1 != 0
			q.CheckingDisabled = bits&2 != 0
			q.AuthenticatedData = bits&4 != 0
			q.Zero = bits&8 != 0
			if bits&16 != 0 {
				withDO(q)
			}
			r := over(t, proto, b.notyet.Addr, q) // compares RD, CD, AA, AD, DO
			if r.Zero {
				t.Errorf("%s over %s: got the reserved bit set, want it clear", describe(q), proto)
			}
		}
	}
}

// TestLongestNameIsAsked is the counterpart of the name that is one byte too long.
func TestLongestNameIsAsked(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address("192.0.2.1")) })
	n := front(t, "", u.addr)
	for _, proto := range []string{"udp", "tcp"} {
		packet := question(longName(255))
		q := new(dns.Msg)
		if err := q.Unpack(packet); err != nil {
			t.Fatalf("%v", err)
		}
		wantRcode(t, q, over(t, proto, n.Addr, q), dns.RcodeSuccess)
	}
}

// TestStrangeNamesComeThrough has names that a text form would spoil.
func TestStrangeNamesComeThrough(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address("192.0.2.1")) })
	n := front(t, "", u.addr)
	for _, qname := range []string{".", `a\.b.shipit.dev.`, `\000\255.shipit.dev.`, `sp\ ace.shipit.dev.`, `\@\"\\.shipit.dev.`, "_dmarc.SHIPIT.dev.", "xn--mnchen-3ya.shipit.dev."} {
		for range 2 {
			q := ask(qname, dns.TypeA)
			r := over(t, "udp", n.Addr, q)
			wantRcode(t, q, r, dns.RcodeSuccess)
			sameRecords(t, q, "answer", r.Answer, []dns.RR{mustRR(qname + " 300 A 192.0.2.1")})
		}
		if got := u.count(qname); got != 1 {
			t.Errorf("%s: upstream got %d queries, want 1", qname, got)
		}
	}
}

func TestUnknownOptionsAndPaddingAreIgnored(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		name    string
		options []dns.EDNS0
	}{
		{"unknown option", []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: []byte("hello")}}},
		{"empty unknown option", []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001}}},
		{"padding", []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, 200)}}},
		{"cookie", []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}},
		{"nsid", []dns.EDNS0{&dns.EDNS0_NSID{Code: dns.EDNS0NSID}}},
		{"client subnet", []dns.EDNS0{subnet()}},
		{"all at once", []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: []byte("hello")}, subnet(), &dns.EDNS0_PADDING{Padding: make([]byte, 200)}}},
	} {
		for _, proto := range []string{"udp", "tcp"} {
			q := ask("www."+plainZone, dns.TypeA, withEDNS(1232, test.options...))
			r := over(t, proto, b.notyet.Addr, q)
			sameAnswer(t, q, r, direct(t, b.knot.Addr, ask("www."+plainZone, dns.TypeA)))
			for _, o := range r.IsEdns0().Option {
				if o.Option() == 65001 || o.Option() == dns.EDNS0SUBNET {
					t.Errorf("%s over %s: got option %v in the reply, want it ignored", test.name, proto, o)
				}
			}
		}
	}
	q := ask("www."+plainZone, dns.TypeA, withDO)
	q.IsEdns0().SetZ(0x7fff)
	if got := over(t, "udp", b.notyet.Addr, q).IsEdns0().Z(); got != 0 {
		t.Errorf("EDNS flags: got Z %#x, want 0 (RFC 6891, section 6.1.4)", got)
	}
}

func subnet() *dns.EDNS0_SUBNET {
	return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 0, 2, 0}}
}

func TestClientSubnetIsNotForwarded(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address("192.0.2.1")) })
	n := front(t, "", u.addr)
	for _, proto := range []string{"udp", "tcp"} {
		qname := proto + "." + plainZone
		over(t, proto, n.Addr, ask(qname, dns.TypeA, withEDNS(1232, subnet())))
		queries := u.queries(qname)
		if len(queries) != 1 {
			t.Fatalf("%s: upstream got %d queries, want 1", qname, len(queries))
		}
		if o := queries[0].IsEdns0(); o != nil {
			for _, opt := range o.Option {
				if opt.Option() == dns.EDNS0SUBNET {
					t.Errorf("%s: upstream got %v, want no client subnet", qname, opt)
				}
			}
		}
	}
}

func TestReplyIsNoLargerThanTheClientTakes(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		name    string
		qname   string
		qtype   uint16
		options []option
		limit   int // bytes
		wantTC  bool
	}{
		{"700 bytes without edns", "txt700", dns.TypeTXT, nil, 512, true},
		{"700 bytes, edns 512", "txt700", dns.TypeTXT, []option{withEDNS(512)}, 512, true},
		{"700 bytes, edns 0 means 512", "txt700", dns.TypeTXT, []option{withEDNS(0)}, 512, true},
		{"700 bytes, edns 1232", "txt700", dns.TypeTXT, []option{withEDNS(1232)}, 1232, false},
		{"700 bytes, edns 700", "txt700", dns.TypeTXT, []option{withEDNS(700)}, 700, true},
		{"forty addresses without edns", "many", dns.TypeA, nil, 512, true},
		{"forty addresses, edns 1232", "many", dns.TypeA, []option{withEDNS(1232)}, 1232, false},
		{"1300 bytes, edns 1232", "txt1300", dns.TypeTXT, []option{withEDNS(1232)}, 1232, true},
		{"1300 bytes, edns 4096", "txt1300", dns.TypeTXT, []option{withEDNS(4096)}, 1232, true},
		{"1300 bytes, edns 65535", "txt1300", dns.TypeTXT, []option{withEDNS(65535)}, 1232, true},
		{"4000 bytes without edns", "txt4000", dns.TypeTXT, nil, 512, true},
		{"4000 bytes, edns 4096", "txt4000", dns.TypeTXT, []option{withEDNS(4096)}, 1232, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			q := ask(inZone(test.qname, plainZone), test.qtype, test.options...)
			want := direct(t, b.knot.Addr, q)
			for range 2 { // The second answer comes from the cache.
				c := dial(t, "udp", b.notyet.Addr)
				if err := c.send(pack(t, q)); err != nil {
					t.Fatalf("send: %v", err)
				}
				reply, err := c.receive(patience)
				if err != nil {
					t.Fatalf("%s: no answer: %v", describe(q), err)
				}
				r := parse(t, q, reply)
				if len(reply) > test.limit || r.Truncated != test.wantTC {
					t.Errorf("%s: got %d bytes with TC %v, want at most %d with TC %v", describe(q), len(reply), r.Truncated, test.limit, test.wantTC)
				}
				wantRcode(t, q, r, dns.RcodeSuccess)
				if !test.wantTC {
					sameAnswer(t, q, r, want)
				}
				whole := over(t, "tcp", b.notyet.Addr, q)
				if whole.Truncated {
					t.Errorf("%s over tcp: got TC set", describe(q))
				}
				sameAnswer(t, q, whole, want)
			}
		})
	}
}

// TestEmptyDatagramIsPassedOver is apart because an empty message over TCP is another thing: a length of zero.
func TestEmptyDatagramIsPassedOver(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, proto := range []string{"udp", "tcp"} {
		c := dial(t, proto, b.notyet.Addr)
		if err := c.send(nil); err != nil {
			t.Fatalf("%s: send: %v", proto, err)
		}
		if proto == "tcp" {
			if b, err := c.receive(500 * time.Millisecond); err == nil {
				t.Errorf("empty message over tcp: got %x, want no answer", b)
			}
		}
		q := ask("www."+plainZone, dns.TypeA)
		if proto == "tcp" {
			c = dial(t, proto, b.notyet.Addr)
		}
		wantRcode(t, q, c.exchange(t, q), dns.RcodeSuccess)
	}
}
