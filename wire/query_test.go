package wire

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// header is that of a packet with the id testID.
func header(flags Flags, counts ...uint16) []byte { return appendHeader(nil, testID, flags, counts...) }

// same reports whether two queries are alike; their names may be in different places.
func same(a, b Query) bool {
	name := bytes.Equal(a.Name, b.Name)
	return name && a.ID == b.ID && a.Flags == b.Flags && a.Type == b.Type && a.Class == b.Class && a.EDNS == b.EDNS
}

func TestQueries(t *testing.T) {
	t.Parallel()
	const soa = "example. 300 SOA ns.example. host.example. 1 2 3 4 5"
	www := Query{Flags: RD, Name: wireName(t, "www.example."), Type: dns.TypeA, Class: dns.ClassINET}
	with := func(change func(*Query)) Query {
		q := www
		change(&q)
		return q
	}
	edns := func(e EDNS) Query {
		e.Present = true
		return with(func(q *Query) { q.EDNS = e })
	}
	version := func(v uint8) *dns.OPT {
		o := opt()
		o.SetVersion(v)
		return o
	}
	do := func(size uint16) *dns.OPT {
		o := opt()
		o.SetDo()
		o.SetUDPSize(size)
		return o
	}
	for _, tt := range []struct {
		name   string
		packet []byte
		want   Query
	}{
		{"plain", message{question: "www.example. A", flags: RD}.pack(t), www},
		{"no flags", message{question: "www.example. A"}.pack(t), with(func(q *Query) { q.Flags = 0 })},
		{"AD and CD", message{question: "www.example. A", flags: RD | AD | CD}.pack(t), with(func(q *Query) { q.Flags |= AD | CD })},
		{"spelling is kept", message{question: "wWw.eXample. A", flags: RD}.pack(t), with(func(q *Query) { q.Name = wireName(t, "wWw.eXample.") })},
		{"root", message{question: ". NS", flags: RD}.pack(t), with(func(q *Query) { q.Name, q.Type = []byte{0}, dns.TypeNS })},
		{
			"CH TXT",
			join(header(0, 1, 0, 0, 0), AppendQuestion(nil, wireName(t, "version.bind."), dns.TypeTXT, dns.ClassCHAOS)),
			Query{Name: wireName(t, "version.bind."), Type: dns.TypeTXT, Class: dns.ClassCHAOS},
		},
		{
			"unknown type and a name of 255 bytes",
			join(header(RD, 1, 0, 0, 0), AppendQuestion(nil, longName(MaxName), 65400, dns.ClassINET)),
			with(func(q *Query) { q.Name, q.Type = longName(MaxName), 65400 }),
		},
		{"OPT", message{question: "www.example. A", flags: RD, opt: opt()}.pack(t), edns(EDNS{Size: 1232})},
		{"DO and size", message{question: "www.example. A", flags: RD, opt: do(4096)}.pack(t), edns(EDNS{DO: true, Size: 4096})},
		{"size 0", message{question: "www.example. A", flags: RD, opt: do(0)}.pack(t), edns(EDNS{DO: true})},
		{"version 1", message{question: "www.example. A", flags: RD, opt: version(1)}.pack(t), edns(EDNS{Size: 1232, Version: 1})},
		{
			"keepalive",
			message{question: "www.example. A", flags: RD, opt: opt(&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE})}.pack(t),
			edns(EDNS{Size: 1232, Keepalive: true}),
		},
		{
			"keepalive behind padding, a cookie and an unknown option",
			message{question: "www.example. A", flags: RD, opt: opt(
				&dns.EDNS0_PADDING{Padding: make([]byte, 100)},
				&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "24a5ac1223344556"},
				&dns.EDNS0_LOCAL{Code: 65001, Data: []byte("?")},
				&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE},
			)}.pack(t),
			edns(EDNS{Size: 1232, Keepalive: true}),
		},
		{
			"client subnet",
			message{question: "www.example. A", flags: RD, opt: opt(
				&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 0, 2, 0}},
			)}.pack(t),
			edns(EDNS{Size: 1232}),
		},
		{
			"records around the OPT",
			join(header(RD, 1, 0, 0, 3), AppendQuestion(nil, www.Name, dns.TypeA, dns.ClassINET),
				rr(www.Name, dns.TypeA, 192, 0, 2, 1), AppendOPT(nil, 0, true, nil), rr([]byte{0xC0, 12}, dns.TypeTXT, 1, 'a')),
			edns(EDNS{DO: true, Size: 1232}),
		},
		{
			"TSIG",
			join(header(RD, 1, 0, 0, 2), AppendQuestion(nil, www.Name, dns.TypeA, dns.ClassINET),
				AppendOPT(nil, 0, false, nil), rr([]byte("\x03key\x00"), dns.TypeTSIG, make([]byte, 40)...)),
			edns(EDNS{Size: 1232}),
		},
		{
			"IXFR has an SOA",
			message{question: "example. IXFR", authority: soa, opt: opt()}.pack(t),
			Query{Name: wireName(t, "example."), Type: dns.TypeIXFR, Class: dns.ClassINET, EDNS: EDNS{Present: true, Size: 1232}},
		},
	} {
		tt.want.ID = testID
		got := Query{Name: []byte("left over"), EDNS: EDNS{Present: true, Version: 9, DO: true, Size: 9, Keepalive: true}}
		if err := ParseQuery(tt.packet, &got); err != nil || !same(got, tt.want) {
			t.Errorf("%s: %x: got %+v, %v, want %+v", tt.name, tt.packet, got, err, tt.want)
		}
	}
}

