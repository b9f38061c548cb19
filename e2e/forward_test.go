//go:build e2e && linux

package e2e

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

func TestTruncatedReplyOfAnUpstreamIsAskedForOverTCP(t *testing.T) {
	t.Parallel()
	qname := "www." + plainZone
	for _, test := range []struct {
		name   string
		answer func(*incoming) *dns.Msg // the truncated one
	}{
		{"empty", func(in *incoming) *dns.Msg { return in.answer() }},
		{"partial", func(in *incoming) *dns.Msg { return in.address(forgedAddress) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := startUpstream(t, func(in *incoming) {
				if in.proto == "tcp" {
					in.reply(in.address(rightAddress))
					return
				}
				m := test.answer(in)
				m.Truncated = true
				in.reply(m)
			})
			n := front(t, "", u.addr)
			q := ask(qname, dns.TypeA)
			r := over(t, "udp", n.Addr, q)
			if r.Truncated {
				t.Errorf("%s: got TC set, want the whole answer", describe(q))
			}
			sameRecords(t, q, "answer", r.Answer, []dns.RR{mustRR(qname + ". 300 A " + rightAddress)})
			if udp, tcp := u.count(qname, "udp"), u.count(qname, "tcp"); udp != 1 || tcp != 1 {
				t.Errorf("upstream: got %d queries over udp and %d over tcp, want 1 and 1", udp, tcp)
			}
		})
	}
}

func TestTCPUpstreamIsAskedOverTCPOnly(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
	n := front(t, "upstreams: [\"tcp://"+u.addr.String()+"\"]")
	for _, proto := range []string{"udp", "tcp"} {
		q := ask(proto+"."+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, proto, n.Addr, q), dns.RcodeSuccess)
		if udp, tcp := u.count(proto+"."+plainZone, "udp"), u.count(proto+"."+plainZone, "tcp"); udp != 0 || tcp != 1 {
			t.Errorf("%s: upstream got %d queries over udp and %d over tcp, want 0 and 1", describe(q), udp, tcp)
		}
	}
}

// TestTCPUpstreamThatHangsUpIsAskedAgain has an upstream that takes one query a connection.
func TestTCPUpstreamThatHangsUpIsAskedAgain(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) {
		in.reply(in.address(rightAddress))
		in.hangUp()
	})
	n := front(t, "upstreams: [\"tcp://"+u.addr.String()+"\"]")
	for i := range 50 {
		q := ask(label(i)+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
	}
}

func TestOneExchangeServesAllWhoAskTheSame(t *testing.T) {
	t.Parallel()
	qname := "www." + plainZone
	release := make(chan struct{})
	u := startUpstream(t, func(in *incoming) {
		select {
		case <-release:
		case <-in.done:
		}
		in.reply(in.address(rightAddress))
	})
	n := front(t, "", u.addr)
	start := time.Now()
	const clients = 50
	var socks []*client
	q := ask(qname, dns.TypeA)
	for range clients {
		c := dial(t, "udp", n.Addr)
		if err := c.send(pack(t, q)); err != nil {
			t.Fatalf("%v", err)
		}
		socks = append(socks, c)
	}
	testbed.Until(t, patience, "the upstream to be asked", func() bool { return u.count(qname) > 0 })
	testbed.Until(t, patience, "all clients' queries to have arrived", func() bool {
		return n.Metric(t, "notyet_queries_total", `proto="udp"`) >= clients
	})
	close(release)
	for _, c := range socks {
		b, err := c.receive(patience)
		if err != nil {
			t.Fatalf("%s: no answer: %v", describe(q), err)
		}
		wantRcode(t, q, parse(t, q, b), dns.RcodeSuccess)
	}
	const try = 2 * time.Second // of one exchange; then it asks again
	if got := u.count(qname); got > 1+int(time.Since(start)/try) {
		t.Errorf("%d clients within %v: upstream got %d queries, want 1", clients, time.Since(start), got)
	}
}

func TestLongestRouteWins(t *testing.T) {
	t.Parallel()
	give := func(a string) *fakeUpstream {
		return startUpstream(t, func(in *incoming) { in.reply(in.address(a)) })
	}
	other, dev, shipit := give("192.0.2.100"), give("192.0.2.101"), give("192.0.2.102")
	n := front(t, "routes:\n  - {zone: dev, upstreams: [\""+dev.addr.String()+"\"]}\n  - {zone: Shipit.DEV, upstreams: [\""+shipit.addr.String()+"\"]}", other.addr)
	for qname, want := range map[string]string{
		"www.shipit.dev.": "192.0.2.102",
		"shipit.dev.":     "192.0.2.102",
		"WWW.SHIPIT.dev.": "192.0.2.102",
		"xshipit.dev.":    "192.0.2.101",
		"dev.":            "192.0.2.101",
		"example.net.":    "192.0.2.100",
		"shipit.dev.net.": "192.0.2.100",
		".":               "192.0.2.100",
	} {
		q := ask(qname, dns.TypeA)
		sameRecords(t, q, "answer", over(t, "udp", n.Addr, q).Answer, []dns.RR{mustRR(qname + " 300 A " + want)})
	}
}

func TestRandomPolicyAsksAllUpstreams(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]bool{"random": true, "sequential": false} {
		one := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
		two := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
		n := front(t, "policy: "+policy, one.addr, two.addr)
		toTwo := 0
		for i := range 50 {
			over(t, "udp", n.Addr, ask(label(i)+plainZone, dns.TypeA))
			toTwo += two.count(label(i) + plainZone)
		}
		if got := toTwo > 0 && toTwo < 50; got != want {
			t.Errorf("policy %s: got %d of 50 queries at the second upstream, want some: %v", policy, toTwo, want)
		}
	}
}
