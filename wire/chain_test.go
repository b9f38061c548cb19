package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// chain is n CNAMEs from www.example. on, to c1.example. and so forth.
func chain(n int) (lines []string) {
	owner := "www"
	for i := range n {
		next := fmt.Sprintf("c%d", i+1)
		lines = append(lines, owner+".example. 300 CNAME "+next+".example.")
		owner = next
	}
	return lines
}

func TestTargetIsTheEndOfTheChain(t *testing.T) {
	t.Parallel()
	backwards := chain(16)
	slices.Reverse(backwards)
	for _, tt := range []struct {
		name     string
		question string
		answer   []string
		want     string
	}{
		{"no chain", "", nil, "www.example."},
		{"spelling", "wWW.Example. A", nil, "www.example."},
		{"an answer and no cname", "", []string{"www.example. 300 A 192.0.2.1"}, "www.example."},
		{"one cname", "", chain(1), "c1.example."},
		{"in capitals", "WWW.EXAMPLE. A", []string{"Www.Example. 300 CNAME Web.EXAMPLE.", "wEB.example. 300 CNAME GONE.example."}, "gone.example."},
		{"sixteen", "", chain(16), "c16.example."},
		{"sixteen backwards", "", backwards, "c16.example."},
		{"seventeen is too many", "", chain(17), "c16.example."},
		{"a cname of another name", "", []string{"www.example. 300 A 192.0.2.1", "web.example. 300 CNAME c1.example."}, "www.example."},
		{"two cnames of one name: the first", "", []string{"www.example. 300 CNAME a.example.", "www.example. 300 CNAME b.example."}, "a.example."},
		{"with signatures between", "", []string{
			"www.example. 300 RRSIG CNAME 13 2 300 20300101000000 20200101000000 1 example. AAAA",
			"www.example. 300 CNAME c1.example.",
			"c1.example. 300 CNAME c2.example.",
		}, "c2.example."},
		{"dname", "", []string{"example. 300 DNAME example.net.", "www.example. 300 CNAME www.example.net."}, "www.example.net."},
		{"to the root", "", []string{"www.example. 300 CNAME ."}, "."},
		{"from the root", ". A", []string{". 300 CNAME www.example."}, "www.example."},
		{"loop of one", "", []string{"www.example. 300 CNAME www.example."}, "www.example."},
		{"loop of two", "", []string{"www.example. 300 CNAME a.example.", "a.example. 300 CNAME www.example."}, "www.example."},
	} {
		if tt.question == "" {
			tt.question = "www.example. A"
		}
		r := message{question: tt.question, rcode: dns.RcodeNameError, answer: strings.Join(tt.answer, "\n")}.parse(t)
		if got := r.Target([]byte("before")); string(got) != "before"+string(wireName(t, tt.want)) {
			t.Errorf("%s: got %q, want %s", tt.name, got, tt.want)
		}
		if want := strings.Contains(strings.Join(tt.answer, "\n"), "CNAME "); r.Chain != want {
			t.Errorf("%s: got chain %v, want %v", tt.name, r.Chain, want)
		}
	}
}

// TestPointersIntoRdata has an owner name that leads into rdata, where bytes of any kind may stand.
func TestPointersIntoRdata(t *testing.T) {
	t.Parallel()
	www := wireName(t, "www.example.")
	question := AppendQuestion(nil, www, dns.TypeA, dns.ClassINET)
	rdata := byte(HeaderLen + len(question) + 12)
	for _, tt := range []struct {
		name  string
		rdata []byte
		want  error
	}{
		{"a name", []byte{1, 'a', 0}, nil},
		{"a name with a pointer", []byte{1, 'a', 0xC0, 16}, nil},
		{"a pointer forwards", []byte{0xC0, rdata + 2}, ErrFormat},
		{"a pointer to itself", []byte{0xC0, rdata}, ErrFormat},
		{"a pointer into the header", []byte{0xC0, 4}, ErrFormat},
		{"label type 01", []byte{0x40, 0}, ErrFormat},
		{"a label that runs into the next record", []byte{20, 'a'}, ErrFormat},
	} {
		msg := join(header(QR|dns.RcodeNameError, 1, 3, 0, 0), question,
			rr([]byte{0xC0, 12}, dns.TypeNULL, tt.rdata...),
			rr([]byte{0xC0, 12}, dns.TypeCNAME, 0xC0, rdata),
			rr([]byte{0xC0, rdata}, dns.TypeCNAME, 0xC0, 12),
		)
		var r Reply
		if err := ParseReply(msg, www, dns.TypeA, &r); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestOwnersOtherThanTheQname(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer string
		want   []string
	}{
		{"none", "", nil},
		{"the qname only", "www.example. 300 A 192.0.2.1\nwww.example. 300 A 192.0.2.2", nil},
		{"the qname in another spelling", "WWW.example. 300 A 192.0.2.1", nil},
		{
			"chain", "www.example. 300 CNAME Web.example.\nWEB.example. 300 A 192.0.2.1",
			[]string{"web.example."},
		},
		{
			"chain backwards", "b.example. 300 A 192.0.2.1\na.example. 300 CNAME b.example.\nwww.example. 300 CNAME a.example.",
			[]string{"b.example.", "a.example."},
		},
		{
			"not what a cname leads to", "www.example. 300 CNAME web.example.",
			nil,
		},
		{
			"dname", "example. 300 DNAME example.net.\nwww.example. 300 CNAME www.example.net.\nwww.example.net. 300 A 192.0.2.1",
			[]string{"example.", "www.example.net."},
		},
	} {
		r := message{question: "www.example. A", answer: tt.answer, authority: soa, additional: "ns.example. 300 A 192.0.2.53"}.parse(t)
		var got []string
		r.Owners(func(owner []byte) {
			if name := String(owner); !slices.Contains(got, name) {
				got = append(got, name)
			}
			clear(owner) // it is ours during the call only, and nobody reads it again
		})
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
