//go:build e2e && linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// slack is what a busy machine may add to a time that is measured.
const slack = time.Second

// TestNameIsVisibleSoonAfterItIsPublished asks too early once, publishes, and asks until the name is there. By
// RFC 2308 the zone's denials may be kept for an hour.
func TestNameIsVisibleSoonAfterItIsPublished(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		name     string
		upstream func(*testing.T) netip.AddrPort
	}{
		{"upstream is the authority", func(*testing.T) netip.AddrPort { return b.knot.Addr }},
		{"upstream is an unbound that keeps no denial", func(t *testing.T) netip.AddrPort {
			return testbed.StartUnbound(t, testbed.UnboundConfig{
				Zones:   map[string]netip.AddrPort{freshZone: b.knot.Addr},
				Options: []string{"cache-max-negative-ttl: 0"},
			}).Addr
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := front(t, "", test.upstream(t))
			timely(t, func() error {
				qname := fresh()
				q := ask(qname, dns.TypeA)
				wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeNameError)
				publish(t, b, qname, "A 192.0.2.7")
				return visible(t, n, q, time.Second+slack)
			})
		})
	}
}

// fresh is a name in the fresh zone that nobody has used.
func fresh() string {
	return fmt.Sprintf("n%x.%s.", rand.Uint64(), freshZone)
}

func publish(t testing.TB, b *bed, qname, record string) {
	t.Helper()
	b.knot.Update(t, freshZone, "add "+qname+" 60 "+record)
}

// visible asks until there is a positive answer.
func visible(t testing.TB, n *testbed.Notyet, q *dns.Msg, limit time.Duration) error {
	t.Helper()
	if !testbed.Within(limit, func() bool { return len(over(t, "udp", n.Addr, q).Answer) > 0 }) {
		return fmt.Errorf("%s: not visible %v after it was published", describe(q), limit)
	}
	return nil
}

// TestNameThatWasMissingForAWhileIsVisibleWithinThatWhile is the ramp's promise: at most max(1 s, T) later.
func TestNameThatWasMissingForAWhileIsVisibleWithinThatWhile(t *testing.T) {
	t.Parallel()
	b := shared()
	n := front(t, "", b.knot.Addr)
	timely(t, func() error {
		qname := fresh()
		q := ask(qname, dns.TypeA)
		const missing = 3 * time.Second
		start := time.Now()
		testbed.Within(missing, func() bool {
			wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeNameError)
			return t.Failed()
		})
		publish(t, b, qname, "A 192.0.2.7")
		return visible(t, n, q, time.Since(start)+slack)
	})
}

// TestRampAsksTheUpstreamSeldom has a client ask all the time for a name that stays missing.
func TestRampAsksTheUpstreamSeldom(t *testing.T) {
	t.Parallel()
	soa := plainZone + ". 3600 SOA ns.shipit.dev. h.shipit.dev. 1 3600 600 86400 3600"
	for _, test := range []struct {
		name string
		code int
	}{{"nxdomain", dns.RcodeNameError}, {"nodata", dns.RcodeSuccess}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := startUpstream(t, func(in *incoming) { in.reply(in.deny(test.code, soa)) })
			n := front(t, "", u.addr)
			q := ask("missing."+plainZone, dns.TypeA)
			const asking = 9 * time.Second
			start := time.Now()
			testbed.Within(asking, func() bool {
				wantRcode(t, q, over(t, "udp", n.Addr, q), test.code)
				return t.Failed()
			})
			// Kept for 1, 1, 2, 4 and 8 s: asked at 0, 1, 2, 4 and 8 s, a little later each time.
			if got := u.count("missing." + plainZone); got < 4 || got > 5 {
				t.Errorf("%s asked for %v: got %d upstream queries, want 5 (or 4 on a slow machine)", describe(q), time.Since(start), got)
			}
		})
	}
}

// TestDenialIsAnnouncedForASecondWhenFirstSeen looks at what caches below us read.
func TestDenialIsAnnouncedForASecondWhenFirstSeen(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		name    string
		options []option
		signed  bool // the SOA is signed data: its MINIMUM stays for who may verify it
	}{
		{"plain", nil, false},
		{"edns", []option{withEDNS(1232)}, false},
		{"do", []option{withDO}, true},
		{"ad", []option{withAD}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, zone := range []string{plainZone, signedZone, nsec3Zone} {
				for _, denied := range []struct {
					qname string
					qtype uint16
				}{
					{"first-" + test.name + "." + zone, dns.TypeA},
					{"mail2." + zone, dns.TypeAAAA},
					{"dead2." + zone, dns.TypeA},  // NXDOMAIN behind two CNAMEs
					{"nodata." + zone, dns.TypeA}, // NODATA behind a CNAME
				} {
					n := front(t, "", b.unbound.Addr)
					start := time.Now()
					for range 2 { // The second answer comes from the cache.
						q := ask(denied.qname, denied.qtype, test.options...)
						r := lookup(t, n.Addr, q)
						// As long as it has been seen missing: a second, unless the machine was busy.
						wantAnnounced(t, q, r, max(1, uint32(time.Since(start)/time.Second)), test.signed)
					}
				}
			}
		})
	}
}

