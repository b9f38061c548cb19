//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

const (
	privateAddress = "10.9.8.7"
	blockedZone    = "rpz.blocker.example"
)

// upstreamAfter is the watch's upstream_after. It is far away where a test must not need it.
func upstreamAfter(atOnce bool) time.Duration {
	if atOnce {
		return time.Minute
	}
	return 2 * time.Second
}

// settledBy is when an outcome has to be what it is without a watch.
func settledBy(atOnce bool) time.Duration {
	if atOnce {
		return 2*time.Second + slack/2 // how long discovery may take
	}
	return upstreamAfter(false) + time.Second + slack // until the next question
}

func withEDE(m *dns.Msg, code uint16) *dns.Msg {
	if m.IsEdns0() == nil {
		m.SetEdns0(1232, false)
	}
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: code})
	return m
}

// refusing is an upstream's filter.
func refusing(code int, soa string, ede ...uint16) func(*incoming) {
	return func(in *incoming) {
		m := in.deny(code)
		if soa != "" {
			m = in.deny(code, soa)
		}
		for _, e := range ede {
			m = withEDE(m, e)
		}
		in.reply(m)
	}
}

// bogus is what a validating upstream makes of a name whose signatures are wrong.
func bogus(zones ...*fakeZone) func(*incoming) {
	return func(in *incoming) {
		if in.CheckingDisabled {
			in.reply(resolved(in, zones))
			return
		}
		in.reply(withEDE(in.deny(dns.RcodeServerFailure), dns.ExtendedErrorCodeDNSBogus))
	}
}

