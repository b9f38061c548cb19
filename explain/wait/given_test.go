package wait

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
)

// TestGivenServersThatAreResolversEndTheWait has resolvers, which answer without authority, and another that does something else.
func TestGivenServersThatAreResolversEndTheWait(t *testing.T) {
	t.Parallel()
	first, second := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")
	for _, tt := range []struct {
		name    string
		servers []netip.AddrPort
		rcode   int // of the second; -1: it is silent
		ends    bool
	}{
		{"one", []netip.AddrPort{first}, 0, true},
		{"both", []netip.AddrPort{first, second}, dns.RcodeSuccess, true},
		{"and one that refuses", []netip.AddrPort{first, second}, dns.RcodeRefused, false},
		{"and one that is silent", []netip.AddrPort{first, second}, -1, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t}
			change, stop := atServers(tt.servers, func(_ context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
				m := new(dns.Msg).SetReply(q)
				m.RecursionAvailable = true
				if at == second && tt.rcode < 0 {
					return nil, upstream.ErrTimeout
				}
				if at == second {
					m.Rcode = tt.rcode
				}
				return m, nil
			})
			defer stop()
			r, err := w.waits("new.shipit.dev. A", 10*time.Second, func(c *Config) {
				change(c)
				c.Why = func(err error) string { return "in words: " + err.Error() }
			})
			var strangers NotServers
			if errors.As(err, &strangers) != tt.ends || tt.ends && (r.Took != 0 || !slices.Equal(strangers.Servers, tt.servers)) {
				t.Errorf("%s: got %v after %v, want it ended at once: %v", tt.name, err, time.Duration(r.Took), tt.ends)
			}
			if len(r.Names) != 1 || !strings.HasPrefix(r.Names[0].Fault, "in words: ") {
				t.Errorf("%s: got the fault of %+v in other words", tt.name, r.Names)
			}
		})
	}
}