func TestQueryNamePointsIntoThePacket(t *testing.T) {
	t.Parallel()
	packet := message{question: "www.example. A"}.pack(t)
	var q Query
	if err := ParseQuery(packet, &q); err != nil {
		t.Fatal(err)
	}
	if &q.Name[0] != &packet[HeaderLen] {
		t.Error("the name was copied")
	}
	_ = append(q.Name, 0xFF)
	if want := (message{question: "www.example. A"}).pack(t); !bytes.Equal(packet, want) {
		t.Errorf("appending to the name: got packet %x, want %x", packet, want)
	}
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	const (
		nothing = iota // but the id and flags
		name           // and the question
		edns           // and the OPT
	)
	www := wireName(t, "www.example.")
	q := AppendQuestion(nil, www, dns.TypeA, dns.ClassINET)
	ixfr := AppendQuestion(nil, www, dns.TypeIXFR, dns.ClassINET)
	a := rr([]byte{0xC0, 12}, dns.TypeA, 192, 0, 2, 1)
	o := AppendOPT(nil, 0, true, nil)
	option := func(b ...byte) []byte { return AppendOPT(nil, 0, true, b) }
	for _, tt := range []struct {
		name   string
		packet []byte
		err    error
		parsed int
	}{
		{"no packet", nil, ErrIgnore, nothing},
		{"11 bytes", header(RD, 1, 0, 0, 0)[:11], ErrIgnore, nothing},
		{"response", join(header(QR|RD, 1, 0, 0, 0), q), ErrIgnore, nothing},
		{"response without a question", header(QR, 0, 0, 0, 0), ErrIgnore, nothing},

		{"IQUERY", join(header(1<<11, 1, 0, 0, 0), q), ErrOpcode, nothing},
		{"NOTIFY", join(header(4<<11|AA, 1, 0, 0, 0), q), ErrOpcode, nothing},
		{"UPDATE", join(header(5<<11, 1, 0, 1, 0), q, a), ErrOpcode, nothing},
		{"opcode 15, header only", header(15<<11, 9, 9, 9, 9), ErrOpcode, nothing},

		{"QDCOUNT 0", header(RD, 0, 0, 0, 0), ErrFormat, nothing},
		{"QDCOUNT 0, but a question", join(header(RD, 0, 0, 0, 0), q), ErrFormat, nothing},
		{"QDCOUNT 2", join(header(RD, 2, 0, 0, 0), q, q), ErrFormat, nothing},
		{"header only", header(RD, 1, 0, 0, 0), ErrFormat, nothing},
		{"pointer in the question", join(header(RD, 1, 0, 0, 0), []byte{0xC0, 12, 0, 1, 0, 1}), ErrFormat, nothing},
		{"label and pointer in the question", join(header(RD, 1, 0, 0, 0), []byte{1, 'a', 0xC0, 4, 0, 1, 0, 1}), ErrFormat, nothing},
		{"label of 64", join(header(RD, 1, 0, 0, 0), []byte("\x40"+strings.Repeat("a", 64)+"\x00\x00\x01\x00\x01")), ErrFormat, nothing},
		{"label type 10", join(header(RD, 1, 0, 0, 0), []byte{0x80, 0, 0, 1, 0, 1}), ErrFormat, nothing},
		{"name of 256 bytes", join(header(RD, 1, 0, 0, 0), AppendQuestion(nil, longName(MaxName+1), dns.TypeA, dns.ClassINET)), ErrFormat, nothing},
		{"name without end", join(header(RD, 1, 0, 0, 0), www[:len(www)-1]), ErrFormat, nothing},
		{"label past the end", join(header(RD, 1, 0, 0, 0), []byte{20, 'a'}), ErrFormat, nothing},
		{"no type", join(header(RD, 1, 0, 0, 0), www), ErrFormat, nothing},
		{"half a class", join(header(RD, 1, 0, 0, 0), q[:len(q)-1]), ErrFormat, nothing},

		{"trailing byte", join(header(RD, 1, 0, 0, 0), q, []byte{0}), ErrFormat, name},
		{"record nobody counted", join(header(RD, 1, 0, 0, 0), q, a), ErrFormat, name},
		{"OPT nobody counted", join(header(RD, 1, 0, 0, 0), q, o), ErrFormat, name},
		{"answer", join(header(RD, 1, 1, 0, 0), q, a), ErrFormat, name},
		{"authority", join(header(RD, 1, 0, 1, 0), q, a), ErrFormat, name},
		{"IXFR without the SOA it counts", join(header(RD, 1, 0, 1, 0), ixfr), ErrFormat, name},
		{"IXFR with half an SOA", join(header(RD, 1, 0, 1, 0), ixfr, a[:len(a)-1]), ErrFormat, name},
		{"no additional record", join(header(RD, 1, 0, 0, 1), q), ErrFormat, name},
		{"65535 additional records", join(header(RD, 1, 0, 0, 65535), q, a, a), ErrFormat, name},
		{"record cut in its header", join(header(RD, 1, 0, 0, 1), q, a[:11]), ErrFormat, name},
		{"record cut in its rdata", join(header(RD, 1, 0, 0, 1), q, a[:len(a)-1]), ErrFormat, name},
		{"record owner points to itself", join(header(RD, 1, 0, 0, 1), q, rr([]byte{0xC0, byte(HeaderLen + len(q))}, dns.TypeA)), ErrFormat, name},

		{"OPT with an owner", join(header(RD, 1, 0, 0, 1), q, []byte{1, 'a'}, o), ErrFormat, name},
		{"OPT with a pointer to the root", join(header(RD, 1, 0, 0, 1), q, []byte{0xC0, byte(HeaderLen + len(www) - 1)}, o[1:]), ErrFormat, name},
		{"OPT longer than the packet", join(header(RD, 1, 0, 0, 1), q, option(0, 12, 0, 1, 0)[:15]), ErrFormat, name},
		{"option header cut", join(header(RD, 1, 0, 0, 1), q, option(0, 12, 0)), ErrFormat, edns},
		{"option longer than its OPT", join(header(RD, 1, 0, 0, 1), q, option(0, 12, 0, 2, 0)), ErrFormat, edns},
		{"garbage behind an option", join(header(RD, 1, 0, 0, 1), q, option(0, 12, 0, 1, 0, 0)), ErrFormat, edns},
		{"two OPTs", join(header(RD, 1, 0, 0, 2), q, o, o), ErrFormat, edns},
		{"two OPTs apart", join(header(RD, 1, 0, 0, 3), q, o, a, AppendOPT(nil, 0, false, nil)), ErrFormat, edns},
		{"garbage behind the OPT", join(header(RD, 1, 0, 0, 1), q, o, []byte{0}), ErrFormat, edns},
	} {
		var got Query
		err := ParseQuery(slices.Clip(tt.packet), &got) // nothing can be read behind it
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %x: got %v, want %v", tt.name, tt.packet, err, tt.err)
		}
		if err == ErrIgnore {
			continue
		}
		if got.ID != testID || got.Flags != Flags(be16(tt.packet, 2)) {
			t.Errorf("%s: %x: got id %x and flags %x", tt.name, tt.packet, got.ID, got.Flags)
		}
		if want := tt.parsed >= name; bytes.Equal(got.Name, www) != want || !want && got.Name != nil || (got.Class == dns.ClassINET) != want {
			t.Errorf("%s: %x: got question %q %d %d, want it %v", tt.name, tt.packet, got.Name, got.Type, got.Class, want)
		}
		if want := tt.parsed == edns; got.EDNS.Present != want || got.EDNS.DO != want || (got.EDNS.Size == UDPSize) != want {
			t.Errorf("%s: %x: got %+v, want an OPT %v", tt.name, tt.packet, got.EDNS, want)
		}
	}
}