// TestWatchBreaksNoName has upstreams that see, filter and validate in ways of their own. Under a watch every name comes to
// resolve as without one: at once where the zone's servers are none or not the upstream's, else after upstream_after.
func TestWatchBreaksNoName(t *testing.T) {
	t.Parallel()
	zoneSOA := plainZone + ". 60 SOA ns1." + plainZone + ". hostmaster." + plainZone + ". 1 3600 600 86400 60"
	blockerSOA := blockedZone + ". 3600 SOA localhost. root.localhost. 1 3600 600 86400 3600"
	www := "www." + plainZone
	for _, test := range []struct {
		name    string
		watch   string // zone
		qname   string
		options []option
		atOnce  bool // and not only after upstream_after
		change  func(*island)
	}{
		{"private zone whose servers nobody reaches", "corp.internal", "db.corp.internal", nil, true, func(i *island) {
			corp := newZone("corp.internal", "@ NS ns", "ns A "+port53(i.t).Addr().String(), "db A "+privateAddress)
			i.upstream.behave(recursive(i.zone, corp))
		}},
		{"private zone without servers", "corp.internal", "db.corp.internal", nil, true, func(i *island) {
			i.upstream.behave(recursive(i.zone, newZone("corp.internal", "db A "+privateAddress)))
		}},
		{"private names without a zone", "corp.internal", "db.corp.internal", nil, true, func(i *island) {
			i.upstream.behave(func(in *incoming) {
				if strings.EqualFold(in.Question[0].Name, "db.corp.internal.") && in.Question[0].Qtype == dns.TypeA {
					in.reply(in.address(privateAddress))
					return
				}
				in.reply(in.deny(dns.RcodeNameError))
			})
		}},
		{"private view of a public zone", plainZone, "db." + plainZone, nil, true, func(i *island) {
			private := newZone(plainZone, "@ NS ns1", "ns1 A "+i.servers[0].addr.Addr().String(), "db A "+privateAddress)
			private.soa("ad.corp.internal. hostmaster 42 900 600 86400 3600")
			i.upstream.behave(recursive(private))
		}},
		{"private view of a public name", plainZone, www, nil, true, func(i *island) {
			private := newZone(plainZone, "@ NS ns1", "ns1 A "+i.servers[0].addr.Addr().String(), "www A "+privateAddress)
			private.soa("ad.corp.internal. hostmaster 42 900 600 86400 3600")
			i.upstream.behave(recursive(private))
		}},
		{"private child of a public zone", plainZone, "db.corp." + plainZone, nil, false, func(i *island) {
			i.upstream.behave(recursive(i.zone, newZone("corp."+plainZone, "@ NS ns", "ns A 10.9.8.1", "db A "+privateAddress)))
		}},
		{"private child under a watch of its own", "corp." + plainZone, "db.corp." + plainZone, nil, false, func(i *island) {
			i.upstream.behave(recursive(i.zone, newZone("corp."+plainZone, "@ NS ns", "ns A 10.9.8.1", "db A "+privateAddress)))
		}},
		{"name that only the upstream has", plainZone, "printer." + plainZone, nil, false, func(i *island) {
			i.upstreamSays("printer."+plainZone, func(in *incoming) {
				if in.Question[0].Qtype == dns.TypeA {
					in.reply(in.address(privateAddress))
					return
				}
				in.reply(in.deny(dns.RcodeSuccess))
			})
		}},
		{"address of the upstream's own", plainZone, www, nil, false, func(i *island) {
			i.upstreamSays(www, func(in *incoming) { in.reply(in.address(privateAddress)) })
		}},
		{"blocked by address", plainZone, www, nil, false, func(i *island) {
			i.upstreamSays(www, func(in *incoming) { in.reply(in.address("0.0.0.0")) })
		}},
		{"blocked, with the extended error", plainZone, www, nil, false, func(i *island) {
			i.upstreamSays(www, refusing(dns.RcodeNameError, zoneSOA, dns.ExtendedErrorCodeBlocked))
		}},
		{"filtered as NODATA, with the extended error", plainZone, www, nil, false, func(i *island) {
			i.upstreamSays(www, refusing(dns.RcodeSuccess, zoneSOA, dns.ExtendedErrorCodeFiltered))
		}},
		{"blocked, with a made-up soa", plainZone, www, nil, false, func(i *island) {
			i.upstreamSays(www, refusing(dns.RcodeNameError, blockerSOA))
		}},
		{"blocked, without soa", plainZone, www, nil, false, func(i *island) {
			i.upstreamSays(www, refusing(dns.RcodeNameError, ""))
		}},
		{"blocked by refusal", plainZone, www, nil, false, func(i *island) {
			i.upstreamSays(www, refusing(dns.RcodeRefused, ""))
		}},
		{"blocked zone", plainZone, www, nil, true, func(i *island) {
			i.upstreamSays(plainZone, refusing(dns.RcodeNameError, blockerSOA, dns.ExtendedErrorCodeBlocked))
		}},
		{"blocked zone whose parent is reached", plainZone, www, nil, true, func(i *island) {
			at := port53(i.t)
			dev := newZone("dev", "@ NS a.nic", "a.nic A "+at.Addr().String(),
				"shipit NS ns1.shipit", "ns1.shipit A "+i.servers[0].addr.Addr().String())
			startServer(i.t, at, authoritative(dev))
			i.upstream.behave(except(recursive(dev), plainZone, refusing(dns.RcodeNameError, blockerSOA, dns.ExtendedErrorCodeBlocked)))
		}},
		{"bogus name", plainZone, www, nil, false, func(i *island) {
			i.upstreamSays(www, bogus(i.zone))
		}},
		{"bogus name that is asked for without validation", plainZone, www, []option{withCD}, true, func(i *island) {
			i.upstreamSays(www, bogus(i.zone))
		}},
		{"bogus zone", plainZone, www, nil, false, func(i *island) { i.upstream.behave(bogus(i.zone)) }},
		{"bogus zone that is asked for without validation", plainZone, www, []option{withCD}, true, func(i *island) {
			i.upstream.behave(bogus(i.zone))
		}},
		{"port 53 intercepted by a resolver", plainZone, www, nil, true, func(i *island) { i.both(recursive(i.zone)) }},
		{"port 53 intercepted by a resolver with another view", plainZone, www, nil, true, func(i *island) {
			i.both(recursive(newZone(plainZone, "@ NS ns1", "ns1 A 192.0.2.53", "www A "+forgedAddress)))
		}},
		{"port 53 intercepted by a resolver that knows nothing", plainZone, www, nil, true, func(i *island) { i.both(recursive()) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := newIsland(t)
			test.change(i)
			plain := front(t, "", i.upstream.addr)
			n := front(t, watchOf(test.watch, "upstream_after: "+upstreamAfter(test.atOnce).String()), i.upstream.addr)
			q := ask(test.qname, dns.TypeA, append(test.options, withEDNS(1232))...)
			want := outcome(over(t, "udp", plain.Addr, q))
			wantOutcome(t, n, q, want, settledBy(test.atOnce))
		})
	}
}

// upstreamSays has the upstream answer a name, and all below it, in a way of its own.
func (i *island) upstreamSays(name string, handle func(*incoming)) {
	i.upstream.behave(except(recursive(i.zone), name, handle))
}

// watchOf is a configuration with one watch, and keys of it such as "poll: 0s".
func watchOf(zone string, keys ...string) string {
	return "watch:\n  - {" + strings.Join(append([]string{"zone: " + zone}, keys...), ", ") + "}\n"
}

