//go:build e2e && linux

package e2e

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// TestExplainAsksTheRunningNotyet has a name under watch that was asked for too early.
func TestExplainAsksTheRunningNotyet(t *testing.T) {
	t.Parallel()
	b := newExplainBed(t, "", "")
	n := testbed.StartNotyet(t, testbed.NotyetConfig{
		Binary: notyetBinary, Upstreams: []netip.AddrPort{b.unbound.Addr}, Extra: watchOf("preview." + plainZone),
	})
	q := ask("www.preview."+plainZone, dns.TypeA)
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeNameError)
	code, text := explainText(t, "--admin", n.Admin.String(), "--upstream", b.unbound.Addr.String(), "www.preview."+plainZone)
	if code != 1 || !strings.Contains(text, "under the watch preview.shipit.dev, and pending") {
		t.Errorf("got exit code %d and no word of the pending name:\n%s", code, text)
	}
}
