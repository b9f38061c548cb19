package authority

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestOneOfTwoServersIsDead(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.serve(dead, "192.0.2.2")
		w.wantAll("nothing.shipit.dev. A", "nxdomain | lack ns1.shipit.dev", grace) // the wait is discovery's
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", 0)
		time.Sleep(10 * time.Minute)
		// Two attempts a time: it has one address.
		want := "0s 500ms 6s 6.5s 17s 17.5s 38s 38.5s 1m19s 1m19.5s 2m40s 2m40.5s"
		if got := w.times("192.0.2.2", "shipit.dev. SOA"); got != want {
			t.Errorf("got probes at %s, want %s", got, want)
		}
		if got := w.times("192.0.2.2", "www.shipit.dev. A"); got != "" {
			t.Errorf("got questions to a server that does not count at %s", got)
		}
		w.wantChanges()
	})
}

func TestServerThatComesBackCounts(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.serve(says(dns.RcodeRefused), "192.0.2.2")
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", 0)
		w.serve(authoritative(zone), "192.0.2.2")
		time.Sleep(minRetry - time.Nanosecond)
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", 0)
		time.Sleep(time.Millisecond)
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.wantChanges()
	})
}

func TestSlowServerJoinsLater(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.serve(slow(450*time.Millisecond, authoritative(zone)), "192.0.2.2")
		w.wantAll("nothing.shipit.dev. A", "nxdomain | lack ns1.shipit.dev", grace)
		time.Sleep(151 * time.Millisecond)
		w.wantAll("nothing.shipit.dev. A", "nxdomain | lack ns1.shipit.dev ns2.shipit.dev", 450*time.Millisecond)
	})
}

// The wait is for those that are alive, and does not begin anew with each of them.
func TestGraceBeginsWithTheFirstServerThatCounts(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		zone.publish(t, "shipit.dev. 300 NS ns3.shipit.dev.\nns3.shipit.dev. 300 A 192.0.2.3")
		w.serve(slow(200*time.Millisecond, authoritative(zone)), "192.0.2.2")
		w.serve(dead, "192.0.2.3")
		w.want("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", grace)
	})
}

// Some servers are reached elsewhere than the upstream reaches them, or are behind.
func TestOneServerWithTheUpstreamsSOAIsEnough(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		zone.publish(t, "shipit.dev. 300 NS ns3.shipit.dev.\nns3.shipit.dev. 300 A 192.0.2.3")
		w.serve(authoritative(notOurs(t)), "192.0.2.1")
		newer := zoneOf(t, "shipit.dev.", shipit)
		newer.remove("shipit.dev.", dns.TypeSOA)
		newer.publish(t, "shipit.dev. 3600 SOA NS1.Shipit.Dev. Admin.example.net. 2 7200 900 1209600 60")
		w.serve(slow(400*time.Millisecond, authoritative(newer)), "192.0.2.2")
		w.serve(dead, "192.0.2.3")
		a := w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 400*time.Millisecond+grace+400*time.Millisecond)
		if a.SOA.Serial != 2 || a.SOA.Minttl != 60 {
			t.Errorf("got %v, want the SOA that the upstream has too", a.SOA)
		}
	})
}

func TestSOAIsComparedButForItsSerial(t *testing.T) {
	t.Parallel()
	const soa = "ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 60"
	tests := []struct {
		other string
		want  bool
	}{
		{soa, true},
		{strings.ToUpper(soa), true},
		{"ns1.shipit.dev. admin.example.net. 2 7200 900 1209600 60", true},
		{"ns2.shipit.dev. admin.example.net. 1 7200 900 1209600 60", false},
		{"ns1.shipit.dev. other.example.net. 1 7200 900 1209600 60", false},
		{"ns1.shipit.dev. admin.example.net. 1 7201 900 1209600 60", false},
		{"ns1.shipit.dev. admin.example.net. 1 7200 901 1209600 60", false},
		{"ns1.shipit.dev. admin.example.net. 1 7200 900 1209601 60", false},
		{"ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 61", false},
	}
	for _, tt := range tests {
		a, b := rr("shipit.dev. 60 SOA %s", soa).(*dns.SOA), rr("shipit.dev. 300 SOA %s", tt.other).(*dns.SOA)
		if got := same(a, b); got != tt.want {
			t.Errorf("%s and %s: got %v, want %v", soa, tt.other, got, tt.want)
		}
	}
}

