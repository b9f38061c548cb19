//go:build e2e && linux

package e2e

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

func TestQueryLogHasWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		level          string
		denied, others bool
	}{
		{"off", false, false},
		{"denial", true, false},
		{"all", true, true},
	} {
		t.Run(test.level, func(t *testing.T) {
			t.Parallel()
			n := front(t, "query_log: \""+test.level+"\"", b.unbound.Addr)
			for range 2 { // a miss and a hit
				for _, proto := range []string{"udp", "tcp"} {
					for _, qname := range []string{"www.", "missing."} {
						over(t, proto, n.Addr, ask(qname+plainZone, dns.TypeA))
					}
				}
			}
			for qname, want := range map[string]bool{"missing." + plainZone: test.denied, "www." + plainZone: test.others} {
				logged := func() bool { return strings.Count(n.Stderr(), `"`+qname+`."`) == 4 }
				if want && !testbed.Within(patience, logged) {
					t.Errorf("query_log %s: got %d lines with %s, want 4:\n%s", test.level, strings.Count(n.Stderr(), `"`+qname+`."`), qname, n.Stderr())
				}
				if !want && strings.Contains(n.Stderr(), qname) {
					t.Errorf("query_log %s: got %s in the log, want it left out:\n%s", test.level, qname, n.Stderr())
				}
			}
		})
	}
}
