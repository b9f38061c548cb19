//go:build e2e && linux

package e2e

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// aLoop is the word an operator looks for; "loopback" is another one.
var aLoop = regexp.MustCompile(`(?i)\bloop\b`)

// TestLoopIsNoticed has notyet forward to a server that forwards to it.
func TestLoopIsNoticed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		other func(t *testing.T, to netip.AddrPort) (netip.AddrPort, []*testbed.Notyet)
	}{
		{"through unbound", func(t *testing.T, to netip.AddrPort) (netip.AddrPort, []*testbed.Notyet) {
			return testbed.StartUnbound(t, testbed.UnboundConfig{Forward: to}).Addr, nil
		}},
		{"through another notyet", func(t *testing.T, to netip.AddrPort) (netip.AddrPort, []*testbed.Notyet) {
			n := front(t, "", to)
			return n.Addr, []*testbed.Notyet{n}
		}},
		{"through two others", func(t *testing.T, to netip.AddrPort) (netip.AddrPort, []*testbed.Notyet) {
			far := front(t, "", to)
			near := front(t, "", far.Addr)
			return near.Addr, []*testbed.Notyet{far, near}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at := nobody(t)
			upstream, others := test.other(t, at)
			n := testbed.StartNotyet(t, testbed.NotyetConfig{
				Binary:    notyetBinary,
				Listen:    []netip.AddrPort{at},
				Upstreams: []netip.AddrPort{upstream},
			})
			for i := range 3 {
				q := ask(label(i)+plainZone, dns.TypeA, withEDNS(1232))
				start := time.Now()
				wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeServerFailure)
				if took := time.Since(start); took > patience {
					t.Errorf("%s: got the answer after %v, want it within %v", describe(q), took, patience)
				}
			}
			var lines []string
			for _, each := range append(others, n) {
				found := linesWith(each.Stderr(), aLoop)
				if len(found) > 1 {
					t.Errorf("got %d log lines with the word loop from one process, want at most 1:\n%s", len(found), strings.Join(found, "\n"))
				}
				lines = append(lines, found...)
			}
			if len(lines) == 0 {
				t.Fatalf("got no log line with the word loop; log:\n%s", n.Stderr())
			}
			for _, line := range lines {
				if !strings.Contains(line, "upstream") {
					t.Errorf("got log line %q, want it to say what to do about the upstream", line)
				}
			}
		})
	}
}

func linesWith(text string, word *regexp.Regexp) []string {
	var found []string
	for line := range strings.Lines(text) {
		if word.MatchString(line) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// TestLoopOfOneRouteLeavesTheOthers has a zone whose upstream forwards it back to us.
func TestLoopOfOneRouteLeavesTheOthers(t *testing.T) {
	t.Parallel()
	at := nobody(t)
	other := front(t, "", at)
	u := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
	n := testbed.StartNotyet(t, testbed.NotyetConfig{
		Binary:    notyetBinary,
		Listen:    []netip.AddrPort{at},
		Upstreams: []netip.AddrPort{u.addr},
		Extra:     "routes:\n  - {zone: " + plainZone + ", upstreams: [\"" + other.Addr.String() + "\"]}",
	})
	for i := range 3 {
		for qname, want := range map[string]int{label(i) + plainZone: dns.RcodeServerFailure, label(i) + signedZone: dns.RcodeSuccess} {
			q := ask(qname, dns.TypeA)
			wantRcode(t, q, over(t, "udp", n.Addr, q), want)
		}
	}
	if got := linesWith(n.Stderr(), aLoop); len(got) != 1 {
		t.Errorf("got %d log lines with the word loop, want 1:\n%s", len(got), n.Stderr())
	}
}