func TestAddressesOfAServerAreTriedOneByOne(t *testing.T) {
	const apex, www = "shipit.dev. SOA", "www.shipit.dev. A"
	tests := []struct {
		name   string
		addrs  string // the server's other than 192.0.2.1
		alive  string
		dead   []string
		took   time.Duration // the first question
		probes map[string]string
	}{
		{
			name: "dead IPv6", addrs: "ns1.shipit.dev. 300 AAAA 2001:db8::1", alive: "192.0.2.1", dead: []string{"2001:db8::1"},
			probes: map[string]string{"192.0.2.1": "0s", "2001:db8::1": ""},
		},
		{
			name: "dead IPv4", addrs: "ns1.shipit.dev. 300 AAAA 2001:db8::1", alive: "2001:db8::1", dead: []string{"192.0.2.1"}, took: tryTime,
			probes: map[string]string{"192.0.2.1": "0s", "2001:db8::1": "500ms"},
		},
		{
			name: "unreachable IPv4", addrs: "ns1.shipit.dev. 300 AAAA 2001:db8::1", alive: "2001:db8::1",
			probes: map[string]string{"192.0.2.1": "0s", "2001:db8::1": "0s"},
		},
		{
			name: "IPv6 only", addrs: "ns1.shipit.dev. 300 AAAA 2001:db8::1", alive: "2001:db8::1",
			probes: map[string]string{"2001:db8::1": "0s"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				zone := zoneOf(t, "shipit.dev.", "shipit.dev. 300 NS ns1.shipit.dev.\nns1.shipit.dev. 300 A 192.0.2.1\nwww.shipit.dev. 60 A 192.0.2.7\n"+tt.addrs)
				if tt.name == "IPv6 only" {
					zone.remove("ns1.shipit.dev.", dns.TypeA)
				}
				w.upstream(recursive(zone))
				w.serve(dead, tt.dead...)
				w.serve(authoritative(zone), tt.alive)
				w.want(www, "positive A 192.0.2.7 | have ns1.shipit.dev", tt.took)
				for addr, want := range tt.probes {
					if got := w.times(addr, apex); got != want {
						t.Errorf("%s: got probes at %q, want %q", addr, got, want)
					}
					if got := w.times(addr, www); (got != "") != (addr == tt.alive) {
						t.Errorf("%s: got questions at %q, want them at %s only", addr, got, tt.alive)
					}
				}
			})
		})
	}
}

// There is no time for more than two in the first second.
func TestThirdAddressIsTriedInTheBackground(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		zone.publish(t, "ns2.shipit.dev. 300 AAAA 2001:db8::2\nns2.shipit.dev. 300 AAAA 2001:db8::3")
		w.serve(dead, "192.0.2.2", "2001:db8::2")
		w.serve(authoritative(zone), "2001:db8::3")
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", grace)
		time.Sleep(probeTime + minRetry + 2*tryTime)
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		if got, want := w.times("2001:db8::3", "shipit.dev. SOA"), "7s"; got != want {
			t.Errorf("got probes at %q, want %q", got, want)
		}
	})
}

