//go:build e2e && linux

package e2e

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

func TestIPv6LoopbackAnswers(t *testing.T) {
	t.Parallel()
	b := shared()
	at := netip.AddrPortFrom(netip.IPv6Loopback(), testbed.FreePort(t, netip.IPv6Loopback()))
	testbed.StartNotyet(t, testbed.NotyetConfig{Binary: notyetBinary, Listen: []netip.AddrPort{at}, Upstreams: []netip.AddrPort{b.unbound.Addr}})
	for _, proto := range []string{"udp", "tcp"} {
		q := ask("www."+plainZone, dns.TypeA)
		sameAnswer(t, q, over(t, proto, at, q), direct(t, b.knot.Addr, q))
	}
}

func TestIPv6UpstreamIsAsked(t *testing.T) {
	t.Parallel()
	// A notyet on ::1 stands in for a server with an IPv6 address.
	b := shared()
	at := netip.AddrPortFrom(netip.IPv6Loopback(), testbed.FreePort(t, netip.IPv6Loopback()))
	testbed.StartNotyet(t, testbed.NotyetConfig{Binary: notyetBinary, Listen: []netip.AddrPort{at}, Upstreams: []netip.AddrPort{b.unbound.Addr}})
	n := front(t, "", at)
	for _, qname := range []string{"www.", "txt1300."} {
		q := ask(qname+plainZone, dns.TypeTXT)
		sameAnswer(t, q, lookup(t, n.Addr, q), direct(t, b.knot.Addr, q))
	}
}

// TestWildcardListenerRepliesFromTheAddressAsked uses sockets that are not connected: a
// connected one would hide a reply from the wrong address as no reply at all.
func TestWildcardListenerRepliesFromTheAddressAsked(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		wildcard string
		asked    []netip.Addr
	}{
		{"0.0.0.0", []netip.Addr{testbed.Address(t), testbed.Address(t), netip.MustParseAddr("127.0.0.1")}},
		{"::", []netip.Addr{netip.IPv6Loopback()}},
	} {
		t.Run(test.wildcard, func(t *testing.T) {
			t.Parallel()
			wildcard := netip.MustParseAddr(test.wildcard)
			port := testbed.FreePort(t, wildcard)
			testbed.StartNotyet(t, testbed.NotyetConfig{
				Binary:    notyetBinary,
				Listen:    []netip.AddrPort{netip.AddrPortFrom(wildcard, port)},
				Upstreams: []netip.AddrPort{b.unbound.Addr},
			})
			for _, addr := range test.asked {
				at := netip.AddrPortFrom(addr, port)
				for _, qname := range []string{"www.", "missing.", "www."} { // a miss, a denial, a hit
					q := ask(qname+plainZone, dns.TypeA)
					from, r := unconnected(t, at, q)
					if from != at {
						t.Errorf("%s asked at %v: got the reply from %v, want it from the address asked", describe(q), at, from)
					}
					sameAnswer(t, q, r, direct(t, b.knot.Addr, q))
				}
				q := ask("www."+plainZone, dns.TypeA)
				sameAnswer(t, q, over(t, "tcp", at, q), direct(t, b.knot.Addr, q))
			}
		})
	}
}

// unconnected asks over a UDP socket that takes packets from anybody.
func unconnected(t testing.TB, at netip.AddrPort, q *dns.Msg) (from netip.AddrPort, r *dns.Msg) {
	t.Helper()
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer conn.Close()
	if _, err := conn.WriteToUDPAddrPort(pack(t, q), at); err != nil {
		t.Fatalf("%v", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 65536)
	n, from, err := conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatalf("%s asked at %v: no answer: %v", describe(q), at, err)
	}
	return from, parse(t, q, buf[:n])
}

func TestClientThatIsNotAllowedIsRefused(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address("192.0.2.1")) })
	n := front(t, "allow: [192.0.2.0/24]", u.addr)
	for _, proto := range []string{"udp", "tcp"} {
		for _, options := range [][]option{nil, {withDO}} {
			q := ask("www."+plainZone, dns.TypeA, options...)
			r := over(t, proto, n.Addr, q)
			if r.Rcode != dns.RcodeRefused || len(r.Answer) != 0 {
				t.Errorf("%s over %s from outside allow: got %s with %d answers, want REFUSED with none", describe(q), proto, rcode(r.Rcode), len(r.Answer))
			}
		}
	}
	if got := u.count("www." + plainZone); got != 0 {
		t.Errorf("upstream: got %d queries of a client that is not allowed, want 0", got)
	}
}