// TestOPTBehindAnotherOpcode has OPTs of the size 1232 with DO.
func TestOPTBehindAnotherOpcode(t *testing.T) {
	t.Parallel()
	www := wireName(t, "www.example.")
	q := AppendQuestion(nil, www, dns.TypeA, dns.ClassINET)
	zone := AppendQuestion(nil, wireName(t, "example."), dns.TypeSOA, dns.ClassINET)
	a := rr(www, dns.TypeA, 192, 0, 2, 1)
	o := AppendOPT(nil, 0, true, nil)
	for _, tt := range []struct {
		name   string
		packet []byte
		want   bool
	}{
		{"IQUERY without a question", join(header(1<<11, 0, 1, 0, 1), a, o), true},
		{"STATUS, header only", join(header(2<<11, 0, 0, 0, 1), o), true},
		{"STATUS", join(header(2<<11, 1, 0, 0, 1), q, o), true},
		{"NOTIFY with an SOA", join(header(4<<11|AA, 1, 1, 0, 1), q, a, o), true},
		{"UPDATE", join(header(5<<11, 1, 1, 2, 2), zone, a, a, a, a, o), true},
		{"UPDATE with TSIG", join(header(5<<11, 1, 0, 1, 2), zone, a, o, rr([]byte("\x03key\x00"), dns.TypeTSIG, make([]byte, 40)...)), true},
		{"opcode 15", join(header(15<<11, 2, 0, 0, 1), q, q, o), true},
		{"garbage behind the OPT", join(header(2<<11, 1, 0, 0, 2), q, o, []byte{0xFF}), true},
		{"options that don't fill it", join(header(2<<11, 1, 0, 0, 1), q, AppendOPT(nil, 0, true, []byte{0, 12, 0})), true},

		{"no OPT", join(header(5<<11, 1, 0, 1, 0), zone, a), false},
		{"OPT nobody counted", join(header(2<<11, 1, 0, 0, 0), q, o), false},
		{"OPT among the answers", join(header(2<<11, 1, 1, 0, 0), q, o), false},
		{"OPT with an owner", join(header(2<<11, 1, 0, 0, 1), q, []byte{1, 'a'}, o), false},
		{"OPT cut", join(header(2<<11, 1, 0, 0, 1), q, o[:OPTLen-1]), false},
		{"OPT longer than the packet", join(header(2<<11, 1, 0, 0, 1), q, AppendOPT(nil, 0, true, make([]byte, 9))[:OPTLen+8]), false},
		{"question cut", join(header(2<<11, 1, 0, 0, 1), www, []byte{0, 1, 0}), false},
		{"name without end", join(header(2<<11, 1, 0, 0, 1), www[:len(www)-1]), false},
		{"DSO", join(header(6<<11, 0, 0, 0, 0), []byte{0, 1, 0, 8}, make([]byte, 8)), false},
		{"all counts 65535", join(header(15<<11, 65535, 65535, 65535, 65535), bytes.Repeat([]byte{0}, 1000)), false},
		{"records without end", join(header(15<<11, 0, 65535, 65535, 65535), bytes.Repeat([]byte{0}, 1000)), false},
	} {
		var want Query
		want.ID, want.Flags = testID, Flags(be16(tt.packet, 2))
		if tt.want {
			want.EDNS = EDNS{Present: true, DO: true, Size: UDPSize}
		}
		var got Query
		if err := ParseQuery(slices.Clip(tt.packet), &got); !errors.Is(err, ErrOpcode) || !same(got, want) {
			t.Errorf("%s: %x: got %+v, %v, want %+v, %v", tt.name, tt.packet, got, err, want, ErrOpcode)
		}
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		edns EDNS
		want int
	}{
		{EDNS{}, 512},
		{EDNS{Size: 4096}, 512},
		{EDNS{Present: true}, 512},
		{EDNS{Present: true, Size: 511}, 512},
		{EDNS{Present: true, Size: 512}, 512},
		{EDNS{Present: true, Size: 513}, 513},
		{EDNS{Present: true, Size: 1231}, 1231},
		{EDNS{Present: true, Size: 1232}, 1232},
		{EDNS{Present: true, Size: 1233}, 1232},
		{EDNS{Present: true, Size: 65535}, 1232},
	} {
		q := Query{EDNS: tt.edns}
		if got := q.Limit(); got != tt.want {
			t.Errorf("%+v: got %d, want %d", tt.edns, got, tt.want)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	m := dns.MsgHdr{Response: true, Opcode: 5, Authoritative: true, RecursionDesired: true, Zero: true, CheckingDisabled: true, Rcode: 9}
	b, err := (&dns.Msg{MsgHdr: m}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	f := Flags(be16(b, 2))
	if !f.Has(QR|AA|RD|CD) || f.Has(TC) || f.Has(RA) || f.Has(AD) || f.Has(QR|TC) || f.Opcode() != 5 || f.Rcode() != 9 {
		t.Errorf("%x: got opcode %d, rcode %d, want the flags of %+v", f, f.Opcode(), f.Rcode(), m)
	}
}
