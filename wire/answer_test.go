package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestReplyFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query Flags
		rcode int
		want  Flags
	}{
		{0, dns.RcodeSuccess, QR | RA},
		{RD, dns.RcodeRefused, QR | RA | RD | 5},
		{RD | CD, dns.RcodeSuccess, QR | RA | RD | CD},
		{AA | TC | RA | AD | 1<<6 | 0xF, dns.RcodeSuccess, QR | RA},
		{4 << 11, dns.RcodeNotImplemented, QR | RA | 4<<11 | 4},
		{RD, dns.RcodeBadVers, QR | RA | RD},
	} {
		if got := ReplyFlags(&Query{Flags: tt.query}, tt.rcode); got != tt.want {
			t.Errorf("flags %04x, rcode %d: got %04x, want %04x", tt.query, tt.rcode, got, tt.want)
		}
	}
}

func TestAnswersWithoutTheCache(t *testing.T) {
	t.Parallel()
	www := Query{ID: testID, Flags: RD, Name: wireName(t, "wWw.example."), Type: dns.TypeANY, Class: dns.ClassINET}
	edns, chaos := www, www
	edns.EDNS = EDNS{Present: true, DO: true}
	chaos.Name, chaos.Type, chaos.Class = wireName(t, "Version.bind."), dns.TypeTXT, dns.ClassCHAOS
	prohibited := AppendEDE(nil, dns.ExtendedErrorCodeProhibited, "not you")
	long := strings.Repeat("0123456789", 30)

	for _, tt := range []struct {
		name    string
		query   Query
		rcode   int
		rr      []byte
		options []byte
		// What miekg/dns makes of it.
		question, answer, extra string
	}{
		{
			name: "FORMERR without a question", query: Query{ID: testID}, rcode: dns.RcodeFormatError,
		},
		{
			name: "NOTIMP without a question, with an OPT", query: Query{ID: testID, EDNS: edns.EDNS}, rcode: dns.RcodeNotImplemented,
			extra: "version 0 do size 1232",
		},
		{
			name: "REFUSED", query: www, rcode: dns.RcodeRefused, options: prohibited,
			question: "wWw.example. IN ANY",
		},
		{
			name: "REFUSED with an extended error", query: edns, rcode: dns.RcodeRefused, options: prohibited,
			question: "wWw.example. IN ANY", extra: "version 0 do size 1232 ede 18 not you",
		},
		{
			name: "BADVERS", query: edns, rcode: dns.RcodeBadVers,
			question: "wWw.example. IN ANY", extra: "version 0 do size 1232",
		},
		{
			name: "rcode 4095", query: edns, rcode: 4095,
			question: "wWw.example. IN ANY", extra: "version 0 do size 1232",
		},
		{
			name: "ANY", query: www, rr: HINFO(),
			question: "wWw.example. IN ANY", answer: `wWw.example. 3600 IN HINFO "RFC8482" ""`,
		},
		{
			name: "ANY with an OPT", query: edns, rr: HINFO(),
			question: "wWw.example. IN ANY", answer: `wWw.example. 3600 IN HINFO "RFC8482" ""`, extra: "version 0 do size 1232",
		},
		{
			name: "ANY at the root", query: Query{ID: testID, Name: []byte{0}, Type: dns.TypeANY, Class: dns.ClassINET}, rr: HINFO(),
			question: ". IN ANY", answer: `. 3600 IN HINFO "RFC8482" ""`,
		},
		{
			name: "version.bind", query: chaos, rr: ChaosTXT("notyet 1.0"),
			question: "Version.bind. CH TXT", answer: `Version.bind. 0 CH TXT "notyet 1.0"`,
		},
		{
			name: "version.bind of nothing", query: chaos, rr: ChaosTXT(""),
			question: "Version.bind. CH TXT", answer: `Version.bind. 0 CH TXT ""`,
		},
		{
			name: "version.bind of 300 bytes", query: chaos, rr: ChaosTXT(long),
			question: "Version.bind. CH TXT", answer: `Version.bind. 0 CH TXT "` + long[:255] + `"`,
		},
	} {
		b := AppendAnswer([]byte("before"), &tt.query, tt.rcode, tt.rr, tt.options)
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Errorf("%s: got %q, want it behind what was there", tt.name, b)
			continue
		}
		b = b[len("before"):]
		m := unpack(t, b)
		wantRcode := tt.rcode
		if !tt.query.EDNS.Present {
			wantRcode &= 0xF
		}
		if m.Id != testID || m.Rcode != wantRcode || Flags(be16(b, 2)) != ReplyFlags(&tt.query, tt.rcode) {
			t.Errorf("%s: got %v, want rcode %d", tt.name, m, wantRcode)
		}
		var question string
		for _, q := range m.Question {
			question += q.Name + " " + dns.ClassToString[q.Qclass] + " " + dns.TypeToString[q.Qtype]
		}
		if answer := lines(m.Answer); question != tt.question || answer != tt.answer || len(m.Ns) > 0 || lines(m.Extra) != tt.extra {
			t.Errorf("%s: got question %q, answer %q, authority %v, additional %q, want %q, %q, none, %q",
				tt.name, question, answer, m.Ns, lines(m.Extra), tt.question, tt.answer, tt.extra)
		}
	}
}

