package wait

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
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
			finder := authority.New(authority.Config{Exchange: func(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
				delay := 0 * ms
				if at == slow && q.Question[0].Qtype == dns.TypeA {
					delay = 100 * ms
				} else if q.Question[0].Name == "new.shipit.dev." {
					delay = 50 * ms
				}
				return s.reply(t, "shipit.dev.", q.Question[0].Name, q.Question[0].Qtype), sleep(ctx, delay)
			}})
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				finder.Run(ctx)
				close(ended)
			}()
			r, err := w.waits("new.shipit.dev. A", time.Minute, func(c *Config) {
				c.Any = tt.any
				c.Servers = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), slow}
				c.Ask = finder.Ask
				c.Request = func(qname string, qtype uint16) authority.Request {
					return authority.Request{Name: qname, Type: qtype, Watch: "shipit.dev."}
				}
			})
			if err != nil || time.Duration(r.Took) != tt.want {
				t.Errorf("any %v: got %v after %v, want it done after %v\n%s", tt.any, err, time.Duration(r.Took), tt.want, reportText(r))
			}
			stop()
			<-ended
		})
	}
}
