package wait

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// TestServersThatAnswerLaterAreHeardInTheSameRound has two servers that have the record, of which one takes its time. That no
// wildcard answers is found out after that, from both.
func TestServersThatAnswerLaterAreHeardInTheSameRound(t *testing.T) {
	t.Parallel()
	slow := netip.MustParseAddrPort("192.0.2.2:53")
	for _, tt := range []struct {
		any  bool
		want time.Duration
	}{{false, 200 * ms}, {true, 150 * ms}} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t}
			s := &server{zone: []string{"shipit.dev. SOA ns1.shipit.dev. hostmaster.shipit.dev. 1 3600 600 86400 60", "new.shipit.dev. A 192.0.2.7"}}
			both := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), slow}
			change, stop := atServers(both, func(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
				delay := 0 * ms
				switch {
				case q.Question[0].Qtype != dns.TypeA:
				case at == slow:
					delay = 100 * ms
				case q.Question[0].Name == "new.shipit.dev.":
					delay = 50 * ms
				}
				return s.reply(t, "shipit.dev.", q.Question[0].Name, q.Question[0].Qtype), sleep(ctx, delay)
			})
			defer stop()
			r, err := w.waits("new.shipit.dev. A", time.Minute, func(c *Config) {
				change(c)
				c.Any = tt.any
			})
			if err != nil || time.Duration(r.Took) != tt.want {
				t.Errorf("any %v: got %v after %v, want it done after %v\n%s", tt.any, err, time.Duration(r.Took), tt.want, reportText(r))
			}
		})
	}
}

// TestAnyServerMayBeTheSlowOne has a server that denies at once, and one that has the record and takes longer than a denial waits for
// others.
func TestAnyServerMayBeTheSlowOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		fast, slow := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")
		const soa = "shipit.dev. SOA ns1.shipit.dev. hostmaster.shipit.dev. 1 3600 600 86400 60"
		servers := map[netip.AddrPort]*server{fast: {zone: []string{soa}}, slow: {zone: []string{soa, "new.shipit.dev. A 192.0.2.7"}}}
		change, stop := atServers([]netip.AddrPort{fast, slow}, func(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
			delay := 0 * ms
			if at == slow && q.Question[0].Qtype == dns.TypeA {
				delay = 600 * ms
			}
			return servers[at].reply(t, "shipit.dev.", q.Question[0].Name, q.Question[0].Qtype), sleep(ctx, delay)
		})
		defer stop()
		r, err := w.waits("new.shipit.dev. A 192.0.2.7", time.Minute, func(c *Config) {
			change(c)
			c.Any = true
		})
		w.wantDone(r, err, 600*ms, "192.0.2.1:53 behind NXDOMAIN 0s, 192.0.2.2:53 ready 192.0.2.7 600ms")
	})
}