// lines gives records as in a zone file, and an OPT in words.
func lines(rrs []dns.RR) string {
	var s []string
	for _, rr := range rrs {
		o, ok := rr.(*dns.OPT)
		if !ok {
			s = append(s, strings.ReplaceAll(rr.String(), "\t", " "))
			continue
		}
		s = append(s, optWords(o))
	}
	return strings.Join(s, "\n")
}

func TestQueriesForUpstreams(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flags Flags
		do    bool
		want  Flags
		extra string
	}{
		{RD, false, RD | AD, "version 0 size 1232"},
		{RD | CD, true, RD | CD | AD, "version 0 do size 1232"},
		{0, false, AD, "version 0 size 1232"},
		{QR | AA | TC | RA | 0xF | 0xF<<11, false, AD, "version 0 size 1232"},
	} {
		b := AppendQuery([]byte("before"), wireName(t, "www.example."), dns.TypeHTTPS, tt.flags, tt.do)[len("before"):]
		m := unpack(t, b)
		want := dns.Question{Name: "www.example.", Qtype: dns.TypeHTTPS, Qclass: dns.ClassINET}
		if m.Id != 0 || Flags(be16(b, 2)) != tt.want || len(m.Question) != 1 || m.Question[0] != want ||
			len(m.Answer)+len(m.Ns) > 0 || lines(m.Extra) != tt.extra {
			t.Errorf("flags %04x, do %v: got %v", tt.flags, tt.do, m)
		}
		var q Query
		if err := ParseQuery(b, &q); err != nil {
			t.Errorf("flags %04x, do %v: we don't take it ourselves: %v", tt.flags, tt.do, err)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if n := len(AppendOPT(nil, 0, true, nil)); n != OPTLen {
		t.Errorf("an OPT without options: got %d bytes, want OPTLen, %d", n, OPTLen)
	}
	options := AppendEDE(nil, dns.ExtendedErrorCodeStaleAnswer, "")
	options = AppendOption(options, 65001, []byte("data"))
	options = AppendEDE(options, dns.ExtendedErrorCodeOther, "why")
	m := unpack(t, join(header(QR|dns.RcodeBadCookie&0xF, 0, 0, 0, 1), AppendOPT(nil, dns.RcodeBadCookie, false, options)))
	if got, want := lines(m.Extra), "version 0 size 1232 ede 3  option 65001 data ede 0 why"; got != want || m.Rcode != dns.RcodeBadCookie {
		t.Errorf("got rcode %d, %q, want %d, %q", m.Rcode, got, dns.RcodeBadCookie, want)
	}
}
