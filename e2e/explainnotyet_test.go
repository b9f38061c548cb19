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

// TestExplainLooksBehindTheRunningNotyet has notyet, without a watch, in front of an Unbound that was asked too early by way of it.
// A name that was never asked for is not spoiled there.
func TestExplainLooksBehindTheRunningNotyet(t *testing.T) {
	t.Parallel()
	b := newExplainBed(t, "", "", snooping)
	n := testbed.StartNotyet(t, testbed.NotyetConfig{Binary: notyetBinary, Upstreams: []netip.AddrPort{b.unbound.Addr}})
	q := ask("www."+plainZone, dns.TypeA)
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeNameError)
	for _, k := range b.knots {
		k.Update(t, plainZone, "add www."+plainZone+". 60 A 192.0.2.7")
	}
	explained := func(name string) string {
		code, text := explainText(t, "--admin", n.Admin.String(), "--upstream", n.Addr.String(), name)
		if code != 1 || strings.Contains(text, " 0s") {
			t.Errorf("%s: got exit code %d and\n%s", name, code, text)
		}
		return text
	}
	text := explained("www." + plainZone)
	unbound, _ := strings.CutSuffix(b.unbound.Addr.String(), ":53")
	for _, want := range []string{
		"is the notyet that is running\n", "  behind it  " + unbound,
		"\nwww.shipit.dev A is there, but " + unbound + " (which the running notyet asks) will keep saying NXDOMAIN for another ",
		"notyet cache flush www.shipit.dev --admin " + n.Admin.String() + "\n",
		"notyet watch add www.shipit.dev --admin " + n.Admin.String() + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("got no %q in\n%s", want, text)
		}
	}

	explained("new." + plainZone)
	for _, k := range b.knots {
		k.Update(t, plainZone, "add new."+plainZone+". 60 A 192.0.2.7")
	}
	q = ask("new."+plainZone, dns.TypeA)
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
}
