package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const soa = "example. 300 SOA ns.example. host.example. 1 2 3 4 60\n"

func TestKinds(t *testing.T) {
	t.Parallel()
	const (
		a     = "www.example. 300 A 192.0.2.1\n"
		cname = "www.example. 300 CNAME web.example.\n"
		ns    = "example. 300 NS ns.example.\n"
	)
	for _, tt := range []struct {
		name    string
		message message
		want    Kind
	}{
		{"answer", message{answer: a}, Positive},
		{"answer behind cname", message{answer: cname + "web.example. 300 A 192.0.2.1"}, Positive},
		{"answer with authority", message{answer: a, authority: ns, flags: AA}, Positive},
		{"answer before its cname", message{answer: "web.example. 300 A 192.0.2.1\n" + cname}, Positive},
		{"answer behind cname, in capitals", message{question: "WWW.example. A", answer: cname + "WEB.example. 300 A 192.0.2.1"}, Positive},
		{"answer with more about another name", message{answer: a + "web.example. 300 A 192.0.2.1"}, Positive},
		{"answer behind dname", message{answer: "example. 300 DNAME example.net.\nwww.example. 300 CNAME www.example.net.\nwww.example.net. 300 A 192.0.2.1"}, Positive},
		{"answer at the root", message{question: ". NS", answer: ". 300 NS a.root-servers.net."}, Positive},
		{"chain of sixteen", message{answer: strings.Join(chain(16), "\n") + "\nc16.example. 300 A 192.0.2.1"}, Positive},
		{"cname asked for", message{question: "www.example. CNAME", answer: cname}, Positive},
		{"cname asked for, and more of the chain", message{question: "www.example. CNAME", answer: cname + "web.example. 300 CNAME far.example."}, Positive},

		{"cname asked for, with its target", message{question: "www.example. CNAME", answer: cname + "web.example. 300 CNAME c.example."}, Positive},
		{"answer before its cname", message{answer: "web.example. 300 A 192.0.2.1\n" + cname}, Positive},
		{"answer in another spelling", message{answer: "WWW.example. 300 A 192.0.2.1"}, Positive},
		{"answer of another name", message{answer: "mail.example. 300 A 192.0.2.1"}, NODATA},
		{"answer that the cname does not lead to", message{answer: cname + "mail.example. 300 A 192.0.2.1"}, NODATA},

		{"nxdomain", message{rcode: dns.RcodeNameError, authority: soa}, NXDOMAIN},
		{"nxdomain without soa", message{rcode: dns.RcodeNameError}, NXDOMAIN},
		{"nxdomain behind cname", message{rcode: dns.RcodeNameError, answer: cname, authority: soa}, NXDOMAIN},
		{"nxdomain with an answer", message{rcode: dns.RcodeNameError, answer: a}, NXDOMAIN},

		{"nodata", message{authority: soa}, NODATA},
		{"nodata without soa", message{}, NODATA},
		{"nodata behind cname", message{answer: cname, authority: soa}, NODATA},
		{"nodata behind cname without soa", message{answer: cname}, NODATA},
		{"nodata type 1 of RFC 2308", message{authority: soa + ns}, NODATA},
		{"nodata with ns from the zone itself", message{authority: ns, flags: AA}, NODATA},
		{"cname with ns", message{answer: cname, authority: ns}, NODATA},
		{"answer of another name only, behind cname", message{answer: cname + "far.example. 300 A 192.0.2.1"}, NODATA},
		{"answer of another name only", message{answer: "web.example. 300 A 192.0.2.1", authority: soa}, NODATA},
		{"answer in the middle of a chain", message{answer: cname + "web.example. 300 CNAME far.example.\nweb.example. 300 A 192.0.2.1"}, NODATA},
		{"chain of seventeen", message{answer: strings.Join(chain(17), "\n") + "\nc17.example. 300 A 192.0.2.1"}, NODATA},
		{"another type only", message{answer: "www.example. 300 AAAA 2001:db8::1", authority: soa}, NODATA},

		{"referral", message{authority: ns, additional: "ns.example. 300 A 192.0.2.53"}, Referral},
		{"referral for NS", message{question: "www.example. NS", authority: ns}, Referral},
		{"referral upwards", message{authority: ". 300 NS a.root-servers.net."}, Referral},

		{"formerr", message{rcode: dns.RcodeFormatError}, Failure},
		{"servfail", message{rcode: dns.RcodeServerFailure}, Failure},
		{"servfail with an answer", message{rcode: dns.RcodeServerFailure, answer: a}, Failure},
		{"notimp", message{rcode: dns.RcodeNotImplemented}, Failure},
		{"refused", message{rcode: dns.RcodeRefused}, Failure},
		{"badvers", message{rcode: dns.RcodeBadVers, opt: opt()}, Failure},
		{"badcookie", message{rcode: dns.RcodeBadCookie, opt: opt()}, Failure},
		{"extended rcode that ends like nxdomain", message{rcode: 16 + dns.RcodeNameError, opt: opt()}, Failure},
		{"extended rcode that ends like noerror", message{rcode: 16 * 17, answer: a, opt: opt()}, Failure},

		{"yxdomain", message{rcode: dns.RcodeYXDomain}, Other},
		{"notauth", message{rcode: dns.RcodeNotAuth}, Other},
		{"rcode 15", message{rcode: 15, answer: a}, Other},
	} {
		if tt.message.question == "" {
			tt.message.question = "www.example. A"
		}
		r := tt.message.parse(t)
		if r.Kind != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, r.Kind, tt.want)
		}
		if r.Rcode != tt.message.rcode {
			t.Errorf("%s: got rcode %d, want %d", tt.name, r.Rcode, tt.message.rcode)
		}
		if negative := tt.want == NXDOMAIN || tt.want == NODATA; r.Kind.Negative() != negative {
			t.Errorf("%s: got negative %v, want %v", tt.name, !negative, negative)
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	got := fmt.Sprint(Failure, Referral, Positive, NXDOMAIN, NODATA, Other)
	if want := "failure referral positive nxdomain nodata other"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReplyInFull(t *testing.T) {
	t.Parallel()
	r := message{
		question: "wWw.example. A",
		flags:    RA | AD,
		answer:   "www.example. 300 CNAME web.example.\nweb.example. 200 A 192.0.2.1\nweb.example. 400 A 192.0.2.2",
		authority: "example. 50 NS ns.example.\nexample. 70 SOA ns.example. host.example. 1 2 3 4 60\n" +
			"example. 5 SOA ns.example. host.example. 1 2 3 4 6",
		additional: "ns.example. 40 A 192.0.2.53",
		opt:        opt(),
	}.parse(t)
	if r.Flags != QR|RA|AD || r.Answers != 3 || r.Authorities != 3 || r.Additional != 1 || !r.Chain {
		t.Errorf("got %+v", r)
	}
	if r.AnswerTTL != 200 {
		t.Errorf("lowest TTL of the answer: got %d, want 200", r.AnswerTTL)
	}
	if !r.SOA || r.SOATTL != 70 || r.Minimum != 60 || r.NegativeTTL() != 60 {
		t.Errorf("the first SOA: got %v, TTL %d, MINIMUM %d, negative TTL %d", r.SOA, r.SOATTL, r.Minimum, r.NegativeTTL())
	}
	if got := be32(r.Message, r.MinimumOffset); got != 60 {
		t.Errorf("at the offset of MINIMUM: got %d, want 60", got)
	}
	var ttls []uint32
	for _, off := range r.TTLs {
		ttls = append(ttls, be32(r.Message, int(off)))
	}
	if want := []uint32{300, 200, 400, 50, 70, 5, 40}; !slices.Equal(ttls, want) {
		t.Errorf("TTLs: got %v, want %v", ttls, want)
	}
}

func TestOPTIsTakenOut(t *testing.T) {
	t.Parallel()
	www := wireName(t, "www.example.")
	q := AppendQuestion(nil, www, dns.TypeA, dns.ClassINET)
	a := rr([]byte{0xC0, 12}, dns.TypeA, 192, 0, 2, 1)
	glue := rr([]byte("\x02ns\xC0\x10"), dns.TypeA, 192, 0, 2, 53)
	o := AppendOPT(nil, 0, true, AppendOption(nil, dns.EDNS0PADDING, make([]byte, 50)))
	for _, tt := range []struct {
		name       string
		additional [][]byte
		kept       int
	}{
		{"no OPT", [][]byte{glue, glue}, 2},
		{"OPT alone", [][]byte{o}, 0},
		{"OPT last", [][]byte{glue, o}, 1},
		{"OPT first", [][]byte{o, glue}, 0},
		{"OPT in the middle", [][]byte{glue, glue, o, glue}, 2},
	} {
		msg := join(header(QR, 1, 1, 0, uint16(len(tt.additional))), q, a, join(tt.additional...))
		whole := bytes.Clone(msg)
		var r Reply
		if err := ParseReply(msg, www, dns.TypeA, &r); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := join(header(QR, 1, 1, 0, uint16(len(tt.additional))), q, a, join(tt.additional[:tt.kept]...))
		if !bytes.Equal(r.Message, want) || r.Additional != tt.kept || len(r.TTLs) != 1+tt.kept {
			t.Errorf("%s: got %x, %d additional records, %d TTLs, want %x, %d", tt.name, r.Message, r.Additional, len(r.TTLs), want, tt.kept)
		}
		if !bytes.Equal(msg, whole) {
			t.Errorf("%s: the message was changed", tt.name)
		}
	}
}

func TestExtendedErrorsAreTaken(t *testing.T) {
	t.Parallel()
	ede := func(code uint16, text string) dns.EDNS0 { return &dns.EDNS0_EDE{InfoCode: code, ExtraText: text} }
	nsid := &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: "6e73"}
	long := strings.Repeat("x", maxEDE-6)
	for _, tt := range []struct {
		name string
		opt  *dns.OPT
		want []byte
	}{
		{"no OPT", nil, nil},
		{"no option", opt(), nil},
		{"other options", opt(nsid), nil},
		{"code only", opt(ede(6, "")), AppendEDE(nil, 6, "")},
		{"with text", opt(ede(9, "no DNSKEY")), AppendEDE(nil, 9, "no DNSKEY")},
		{"behind another option", opt(nsid, ede(22, "")), AppendEDE(nil, 22, "")},
		{"the first of two", opt(ede(7, "a"), ede(8, "b")), AppendEDE(nil, 7, "a")},
		{"256 bytes", opt(ede(7, long)), AppendEDE(nil, 7, long)},
		{"257 bytes", opt(ede(7, long+"x")), nil},
		{"too long, then one that is not", opt(ede(7, long+"x"), ede(8, "b")), AppendEDE(nil, 8, "b")},
		{"without a code", opt(&dns.EDNS0_LOCAL{Code: optEDE, Data: []byte{1}}), nil},
	} {
		r := message{question: "www.example. A", rcode: dns.RcodeServerFailure, opt: tt.opt}.parse(t)
		if !bytes.Equal(r.EDE, tt.want) || (r.EDE == nil) != (tt.want == nil) {
			t.Errorf("%s: got %q, want %q", tt.name, r.EDE, tt.want)
		}
	}
}