// outcome is what a client makes of a reply: its rcode and the data of its answer, whatever the TTLs.
func outcome(r *dns.Msg) string {
	var data []string
	for _, record := range r.Answer {
		data = append(data, strings.TrimPrefix(record.String(), record.Header().String()))
	}
	slices.Sort(data)
	return strings.TrimSpace(rcode(r.Rcode) + " " + strings.Join(data, " "))
}

// settled is for how long an answer that came to be right must stay so: longer than any negative under watch is kept.
const settled = 3 * time.Second

// wantOutcome asks all the time and wants no other outcome once limit is over.
func wantOutcome(t *testing.T, n *testbed.Notyet, q *dns.Msg, want string, limit time.Duration) {
	t.Helper()
	start := time.Now()
	var since time.Duration // when the outcome became what it is
	var got string
	var course []string
	keep(limit+settled, 50*time.Millisecond, func() {
		now := outcome(over(t, "udp", n.Addr, q))
		if at := time.Since(start); now != got {
			since, got = at, now
			course = append(course, fmt.Sprintf("%v %s", at.Round(10*time.Millisecond), now))
		}
	})
	if got != want || since > limit {
		t.Errorf("%s: got %s\nwant %q from %v on, as without a watch", describe(q), strings.Join(course, ", then "), want, limit)
	}
	t.Logf("%s: %s", describe(q), strings.Join(course, ", then "))
}

// TestWatchBreaksNoNameOfUnbound is TestWatchBreaksNoName with what a real resolver can be told to do.
func TestWatchBreaksNoNameOfUnbound(t *testing.T) {
	t.Parallel()
	authority := port53(t)
	k := testbed.StartKnot(t, testbed.KnotConfig{Addr: authority, Zones: []testbed.Zone{
		{Name: freshZone, Text: testbed.Apex("300", "60", authority.Addr()) + "www A " + rightAddress + "\n"},
		{Name: signedZone, Text: testbed.Apex("300", "60", authority.Addr()) + "www A " + rightAddress + "\n", Sign: true},
	}})
	zones := map[string]netip.AddrPort{freshZone: k.Addr, signedZone: k.Addr}
	www := "www." + freshZone
	for _, test := range []struct {
		name     string
		upstream testbed.UnboundConfig
		watch    string
		qname    string
		options  []option
		atOnce   bool
	}{
		{"nothing", testbed.UnboundConfig{}, freshZone, www, nil, true},
		{"private child", testbed.UnboundConfig{Options: []string{
			"local-zone: \"corp." + freshZone + ".\" static", "local-data: \"db.corp." + freshZone + ". A " + privateAddress + "\"",
		}}, freshZone, "db.corp." + freshZone, nil, false},
		{"private zone", testbed.UnboundConfig{Options: []string{
			"local-zone: \"corp.example.\" static", "local-data: \"db.corp.example. A " + privateAddress + "\"",
		}}, "corp.example", "db.corp.example", nil, true},
		{"name of the hosts file", testbed.UnboundConfig{Options: []string{
			"local-data: \"printer." + freshZone + ". A " + privateAddress + "\"",
		}}, freshZone, "printer." + freshZone, nil, false},
		{"address of the hosts file", testbed.UnboundConfig{Options: []string{
			"local-zone: \"" + www + ".\" redirect", "local-data: \"" + www + ". A " + privateAddress + "\"",
		}}, freshZone, www, nil, false},
		{"blocked name", testbed.UnboundConfig{Options: []string{"local-zone: \"" + www + ".\" always_nxdomain"}}, freshZone, www, nil, false},
		{"refused name", testbed.UnboundConfig{Options: []string{"local-zone: \"" + www + ".\" refuse"}}, freshZone, www, nil, false},
		{"emptied name", testbed.UnboundConfig{Options: []string{"local-zone: \"" + www + ".\" always_nodata"}}, freshZone, www, nil, false},
		{"bogus zone", testbed.UnboundConfig{
			Anchors: []string{k.Anchor(t, signedZone, freshZone)}, Options: []string{"ede: yes"},
		}, freshZone, www, nil, false},
		{"bogus zone, asked without validation", testbed.UnboundConfig{
			Anchors: []string{k.Anchor(t, signedZone, freshZone)},
		}, freshZone, www, []option{withCD}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.upstream.Zones = zones
			u := testbed.StartUnbound(t, test.upstream)
			n := front(t, watchOf(test.watch, "upstream_after: "+upstreamAfter(test.atOnce).String()), u.Addr)
			q := ask(test.qname, dns.TypeA, test.options...)
			want := outcome(over(t, "udp", front(t, "", u.Addr).Addr, q))
			wantOutcome(t, n, q, want, settledBy(test.atOnce))
		})
	}
}
