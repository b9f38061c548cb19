//go:build e2e && linux

package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// TestMalformedPacketsDoNoHarm sends packets that are random, and packets that were queries once.
func TestMalformedPacketsDoNoHarm(t *testing.T) {
	t.Parallel()
	b := shared()
	n := front(t, "", b.unbound.Addr)
	q := ask("www."+plainZone, dns.TypeA)
	want := direct(t, b.knot.Addr, q)
	for range 20 { // so that the pools have what they need
		for _, proto := range []string{"udp", "tcp"} {
			sameAnswer(t, q, over(t, proto, n.Addr, q), want)
		}
	}
	before := n.Goroutines(t)

	const each = 5000 // packets
	const seed = 1035
	rng := rand.New(rand.NewPCG(seed, seed))
	udp := dialAndDiscard(t, "udp", n.Addr)
	var tcp *client
	for i := range each {
		_ = udp.send(malformed(rng))
		if i%100 == 0 {
			tcp = dialAndDiscard(t, "tcp", n.Addr)
		}
		if tcp.send(malformed(rng)) != nil {
			tcp = dialAndDiscard(t, "tcp", n.Addr)
		}
		if i%500 == 0 {
			for _, proto := range []string{"udp", "tcp"} {
				sameAnswer(t, q, over(t, proto, n.Addr, q), want)
			}
		}
	}
	for _, proto := range []string{"udp", "tcp"} {
		sameAnswer(t, q, over(t, proto, n.Addr, q), want)
	}
	if !n.Running() {
		t.Fatalf("seed %d: notyet ended: %s", seed, n.Output())
	}
	testbed.Until(t, 20*time.Second, "the goroutines to end", func() bool { return n.Goroutines(t) <= before+10 })
}

// TestHitsAreAnsweredWhileMissesAreShed has more questions under way at a silent upstream than notyet takes.
func TestHitsAreAnsweredWhileMissesAreShed(t *testing.T) {
	t.Parallel()
	hit := "hit." + plainZone
	u := startUpstream(t, func(in *incoming) {
		if in.Question[0].Name == hit+"." {
			in.reply(in.address(rightAddress))
		}
	})
	n := front(t, "", u.addr)
	q := ask(hit, dns.TypeA)
	over(t, "udp", n.Addr, q)

	misses := dialAndDiscard(t, "udp", n.Addr)
	const asked = 15_000 // names; 10,000 may be under way
	for i := range asked {
		_ = misses.send(pack(t, ask(label(i)+plainZone, dns.TypeA)))
		if i%1000 != 999 {
			continue
		}
		for _, proto := range []string{"udp", "tcp"} {
			timely(t, func() error {
				start := time.Now()
				wantRcode(t, q, over(t, proto, n.Addr, q), dns.RcodeSuccess)
				if took := time.Since(start); took > time.Second {
					return fmt.Errorf("%s over %s with %d misses under way: got the answer after %v, want it at once", describe(q), proto, i, took)
				}
				return nil
			})
		}
	}
	testbed.Until(t, 2*patience, "all misses to be answered", func() bool {
		return n.Metric(t, "notyet_responses_total", `rcode="SERVFAIL"`) >= asked*9/10 // The kernel may have dropped some.
	})
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
}

// dialAndDiscard is a client that does not look at what comes back.
func dialAndDiscard(t testing.TB, proto string, at netip.AddrPort) *client {
	c := dial(t, proto, at)
	go func() { _, _ = io.Copy(io.Discard, c) }()
	return c
}

// malformed is a packet that no client sends.
func malformed(rng *rand.Rand) []byte {
	b := slices.Clone(seeds[rng.IntN(len(seeds))])
	switch rng.IntN(6) {
	case 0: // random bytes
		b = make([]byte, rng.IntN(600))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
	case 1: // cut off
		b = b[:rng.IntN(len(b))]
	case 2: // bits flipped
		for range 1 + rng.IntN(8) {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
	case 3: // a byte of the header
		b[rng.IntN(headerSize)] = byte(rng.Uint32())
	case 4: // a run doubled
		from := rng.IntN(len(b))
		b = slices.Insert(b, from, b[from:]...)
	case 5: // a pointer somewhere
		at := rng.IntN(len(b) - 1)
		b[at], b[at+1] = 0xc0|byte(rng.IntN(64)), byte(rng.Uint32())
	}
	return b
}

var seeds = [][]byte{
	plainQuery(), query(withDO), query(withEDNS(1232, subnet(), &dns.EDNS0_PADDING{Padding: make([]byte, 50)})),
	update(), notify(), ixfr(), twoOPTs(), question(longName(255)), class(dns.ClassCHAOS),
}