func TestRepliesToOtherQuestions(t *testing.T) {
	t.Parallel()
	www := wireName(t, "www.example.")
	q := AppendQuestion(nil, www, dns.TypeA, dns.ClassINET)
	for _, tt := range []struct {
		name  string
		msg   []byte
		match bool
	}{
		{"the same", join(header(QR, 1, 0, 0, 0), q), true},
		{"another spelling", join(header(QR, 1, 0, 0, 0), AppendQuestion(nil, wireName(t, "wWw.exAmple."), dns.TypeA, dns.ClassINET)), true},
		{"nothing", nil, false},
		{"header only", header(QR|dns.RcodeRefused, 0, 0, 0, 0), false},
		{"QDCOUNT 0, but a question", join(header(QR, 0, 0, 0, 0), q), false},
		{"QDCOUNT 2", join(header(QR, 2, 0, 0, 0), q, q), false},
		{"question cut", join(header(QR, 1, 0, 0, 0), q[:len(q)-1]), false},
		{"a query", join(header(0, 1, 0, 0, 0), q), false},
		{"another opcode", join(header(QR|4<<11, 1, 0, 0, 0), q), false},
		{"another name", join(header(QR, 1, 0, 0, 0), AppendQuestion(nil, wireName(t, "xww.example."), dns.TypeA, dns.ClassINET)), false},
		{"a longer name", join(header(QR, 1, 0, 0, 0), AppendQuestion(nil, wireName(t, "www.example.com."), dns.TypeA, dns.ClassINET)), false},
		{"another type", join(header(QR, 1, 0, 0, 0), AppendQuestion(nil, www, dns.TypeAAAA, dns.ClassINET)), false},
		{"another class", join(header(QR, 1, 0, 0, 0), AppendQuestion(nil, www, dns.TypeA, dns.ClassCHAOS)), false},
	} {
		if got := MatchesQuestion(tt.msg, www, dns.TypeA); got != tt.match {
			t.Errorf("%s: %x: got match %v, want %v", tt.name, tt.msg, got, tt.match)
		}
		want := ErrMismatch
		if tt.match {
			want = nil
		}
		if err := ParseReply(tt.msg, www, dns.TypeA, new(Reply)); !errors.Is(err, want) {
			t.Errorf("%s: %x: got %v, want %v", tt.name, tt.msg, err, want)
		}
	}
}

