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

	"notyet/authority"
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

// TestGivenServersNeedNotServeWhatIsAboveTheName has servers of a zone and of nothing else, which they say in different ways.
func TestGivenServersNeedNotServeWhatIsAboveTheName(t *testing.T) {
	t.Parallel()
	at := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")}
	zone := &server{zone: []string{
		"shipit.dev. SOA ns1.shipit.dev. hostmaster.shipit.dev. 1 3600 600 86400 60", "shipit.dev. A 192.0.2.7", "alias.shipit.dev. CNAME www.other.dev.",
	}}
	for _, tt := range []struct {
		what  string
		rcode int // of what is not in the zone
		done  bool
	}{
		{"shipit.dev. A", dns.RcodeRefused, true},
		{"shipit.dev. A", dns.RcodeSuccess, true}, // without authority, as a resolver has it
		{"alias.shipit.dev. A", dns.RcodeRefused, true},
		{"shipit.dev. DS", dns.RcodeRefused, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t}
			change, stop := atServers(at, func(_ context.Context, _ netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
				if qname := q.Question[0].Name; dns.IsSubDomain("shipit.dev.", qname) {
					m := zone.reply(t, "shipit.dev.", qname, q.Question[0].Qtype)
					m.Id = q.Id
					return m, nil
				}
				m := new(dns.Msg).SetReply(q)
				m.Rcode = tt.rcode
				return m, nil
			})
			defer stop()
			r, err := w.waits(tt.what, 10*time.Second, func(c *Config) {
				change(c)
				c.Request = func(qname string, qtype uint16) authority.Request {
					_, above, _ := strings.Cut(qname, ".")
					return authority.Request{Name: qname, Type: qtype, Watch: above}
				}
			})
			if r.Done != tt.done || tt.done && (err != nil || r.Took != 0) {
				t.Errorf("%s, %s for the rest: got %v after %v, want it there at once: %v\n%s",
					tt.what, dns.RcodeToString[tt.rcode], err, time.Duration(r.Took), tt.done, reportText(r))
			}
		})
	}
}