func TestWhichAddressesMayBeAsked(t *testing.T) {
	t.Parallel()
	f := New(Config{Ours: func(a netip.AddrPort) bool { return a == netip.MustParseAddrPort("192.0.2.1:53") }})
	tests := []struct {
		addr, from string
		want       bool
	}{
		{"192.0.2.2", "192.0.2.253", true},
		{"10.0.0.1", "192.0.2.253", true},
		{"2001:db8::1", "192.0.2.253", true},
		{"fd00::1", "192.0.2.253", true},
		{"192.0.2.1", "192.0.2.253", false}, // ours
		{"0.0.0.0", "127.0.0.1", false},
		{"::", "::1", false},
		{"224.0.0.251", "192.0.2.253", false},
		{"ff02::fb", "fe80::1", false},
		{"::ffff:224.0.0.251", "127.0.0.1", false},
		{"::ffff:0.0.0.0", "127.0.0.1", false},
		{"::ffff:192.0.2.1", "192.0.2.253", false}, // ours
		{"127.0.0.1", "192.0.2.253", false},
		{"::1", "192.0.2.253", false},
		{"::ffff:127.0.0.1", "192.0.2.253", false},
		{"127.0.0.1", "169.254.169.253", false},
		{"127.0.0.1", "127.0.0.53", true},
		{"127.0.0.1", "::1", true},
		{"127.0.0.1", "::ffff:127.0.0.1", true},
		{"169.254.1.1", "192.0.2.253", false},
		{"fe80::1", "192.0.2.253", false},
		{"169.254.1.1", "127.0.0.1", false},
		{"169.254.1.1", "169.254.169.253", true},
		{"fe80::1", "fe80::2", true},
	}
	for _, tt := range tests {
		at := netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 53)
		if got := f.mayAsk(at, netip.MustParseAddr(tt.from)); got != tt.want {
			t.Errorf("%s named at %s: got %v, want %v", tt.addr, tt.from, got, tt.want)
		}
	}
	if f.mayAsk(netip.AddrPort{}, netip.Addr{}) {
		t.Error("no address: got leave to ask it")
	}
}

func TestAddressesThatMayNotBeAskedAreLeftOut(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1", "192.0.2.99"} {
		t.Run(addr, func(t *testing.T) {
			inShipit(t, func(w *world, zone *zoneData) {
				w.ours = netip.MustParseAddr("192.0.2.99")
				rtype := dns.TypeA
				if strings.Contains(addr, ":") {
					rtype = dns.TypeAAAA
				}
				zone.remove("ns2.shipit.dev.", dns.TypeA)
				zone.publish(t, "ns2.shipit.dev. 300 "+dns.TypeToString[rtype]+" "+addr+"\npreview.shipit.dev. 300 NS ns.preview.shipit.dev.\n"+
					"ns.preview.shipit.dev. 300 "+dns.TypeToString[rtype]+" "+addr)
				w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", 0)
				w.want("www.preview.shipit.dev. A", "servers of preview.shipit.dev. cannot be asked: no name server has an address that may be asked", 0)
				for _, q := range w.queries {
					if q.at.Addr().Unmap() != netip.MustParseAddr("192.0.2.1") {
						t.Errorf("got %s at %v", q.question, q.at)
					}
				}
			})
		})
	}
}

// What the upstream may name, servers may too that it has named: where all of it is on one machine, glue is as well.
func TestGlueInheritsWhereTheUpstreamIs(t *testing.T) {
	inWorld(t, func(w *world) {
		zone := zoneOf(t, "shipit.dev.", `
			shipit.dev.            300 NS ns1.shipit.dev.
			ns1.shipit.dev.        300 A  127.0.0.11
			preview.shipit.dev.    300 NS ns.preview.shipit.dev.
			ns.preview.shipit.dev. 300 A  127.0.0.12`)
		preview := zoneOf(t, "preview.shipit.dev.", `
			www.preview.shipit.dev.      60 A  192.0.2.7
			deep.preview.shipit.dev.    300 NS ns.deep.preview.shipit.dev.
			ns.deep.preview.shipit.dev. 300 A  127.0.0.13`)
		deep := zoneOf(t, "deep.preview.shipit.dev.", "www.deep.preview.shipit.dev. 60 A 192.0.2.8")
		w.serve(authoritative(zone), "127.0.0.11")
		w.serve(authoritative(preview), "127.0.0.12")
		w.serve(authoritative(deep), "127.0.0.13")
		w.upstream(recursive(zone))
		w.from = netip.MustParseAddr("127.0.0.53")
		w.want("shipit.dev. SOA", "positive SOA ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 60 | have ns1.shipit.dev", 0)

		// Also when the upstream could not be asked again in the meantime.
		w.upstream(says(dns.RcodeServerFailure))
		time.Sleep(5 * time.Minute)
		w.ask("shipit.dev. SOA")
		time.Sleep(time.Second)
		w.want("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns.preview.shipit.dev", 0)
		w.want("www.deep.preview.shipit.dev. A", "positive A 192.0.2.8 | have ns.deep.preview.shipit.dev", 0)
	})
}
