package explain

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"notyet/upstream"
)

func TestWhatAServerSays(t *testing.T) {
	t.Parallel()
	soa := []string{soaWith("1800")}
	for _, test := range []struct {
		name       string
		rcode      int
		answer, ns []string
		flags      string // aa, ra
		err        error
		want       string // says | records | target | why
	}{
		{name: "answer", flags: "aa", answer: []string{"www.shipit.dev. 60 A 192.0.2.8", "www.shipit.dev. 60 A 192.0.2.7"},
			want: "positive | www.shipit.dev. 60 IN A 192.0.2.7, www.shipit.dev. 60 IN A 192.0.2.8 | | "},
		{name: "chain that goes on elsewhere", flags: "aa", answer: []string{"www.shipit.dev. 60 CNAME lb.example.net."},
			want: "positive | www.shipit.dev. 60 IN CNAME lb.example.net. | lb.example.net. | "},
		{name: "chain in the zone to nowhere", flags: "aa", rcode: dns.RcodeNameError, answer: []string{"www.shipit.dev. 60 CNAME lb.shipit.dev."}, ns: soa,
			want: "positive | www.shipit.dev. 60 IN CNAME lb.shipit.dev. | lb.shipit.dev. | "},
		{name: "nxdomain", flags: "aa", rcode: dns.RcodeNameError, ns: soa, want: "nxdomain | | | "},
		{name: "nodata", flags: "aa", ns: soa, want: "nodata | | | "},
		{name: "refused", rcode: dns.RcodeRefused, want: "lame | | | it says REFUSED"},
		{name: "servfail of a resolver", flags: "ra", rcode: dns.RcodeServerFailure, want: "lame | | | it says SERVFAIL"},
		{name: "resolver", flags: "ra", answer: []string{"www.shipit.dev. 60 A 192.0.2.8"}, want: "lame | | | it answers without authority, as a resolver does | recursor"},
		{name: "without authority", answer: []string{"www.shipit.dev. 60 A 192.0.2.8"}, want: "lame | | | it answers without authority"},
		{name: "upward referral", ns: []string{". 60 NS a.root-servers.net."}, want: "lame | | | it refers elsewhere"},
		{name: "referral", ns: []string{"www.shipit.dev. 60 NS ns.example.net."}, want: "referral | | | it refers to the servers of www.shipit.dev"},
		{name: "another zone", flags: "aa", rcode: dns.RcodeNameError, ns: []string{"dev. 60 SOA a.dev. b.dev. 7 3600 600 86400 1800"},
			want: "lame | | | it answers for another zone, dev"},
		{name: "timeout", err: fmt.Errorf("ask: %w", upstream.ErrTimeout), want: "silent | | | it does not answer"},
		{name: "refused connection", err: fmt.Errorf("read: %w", syscall.ECONNREFUSED), want: "silent | | | nobody listens there"},
		{name: "no way", err: fmt.Errorf("dial: %w", syscall.ENETUNREACH), want: "away | | | there is no way to it from here"},
		{name: "other", err: errors.New("reply: malformed"), want: "silent | | | reply: malformed"},
	} {
		m := message(t, test.rcode, test.answer, test.ns)
		m.Authoritative, m.RecursionAvailable = test.flags == "aa", test.flags == "ra"
		s, target := readServer(m, test.err, "shipit.dev.", "www.shipit.dev.", dns.TypeA)
		got := fmt.Sprintf("%s | %s | %s | %s", s.Says, strings.Join(s.Records, ", "), target, s.Why)
		if s.Recursor {
			got += " | recursor"
		}
		if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(test.want), " ") {
			t.Errorf("%s\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

func TestTextIsShownAsItIs(t *testing.T) {
	t.Parallel()
	m := message(t, dns.RcodeSuccess, []string{`www.shipit.dev. 60 TXT "v=x;  a   b"`}, nil)
	m.Authoritative = true
	const want = `www.shipit.dev. 60 IN TXT "v=x;  a   b"`
	s, _ := readServer(m, nil, "shipit.dev.", "www.shipit.dev.", dns.TypeTXT)
	a, c := readAnswer(m, nil, "www.shipit.dev.", dns.TypeTXT), readCached(m, nil, "www.shipit.dev.", dns.TypeTXT)
	for _, got := range []string{s.inWords(), a.inWords(), strings.Join(c.Records, "; ")} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWhatAResolverAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		rcode  int
		answer []string
		err    error
		ede    *dns.EDNS0_EDE
		says   string
		words  string
	}{
		{name: "answer", answer: []string{"www.shipit.dev. 60 A 192.0.2.8"}, says: Positive, words: "www.shipit.dev. 60 IN A 192.0.2.8"},
		{name: "half a chain", answer: []string{"www.shipit.dev. 60 CNAME lb.shipit.dev."}, says: NODATA, words: "NODATA"},
		{name: "nxdomain", rcode: dns.RcodeNameError, says: NXDOMAIN, words: "NXDOMAIN"},
		{name: "bogus", rcode: dns.RcodeServerFailure, ede: &dns.EDNS0_EDE{InfoCode: 6, ExtraText: "no DNSKEY"}, says: Failure,
			words: "SERVFAIL (DNSSEC Bogus: no DNSKEY)"},
		{name: "extended error that nobody knows", rcode: dns.RcodeRefused, ede: &dns.EDNS0_EDE{InfoCode: 4711}, says: Failure,
			words: "REFUSED (extended error 4711)"},
		{name: "timeout", err: upstream.ErrTimeout, says: Failure, words: "nothing: it does not answer"},
	} {
		m := message(t, test.rcode, test.answer, nil)
		if test.ede != nil {
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = []dns.EDNS0{test.ede}
		}
		if got := readAnswer(m, test.err, "www.shipit.dev.", dns.TypeA); got.Says != test.says || got.inWords() != test.words {
			t.Errorf("%s: got %s, %q, want %s, %q", test.name, got.Says, got.inWords(), test.says, test.words)
		}
	}
}
