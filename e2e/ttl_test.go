//go:build e2e && linux

package e2e

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// TestTTLsAgeAndNeverGrow asks all the time while a record ages, expires and is fetched again.
func TestTTLsAgeAndNeverGrow(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) {
		in.reply(in.answer(in.Question[0].Name+" 300 CNAME x.shipit.dev.", "x.shipit.dev. 3 A 192.0.2.1"))
	})
	n := front(t, "", u.addr)
	q := ask("www."+plainZone, dns.TypeA)
	start := time.Now()
	var last []uint32
	var since time.Time // when the record was fetched last, or a little later
	fetched := 0
	testbed.Within(5*time.Second, func() bool {
		asked := time.Now()
		r := over(t, "udp", n.Addr, q)
		if len(r.Answer) != 2 {
			t.Fatalf("%s: got %d records, want 2\n%v", describe(q), len(r.Answer), r)
		}
		ttls := []uint32{r.Answer[0].Header().Ttl, r.Answer[1].Header().Ttl}
		now := u.count("www." + plainZone)
		if now == fetched && (ttls[0] > last[0] || ttls[1] > last[1]) {
			t.Fatalf("%s: got TTLs %v after %v, want them to fall", describe(q), ttls, last)
		}
		if now != fetched {
			since = time.Now()
		}
		if age := asked.Sub(since); float64(ttls[1]) > 3.01-age.Seconds() {
			t.Fatalf("%s: got TTL %d of 3 after %v, want it to age", describe(q), ttls[1], age)
		}
		if ttls[0] < 297 || ttls[0]-ttls[1] != 297 {
			t.Fatalf("%s: got TTLs %v, want each record's own, 297 apart", describe(q), ttls)
		}
		last, fetched = ttls, now
		return false
	})
	if took := time.Since(start); fetched < 2 || fetched > 1+int(took/(3*time.Second)) {
		t.Errorf("%s for %v with a TTL of 3 s: got %d upstream queries, want 2", describe(q), took, fetched)
	}
}