// wantAnnounced checks that no TTL of a denial is over so many seconds, and nor is the SOA's MINIMUM unless it stays as it is.
func wantAnnounced(t testing.TB, q, r *dns.Msg, most uint32, minimumStays bool) {
	t.Helper()
	soas := ofType(r.Ns, dns.TypeSOA)
	if len(soas) != 1 {
		t.Fatalf("%s: got %d SOA records, want 1\n%v", describe(q), len(soas), r)
	}
	for _, rr := range r.Ns {
		if rr.Header().Ttl > most {
			t.Errorf("%s: got TTL %d of %q, want at most %d", describe(q), rr.Header().Ttl, rr, most)
		}
	}
	switch got := soas[0].(*dns.SOA).Minttl; {
	case minimumStays && got != negativeTTL:
		t.Errorf("%s: got MINIMUM %d, want %d", describe(q), got, negativeTTL)
	case !minimumStays && got > most:
		t.Errorf("%s: got MINIMUM %d, want at most %d", describe(q), got, most)
	}
}

func TestDenialWithoutSOAIsNotKept(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		code int
	}{{"nxdomain", dns.RcodeNameError}, {"nodata", dns.RcodeSuccess}} {
		u := startUpstream(t, func(in *incoming) { in.reply(in.deny(test.code)) })
		n := front(t, "", u.addr)
		q := ask("missing."+plainZone, dns.TypeA)
		for range 3 {
			r := over(t, "udp", n.Addr, q)
			wantRcode(t, q, r, test.code)
			if len(r.Ns) != 0 {
				t.Errorf("%s: got authority section %v, want it empty as it came", describe(q), r.Ns)
			}
		}
		if got := u.count("missing." + plainZone); got != 3 {
			t.Errorf("%s three times, denied by %s without SOA: got %d upstream queries, want 3", describe(q), test.name, got)
		}
	}
}

func TestNoDenialIsKeptWhenMaxNegativeTTLIsZero(t *testing.T) {
	t.Parallel()
	b := shared()
	n := front(t, "cache: {max_negative_ttl: 0s}", b.knot.Addr)
	qname := fresh()
	q := ask(qname, dns.TypeA)
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeNameError)
	publish(t, b, qname, "A 192.0.2.7")
	r := over(t, "udp", n.Addr, q)
	if len(r.Answer) == 0 {
		t.Errorf("%s: got %s right after it was published, want the address", describe(q), rcode(r.Rcode))
	}
}

// TestPositiveOfAnotherTypeEvictsTheDenial has a denial that would live for seconds.
func TestPositiveOfAnotherTypeEvictsTheDenial(t *testing.T) {
	t.Parallel()
	b := shared()
	n := front(t, "", b.knot.Addr)
	timely(t, func() error {
		qname := fresh()
		a, text := ask(qname, dns.TypeA), ask(qname, dns.TypeTXT)
		testbed.Until(t, 2*patience, "the denial to be kept for 3 s more", func() bool {
			r := over(t, "udp", n.Addr, a)
			wantRcode(t, a, r, dns.RcodeNameError)
			return t.Failed() || r.Ns[0].Header().Ttl >= 3
		})
		b.knot.Update(t, freshZone, "add "+qname+" 60 A 192.0.2.7", "add "+qname+" 60 TXT now")
		if r := over(t, "udp", n.Addr, a); r.Rcode != dns.RcodeNameError {
			return fmt.Errorf("%s: got %s right after it was published, want the denial from the cache", describe(a), rcode(r.Rcode))
		}
		if r := over(t, "udp", n.Addr, text); len(r.Answer) == 0 {
			t.Fatalf("%s: got no answer\n%v", describe(text), r)
		}
		if r := over(t, "udp", n.Addr, a); len(r.Answer) == 0 {
			t.Errorf("%s: got %s after a positive answer of type TXT, want the address", describe(a), rcode(r.Rcode))
		}
		return nil
	})
}

// TestFailureIsKeptForASecond is RFC 9520: a failing upstream is not asked for every query.
func TestFailureIsKeptForASecond(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.deny(dns.RcodeServerFailure)) })
	n := front(t, "", u.addr)
	tries := 0
	timely(t, func() error {
		tries++
		qname := label(tries) + plainZone
		q := ask(qname, dns.TypeA)
		over(t, "udp", n.Addr, q)
		first := u.count(qname)
		for range 10 {
			wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeServerFailure)
		}
		if got := u.count(qname); got != first {
			return fmt.Errorf("%s ten times within a second of a failure: got %d more upstream queries, want 0", describe(q), got-first)
		}
		if !testbed.Within(time.Second+slack, func() bool {
			over(t, "udp", n.Addr, q)
			return u.count(qname) > first
		}) {
			return fmt.Errorf("%s: the upstream was not asked again within %v", describe(q), time.Second+slack)
		}
		return nil
	})
}
