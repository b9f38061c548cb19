//go:build e2e && linux

package e2e

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// severalLetters is a name that as good as no spelling of is without capitals.
const severalLetters = "a-name-of-more-letters-than-anybody-guesses-the-spelling-of." + plainZone

// TestReplyInAnotherSpellingIsNotBelieved has somebody guess the id and the port, and not the spelling.
func TestReplyInAnotherSpellingIsNotBelieved(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) {
		if in.proto == "udp" && in.Question[0].Name == severalLetters+"." {
			in.writeAsIs(mustPack(in.address(forgedAddress)))
		}
		in.reply(in.address(rightAddress))
	})
	n := front(t, "", u.addr)
	for _, qname := range []string{severalLetters, "www." + plainZone} {
		q := ask(qname, dns.TypeA)
		sameRecords(t, q, "answer", over(t, "udp", n.Addr, q).Answer, []dns.RR{mustRR(qname + ". 300 A " + rightAddress)})
	}
	if udp, tcp := u.count(severalLetters, "udp"), u.count(severalLetters, "tcp"); udp != 1 || tcp != 1 {
		t.Errorf("upstream: got %d queries over udp and %d over tcp, want 1 and 1", udp, tcp)
	}
	if strings.Contains(n.Stderr(), "spelling") {
		t.Errorf("got told of one reply in another spelling, want that after several:\n%s", n.Stderr())
	}
}

// TestUpstreamThatDoesNotKeepTheSpelling answers in lower case, and over UDP only.
func TestUpstreamThatDoesNotKeepTheSpelling(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) {
		if in.proto == "tcp" {
			in.hangUp()
			return
		}
		in.writeAsIs(mustPack(in.address(rightAddress)))
	})
	n := front(t, "", u.addr)
	for i := range 20 {
		q := ask(label(i)+severalLetters, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
	}
	told(t, n.Process, "does not keep the spelling", 1)
	if got := strings.Count(n.Stderr(), "does not keep the spelling"); got != 1 {
		t.Errorf("got told %d times that the upstream does not keep the spelling, want once:\n%s", got, n.Stderr())
	}
}

func TestUpstreamWithoutEDNS(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		refuse func(*incoming)
	}{
		{"formerr", func(in *incoming) {
			m := in.deny(dns.RcodeFormatError)
			m.Extra = nil
			in.reply(m)
		}},
		{"notimp", func(in *incoming) { in.reply(in.deny(dns.RcodeNotImplemented)) }},
		{"badvers", func(in *incoming) { in.reply(in.deny(dns.RcodeBadVers)) }},
		{"silence", silent},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := startUpstream(t, func(in *incoming) {
				if in.IsEdns0() != nil {
					test.refuse(in)
					return
				}
				in.reply(in.address(rightAddress))
			})
			n := front(t, "", u.addr)
			told := func() bool { return strings.Contains(n.Stderr(), "does not answer queries with EDNS") }
			asked := 0
			for ; !told() && asked < 30; asked++ {
				q := ask(label(asked)+plainZone, dns.TypeA, withEDNS(1232))
				wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
			}
			if !told() {
				t.Fatalf("%d questions: got nothing told of EDNS, want it in the log:\n%s", asked, n.Stderr())
			}
			for i := range 20 {
				q := ask(label(asked+i)+plainZone, dns.TypeA, withDO)
				wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
				if got := u.count(q.Question[0].Name); got != 1 {
					t.Errorf("%s: upstream got %d queries, want 1: it is known to have no EDNS", describe(q), got)
				}
			}
			if got := strings.Count(n.Stderr(), "does not answer queries with EDNS"); got != 1 {
				t.Errorf("got told %d times, want once:\n%s", got, n.Stderr())
			}
		})
	}
}

// TestCookiesOfKnot has a real server refuse what comes without the cookie that it gave.
func TestCookiesOfKnot(t *testing.T) {
	t.Parallel()
	k := testbed.StartKnot(t, testbed.KnotConfig{
		Sections: "mod-cookies:\n  - id: all\n    badcookie-slip: 1\ntemplate:\n  - id: default\n    global-module: mod-cookies/all\n",
		Zones:    []testbed.Zone{{Name: plainZone, Text: zoneText}},
	})
	var bad, good atomic.Int32
	relay := startUpstream(t, func(in *incoming) {
		r, _, err := (&dns.Client{Net: in.proto, Timeout: patience}).Exchange(in.Msg, k.Addr.String())
		if err != nil {
			return
		}
		if r.Rcode == dns.RcodeBadCookie {
			bad.Add(1)
		} else {
			good.Add(1)
		}
		in.reply(r)
	})
	n := front(t, "", relay.addr)
	for i := range 20 {
		q := ask(label(i)+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeNameError)
		if queries := relay.queries(q.Question[0].Name); len(queries) == 0 || cookieOf(queries[len(queries)-1]) <= 16 {
			t.Errorf("%s: got the queries %v, want the last to have the server's cookie", describe(q), queries)
		}
		if got := relay.count(q.Question[0].Name, "tcp"); got != 0 {
			t.Errorf("%s: got %d queries over tcp, want 0", describe(q), got)
		}
	}
	// The first two questions, one of which is whether the upstream is there, may be under way together.
	if bad.Load() == 0 || bad.Load() > 2 || good.Load() < 20 {
		t.Errorf("got %d times BADCOOKIE and %d other replies, want 1 or 2 and at least 20", bad.Load(), good.Load())
	}
}

// cookieOf is the length of a query's cookie in hexadecimal digits.
func cookieOf(in *incoming) int {
	if opt := in.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if c, ok := o.(*dns.EDNS0_COOKIE); ok {
				return len(c.Cookie)
			}
		}
	}
	return 0
}