func TestMalformedReplies(t *testing.T) {
	t.Parallel()
	www := wireName(t, "www.example.")
	q := AppendQuestion(nil, www, dns.TypeA, dns.ClassINET)
	self := byte(HeaderLen + len(q))
	ptr := []byte{0xC0, 12}
	a := rr(ptr, dns.TypeA, 192, 0, 2, 1)
	o := AppendOPT(nil, 0, false, nil)
	option := func(b ...byte) []byte { return AppendOPT(nil, 0, false, b) }
	times := make([]byte, 20) // of an SOA

	type row struct {
		name   string
		counts [3]uint16
		rest   []byte
	}
	rows := []row{
		{"trailing byte", [3]uint16{1, 0, 0}, join(a, []byte{0})},
		{"record nobody counted", [3]uint16{1, 0, 0}, join(a, a)},
		{"answer missing", [3]uint16{1, 0, 0}, nil},
		{"answer cut", [3]uint16{2, 0, 0}, join(a, a[:len(a)-1])},
		{"answer cut in its header", [3]uint16{1, 0, 0}, a[:7]},
		{"65535 answers", [3]uint16{65535, 0, 0}, join(a, a)},
		{"authority missing", [3]uint16{1, 1, 0}, a},
		{"additional missing", [3]uint16{1, 0, 1}, a},
		{"owner points to itself", [3]uint16{1, 0, 0}, rr([]byte{0xC0, self}, dns.TypeA, 192, 0, 2, 1)},
		{"owner points to its own label", [3]uint16{1, 0, 0}, rr([]byte{1, 'a', 0xC0, self}, dns.TypeA, 192, 0, 2, 1)},
		{"owner points forwards", [3]uint16{2, 0, 0}, join(rr([]byte{0xC0, self + 16}, dns.TypeA, 192, 0, 2, 1), a)},
		{"owner of 256 bytes", [3]uint16{1, 0, 0}, rr(longName(256), dns.TypeA, 192, 0, 2, 1)},
		{"OPT in the answer", [3]uint16{1, 0, 0}, o},
		{"OPT in the authority", [3]uint16{0, 1, 0}, o},
		{"two OPTs", [3]uint16{0, 0, 2}, join(o, o)},
		{"OPT with an owner", [3]uint16{0, 0, 1}, join([]byte{1, 'a'}, o)},
		{"option header cut", [3]uint16{0, 0, 1}, option(0, 15, 0)},
		{"option too long", [3]uint16{0, 0, 1}, option(0, 15, 0, 2, 0)},
	}
	for _, tt := range []struct {
		name  string
		rtype uint16
		rdata []byte
	}{
		{"A of 3 bytes", dns.TypeA, make([]byte, 3)},
		{"A of 5 bytes", dns.TypeA, make([]byte, 5)},
		{"empty A", dns.TypeA, nil},
		{"AAAA of 15 bytes", dns.TypeAAAA, make([]byte, 15)},
		{"AAAA of 17 bytes", dns.TypeAAAA, make([]byte, 17)},
		{"empty CNAME", dns.TypeCNAME, nil},
		{"CNAME with a byte more", dns.TypeCNAME, []byte{1, 'a', 0, 0}},
		{"CNAME without end", dns.TypeCNAME, []byte{2, 'a'}},
		{"CNAME that points to itself", dns.TypeCNAME, []byte{0xC0, self + 12}},
		{"DNAME cut", dns.TypeDNAME, []byte{0xC0}},
		{"NS that points forwards", dns.TypeNS, []byte{0xC0, 200}},
		{"PTR with a label of 64", dns.TypePTR, []byte("\x40" + strings.Repeat("a", 64) + "\x00")},
		{"MX without a name", dns.TypeMX, []byte{0, 10}},
		{"MX with a byte more", dns.TypeMX, []byte{0, 10, 0xC0, 12, 0}},
		{"MX of one byte", dns.TypeMX, []byte{0}},
		{"empty MX", dns.TypeMX, nil},
		{"empty SOA", dns.TypeSOA, nil},
		{"SOA without RNAME", dns.TypeSOA, []byte{0xC0, 12}},
		{"SOA with a byte less", dns.TypeSOA, join(ptr, ptr, times[1:])},
		{"SOA with a byte more", dns.TypeSOA, join(ptr, ptr, times, times[:1])},
		{"SOA whose MNAME points to itself", dns.TypeSOA, join([]byte{0xC0, self + 12}, ptr, times)},
		{"SOA whose RNAME points to itself", dns.TypeSOA, join(ptr, []byte{0xC0, self + 14}, times)},
	} {
		for section := range 3 {
			var counts [3]uint16
			counts[section] = 1
			rows = append(rows, row{fmt.Sprintf("%s in section %d", tt.name, section+1), counts, rr(ptr, tt.rtype, tt.rdata...)})
		}
	}
	for _, tt := range rows {
		msg := slices.Clip(join(header(QR, 1, tt.counts[0], tt.counts[1], tt.counts[2]), q, tt.rest)) // nothing can be read behind it
		if err := ParseReply(msg, www, dns.TypeA, new(Reply)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %x: got %v, want %v", tt.name, msg, err, ErrFormat)
		}
	}
}

