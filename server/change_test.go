package server

import (
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/miekg/dns"
)

func TestAllowChangesWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startInMemory(t, nil)
		c := m.listener.connect(t)
		www := query("www.example.com. A")
		for _, tt := range []struct {
			allow []netip.Prefix
			want  int
		}{
			{everybody, dns.RcodeSuccess},
			{nil, dns.RcodeRefused},
			{[]netip.Prefix{netip.MustParsePrefix("192.0.2.99/24")}, dns.RcodeSuccess},
		} {
			m.SetAllow(tt.allow)
			if got := c.ask(t, www).Rcode; got != tt.want {
				t.Errorf("allow %v: got rcode %d, want %d", tt.allow, got, tt.want)
			}
		}
	})
}

func TestQueryLogChangesWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := make(lines, 100)
		m := startInMemory(t, func(c *Config, _ *upstream) { c.Log = slog.New(log) })
		c := m.listener.connect(t)
		for _, tt := range []struct {
			which QueryLog
			want  int
		}{{LogNone, 0}, {LogAll, 4}, {LogDenials, 2}, {LogNone, 0}} {
			m.SetQueryLog(tt.which)
			for _, q := range []*dns.Msg{query("www.example.com. A"), query("missing.example.com. A")} {
				m.packets.in <- pack(t, q)
				<-m.packets.out
				c.ask(t, q)
			}
			synctest.Wait()
			if got := len(log); got != tt.want {
				t.Errorf("query log %d: got %d lines, want %d", tt.which, got, tt.want)
			}
			for range len(log) {
				<-log
			}
		}
	})
}
