//go:build e2e && linux

package e2e

import (
	"slices"
	"testing"

	"github.com/miekg/dns"
)

const (
	rightAddress  = "192.0.2.1"
	forgedAddress = "203.0.113.66"
)

// TestForgedRepliesAreIgnored has an upstream send wrong replies first and the right one behind.
func TestForgedRepliesAreIgnored(t *testing.T) {
	t.Parallel()
	qname := "www." + plainZone
	forged := func(in *incoming, change func(*dns.Msg)) []byte {
		m := in.address(forgedAddress)
		change(m)
		return mustPack(m)
	}
	for _, test := range []struct {
		name  string
		forge func(*incoming)
	}{
		{"wrong id", func(in *incoming) { in.write(forged(in, func(m *dns.Msg) { m.Id++ })) }},
		{"every id but one bit", func(in *incoming) {
			for bit := range 16 {
				in.write(forged(in, func(m *dns.Msg) { m.Id ^= 1 << bit }))
			}
		}},
		{"wrong qname", func(in *incoming) {
			in.write(forged(in, func(m *dns.Msg) { m.Question[0].Name = "xww." + plainZone + "." }))
		}},
		{"qname cut short", func(in *incoming) { in.write(forged(in, func(m *dns.Msg) { m.Question[0].Name = plainZone + "." })) }},
		{"wrong qtype", func(in *incoming) {
			in.write(forged(in, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA }))
		}},
		{"wrong qclass", func(in *incoming) {
			in.write(forged(in, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }))
		}},
		{"two questions", func(in *incoming) {
			in.write(forged(in, func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }))
		}},
		{"a query", func(in *incoming) { in.write(forged(in, func(m *dns.Msg) { m.Response = false })) }},
		{"wrong source port", func(in *incoming) { in.forge(forged(in, func(*dns.Msg) {})) }},
		{"under 12 bytes", func(in *incoming) { in.write(forged(in, func(*dns.Msg) {})[:11]) }},
		{"empty", func(in *incoming) { in.write(nil) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := startUpstream(t, func(in *incoming) {
				test.forge(in)
				in.reply(in.address(rightAddress))
			})
			n := front(t, "", u.addr)
			q := ask(qname, dns.TypeA)
			r := over(t, "udp", n.Addr, q)
			wantRcode(t, q, r, dns.RcodeSuccess)
			sameRecords(t, q, "answer", r.Answer, []dns.RR{mustRR(qname + ". 300 A " + rightAddress)})
			if got := u.count(qname); got != 1 {
				t.Errorf("upstream: got %d queries, want 1: reading goes on after a forged reply", got)
			}
		})
	}
}

// TestQueriesToUpstreamsAreHardToGuess is RFC 5452, section 9.2: the id and the source port are random.
func TestQueriesToUpstreamsAreHardToGuess(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
	n := front(t, "", u.addr)
	var ids, ports []int
	const asked = 100
	for i := range asked {
		q := ask(label(i)+plainZone, dns.TypeA)
		q.Id = uint16(i)
		over(t, "udp", n.Addr, q)
		in := u.queries(q.Question[0].Name)[0]
		ids, ports = append(ids, int(in.Id)), append(ports, int(in.from.Port()))
	}
	if got := distinct(ids); got < asked*9/10 {
		t.Errorf("%d queries to the upstream: got %d different ids: %v", asked, got, ids)
	}
	if got := distinct(ports); got < asked/5 {
		t.Errorf("%d queries to the upstream: got %d different source ports: %v", asked, got, ports)
	}
	if slices.IsSorted(ids) || slices.IsSorted(ports) {
		t.Errorf("queries to the upstream: got ids %v and ports %v, want them in no order", ids, ports)
	}
}

func distinct(numbers []int) int {
	seen := map[int]bool{}
	for _, n := range numbers {
		seen[n] = true
	}
	return len(seen)
}
