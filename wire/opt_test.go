package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestQueryWithoutItsOPT(t *testing.T) {
	t.Parallel()
	name := wireName(t, "www.example.")
	for _, do := range []bool{false, true} {
		query := AppendQuery(nil, name, dns.TypeAAAA, RD|CD, do)
		if got := HasDO(query); got != do {
			t.Errorf("%x: got do %v, want %v", query, got, do)
		}
		m := unpack(t, CutOPT(query))
		if len(m.Extra) > 0 || m.Question[0].Name != "www.example." || m.Question[0].Qtype != dns.TypeAAAA {
			t.Errorf("got %v, want the question and nothing else", m)
		}
		if !m.RecursionDesired || !m.CheckingDisabled || !m.AuthenticatedData {
			t.Errorf("got %v, want rd, cd and ad as they were", m)
		}
	}
}

func TestQueryWithAnOption(t *testing.T) {
	t.Parallel()
	name := wireName(t, "www.example.")
	for _, data := range []string{"", "8 octets", strings.Repeat("x", 40)} {
		m := unpack(t, AddOption(AppendQuery(nil, name, dns.TypeA, RD, true), 65001, []byte(data)))
		o := m.IsEdns0()
		if o == nil || !o.Do() || o.UDPSize() != UDPSize || len(o.Option) != 1 {
			t.Fatalf("got %v, want an OPT with do and one option", m)
		}
		if got := o.Option[0].(*dns.EDNS0_LOCAL); got.Code != 65001 || string(got.Data) != data {
			t.Errorf("got option %d %q, want 65001 %q", got.Code, got.Data, data)
		}
	}
}

func TestFindOPT(t *testing.T) {
	t.Parallel()
	const a = "www.example. 300 A 192.0.2.1\n"
	cookie := &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "24a5ac1223344556"}
	ede := &dns.EDNS0_EDE{InfoCode: 22}
	for _, tt := range []struct {
		name    string
		message message
		change  func([]byte) []byte
		found   bool
		rcode   int
		cookie  string
	}{
		{name: "no opt", message: message{answer: a, additional: a}},
		{name: "empty opt", message: message{answer: a, opt: opt()}, found: true},
		{name: "badvers", message: message{rcode: dns.RcodeBadVers, opt: opt()}, found: true, rcode: 16},
		{name: "cookie", message: message{answer: a, opt: opt(cookie)}, found: true, cookie: "\x24\xa5\xac\x12\x23\x34\x45\x56"},
		{
			name:    "cookie behind another option and records in every section",
			message: message{answer: a, authority: soa, additional: a + a, opt: opt(ede, cookie)},
			found:   true, cookie: "\x24\xa5\xac\x12\x23\x34\x45\x56",
		},
		{
			name: "option longer than the opt", message: message{opt: opt(cookie)}, found: true,
			change: func(b []byte) []byte { b[len(b)-9]++; return b },
		},
		{name: "cut in the opt", message: message{opt: opt(cookie)}, change: func(b []byte) []byte { return b[:len(b)-1] }},
		{name: "cut before the opt", message: message{answer: a, opt: opt()}, change: func(b []byte) []byte { return b[:len(b)-11] }},
		{name: "cut in the answer", message: message{answer: a, opt: opt()}, change: func(b []byte) []byte { return b[:len(b)-12] }},
		{
			name: "a root record that is no opt", message: message{additional: ". 300 NS ns.example."},
		},
	} {
		tt.message.question, tt.message.flags = "www.example. A", tt.message.flags|QR
		b := tt.message.pack(t)
		if tt.change != nil {
			b = tt.change(b)
		}
		got, found := FindOPT(slices.Clip(b))
		if found != tt.found || got.Rcode != tt.rcode || string(got.Option(dns.EDNS0COOKIE)) != tt.cookie {
			t.Errorf("%s: got found %v, rcode %d, cookie %x, want %v, %d, %x",
				tt.name, found, got.Rcode, got.Option(dns.EDNS0COOKIE), tt.found, tt.rcode, tt.cookie)
		}
	}
}

func TestAnEmptyOptionIsFound(t *testing.T) {
	t.Parallel()
	o := OPT{Options: AppendOption(AppendOption(nil, 3, nil), 10, nil)}
	if o.Option(10) == nil || o.Option(3) == nil || o.Option(11) != nil {
		t.Errorf("%x: got %v, %v and %v, want the first two not nil", o.Options, o.Option(10), o.Option(3), o.Option(11))
	}
}

func TestRespell(t *testing.T) {
	t.Parallel()
	name := wireName(t, "www.example.")
	for _, tt := range []struct {
		name     string
		compress bool
		answer   string
		want     []string // owner names
	}{
		{"no answer", false, "", nil},
		{"owner that points to the qname", true, "wWw.eXample. 300 A 192.0.2.1", []string{"www.example."}},
		{"owners written out", false, "wWw.eXample. 300 A 192.0.2.1\nWWW.EXAMPLE. 300 A 192.0.2.2", []string{"www.example.", "www.example."}},
		{"other owners", false, "wWw.eXample. 300 CNAME Far.eXample.\nFar.eXample. 300 A 192.0.2.2", []string{"www.example.", "Far.eXample."}},
		{"longer owner", false, "a.wWw.eXample. 300 A 192.0.2.1", []string{"a.wWw.eXample."}},
		{"shorter owner", false, "eXample. 300 A 192.0.2.1", []string{"eXample."}},
	} {
		m := &dns.Msg{Compress: tt.compress, Answer: records(t, tt.answer)}
		m.Response = true
		m.Question = []dns.Question{{Name: "wWw.eXample.", Qtype: dns.TypeA, Qclass: dns.ClassINET}}
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		Respell(b, name)
		got := unpack(t, b)
		var owners []string
		for _, rr := range got.Answer {
			owners = append(owners, rr.Header().Name)
		}
		if got.Question[0].Name != "www.example." || !slices.Equal(owners, tt.want) {
			t.Errorf("%s: got the qname %s and owners %q, want www.example. and %q", tt.name, got.Question[0].Name, owners, tt.want)
		}
		for cut := HeaderLen + len(name) + 4; cut < len(b); cut++ {
			Respell(slices.Clip(b[:cut]), name) // nothing is read or written behind it
		}
		if !bytes.Equal(b[HeaderLen:][:len(name)], name) {
			t.Errorf("%s: got %q, want %q", tt.name, b[HeaderLen:][:len(name)], name)
		}
	}
}
