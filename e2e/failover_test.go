//go:build e2e && linux

package e2e

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

func TestUpstreamThatComesBackIsAskedAgain(t *testing.T) {
	t.Parallel()
	at := nobody(t)
	n := front(t, "", at)
	for i := range 3 {
		q := ask("down."+label(i)+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeServerFailure)
		u := startUpstreamAt(t, at, func(in *incoming) { in.reply(in.address(rightAddress)) })
		q = ask("up."+label(i)+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
		u.stop()
	}
}

// uselessReplies are the ways in which an upstream fails to answer.
var uselessReplies = []struct {
	name   string
	handle func(*incoming)
}{
	{"silence", silent},
	{"short garbage", func(in *incoming) { in.write([]byte("garbage")) }},
	{"long garbage", func(in *incoming) { in.write([]byte(strings.Repeat("garbage", 50))) }},
	{"right id, then garbage", func(in *incoming) {
		in.write(append(mustPack(in.address(forgedAddress))[:headerSize], "garbage"...))
	}},
	{"answer cut off", func(in *incoming) { b := mustPack(in.address(forgedAddress)); in.write(b[:len(b)-20]) }},
	{"lame referral", func(in *incoming) { in.reply(in.deny(dns.RcodeSuccess, "dev. 3600 NS ns.nic.dev.")) }},
	{"referral to the root", func(in *incoming) { in.reply(in.deny(dns.RcodeSuccess, ". 3600 NS a.root-servers.net.")) }},
	{"refused", func(in *incoming) { in.reply(in.deny(dns.RcodeRefused)) }},
	{"servfail", func(in *incoming) { in.reply(in.deny(dns.RcodeServerFailure)) }},
	{"notimp", func(in *incoming) { in.reply(in.deny(dns.RcodeNotImplemented)) }},
	{"formerr to a query without fault", func(in *incoming) { in.reply(in.deny(dns.RcodeFormatError)) }},
	{"truncated, and silence over tcp", func(in *incoming) {
		if in.proto == "udp" {
			m := in.answer()
			m.Truncated = true
			in.reply(m)
		}
	}},
}

func TestUselessUpstreamIsFollowedByTheNext(t *testing.T) {
	t.Parallel()
	for _, useless := range uselessReplies {
		t.Run(useless.name, func(t *testing.T) {
			t.Parallel()
			first := startUpstream(t, useless.handle)
			second := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
			n := front(t, "", first.addr, second.addr)
			q := ask("www."+plainZone, dns.TypeA)
			r := over(t, "udp", n.Addr, q)
			wantRcode(t, q, r, dns.RcodeSuccess)
			sameRecords(t, q, "answer", r.Answer, []dns.RR{mustRR("www." + plainZone + ". 300 A " + rightAddress)})
			if first.count("www."+plainZone) == 0 {
				t.Errorf("%s: the first upstream was not asked", describe(q))
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		second := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
		n := front(t, "", nobody(t), second.addr)
		q := ask("www."+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
	})
}

// nobody is an address at which no server is.
func nobody(t testing.TB) netip.AddrPort {
	return netip.AddrPortFrom(testbed.Address(t), testbed.Port)
}

// TestServfailSaysWhy has all upstreams fail.
func TestServfailSaysWhy(t *testing.T) {
	t.Parallel()
	for _, useless := range uselessReplies {
		t.Run(useless.name, func(t *testing.T) {
			t.Parallel()
			u := startUpstream(t, useless.handle)
			wantServfailWithReason(t, front(t, "", u.addr))
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		wantServfailWithReason(t, front(t, "", nobody(t), nobody(t)))
	})
	t.Run("three silent ones", func(t *testing.T) {
		t.Parallel()
		var addrs []netip.AddrPort
		for range 3 {
			addrs = append(addrs, startUpstream(t, silent).addr)
		}
		wantServfailWithReason(t, front(t, "", addrs...)) // within 5 s, which is less than three times 2 s
	})
}

func wantServfailWithReason(t testing.TB, n *testbed.Notyet) {
	t.Helper()
	for _, proto := range []string{"udp", "tcp"} {
		q := ask(proto+"."+plainZone, dns.TypeA, withEDNS(1232))
		r := over(t, proto, n.Addr, q)
		wantRcode(t, q, r, dns.RcodeServerFailure)
		if o := r.IsEdns0(); o == nil || !hasEDE(o) {
			t.Errorf("%s over %s: got OPT %v, want an extended DNS error in it", describe(q), proto, o)
		}
		q = ask(proto+"."+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, proto, n.Addr, q), dns.RcodeServerFailure) // and no OPT
	}
}

func hasEDE(o *dns.OPT) bool {
	for _, opt := range o.Option {
		if _, ok := opt.(*dns.EDNS0_EDE); ok {
			return true
		}
	}
	return false
}

// TestDenialIsAnAnswer has the replies that must not be taken for a useless upstream.
func TestDenialIsAnAnswer(t *testing.T) {
	t.Parallel()
	soa := plainZone + ". 300 SOA ns.shipit.dev. h.shipit.dev. 1 3600 600 86400 60"
	for _, test := range []struct {
		name   string
		handle func(*incoming)
		want   int
	}{
		{"nxdomain", func(in *incoming) { in.reply(in.deny(dns.RcodeNameError, soa)) }, dns.RcodeNameError},
		{"nxdomain without soa", func(in *incoming) { in.reply(in.deny(dns.RcodeNameError)) }, dns.RcodeNameError},
		{"nodata", func(in *incoming) { in.reply(in.deny(dns.RcodeSuccess, soa)) }, dns.RcodeSuccess},
		{"nodata without soa", func(in *incoming) { in.reply(in.deny(dns.RcodeSuccess)) }, dns.RcodeSuccess},
		{"nodata with soa and ns", func(in *incoming) {
			in.reply(in.deny(dns.RcodeSuccess, soa, plainZone+". 300 NS ns."+plainZone+"."))
		}, dns.RcodeSuccess},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			first := startUpstream(t, test.handle)
			second := startUpstream(t, func(in *incoming) { in.reply(in.address(forgedAddress)) })
			n := front(t, "", first.addr, second.addr)
			q := ask("www."+plainZone, dns.TypeA)
			r := over(t, "udp", n.Addr, q)
			if r.Rcode != test.want || len(r.Answer) != 0 || second.count("www."+plainZone) != 0 {
				t.Errorf("%s: got %s with %d answers and %d queries to the next upstream, want %s, none and none",
					describe(q), rcode(r.Rcode), len(r.Answer), second.count("www."+plainZone), rcode(test.want))
			}
		})
	}
}