func TestRdataThatNobodyTakesApartIsPassedOn(t *testing.T) {
	t.Parallel()
	r := message{
		question: "www.example. TYPE65400",
		answer:   `www.example. 300 TYPE65400 \# 3 C0FFEE`,
	}
	if got := r.parse(t); got.Kind != Positive {
		t.Errorf("got %v, want %v", got.Kind, Positive)
	}
}

func TestParseReplyForgetsTheLastOne(t *testing.T) {
	t.Parallel()
	big := message{
		question: "www.example. A", flags: QR | AD, rcode: dns.RcodeBadVers, answer: strings.Join(chain(3), "\n"), authority: soa,
		additional: "ns.example. 300 A 192.0.2.53", opt: opt(&dns.EDNS0_EDE{InfoCode: 6}),
	}.parse(t)
	msg := message{question: "www.example. A", flags: QR}.pack(t)
	var fresh Reply
	name := wireName(t, "www.example.")
	for _, r := range []*Reply{big, &fresh} {
		if err := ParseReply(msg, name, dns.TypeA, r); err != nil {
			t.Fatal(err)
		}
	}
	if cap(big.TTLs) == 0 || len(big.TTLs) != 0 {
		t.Errorf("the slice of TTLs: got %d of %d, want the old one, empty", len(big.TTLs), cap(big.TTLs))
	}
	big.TTLs, fresh.TTLs = nil, nil
	if got, want := fmt.Sprintf("%+v", *big), fmt.Sprintf("%+v", fresh); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCloneOutlivesTheMessage(t *testing.T) {
	t.Parallel()
	b := message{question: "www.example. A", flags: QR | RD | RA, answer: "www.example. 300 A 192.0.2.1", opt: opt(&dns.EDNS0_EDE{InfoCode: 3, ExtraText: "stale"})}.pack(t)
	var r Reply
	name, err := Name("www.example.")
	if err != nil {
		t.Fatal(err)
	}
	if err := ParseReply(b, name, dns.TypeA, &r); err != nil {
		t.Fatalf("ParseReply: %v", err)
	}
	c := r.Clone()
	for i := range b {
		b[i] = 0xFF
	}
	m, err := c.Msg()
	if err != nil {
		t.Fatalf("Msg: %v", err)
	}
	if len(m.Answer) != 1 || m.Answer[0].String() != "www.example.\t300\tIN\tA\t192.0.2.1" || m.IsEdns0() != nil {
		t.Errorf("got %v, want the answer and no OPT", m)
	}
	if string(c.EDE[6:]) != "stale" || c.Kind != Positive || len(c.TTLs) != 1 {
		t.Errorf("got %+v, want what the reply had", c)
	}
}
