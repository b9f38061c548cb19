//go:build e2e && linux

package e2e

import (
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// TestDnsmasqSendsOneZoneAsTheGuideSays takes the line from the guide.
func TestDnsmasqSendsOneZoneAsTheGuideSays(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../deploy/README.md")
	if err != nil {
		t.Fatalf("%v", err)
	}
	line := string(regexp.MustCompile(`(?m)^server=/\S+$`).Find(guide))
	if want := "server=/preview.example.com/127.0.0.1#1053"; line != want {
		t.Fatalf("deploy/README.md has %q, want %q", line, want)
	}
	network := startUpstream(t, func(in *incoming) { in.reply(in.address("192.0.2.1")) })
	behind := startUpstream(t, func(in *incoming) { in.reply(in.address("192.0.2.2")) })
	n := front(t, "", behind.addr)
	at := netip.AddrPortFrom(testbed.Address(t), testbed.Port)
	testbed.Start(t, testbed.Look(t, "dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file=",
		"--user=root", "--listen-address="+at.Addr().String(), "--port=5306", "--server="+hash(network.addr),
		"--"+strings.Replace(line, "127.0.0.1#1053", hash(n.Addr), 1))
	for qname, want := range map[string]string{"web.preview.example.com.": "192.0.2.2", "www.example.com.": "192.0.2.1"} {
		q := ask(qname, dns.TypeA)
		var r *dns.Msg
		testbed.Until(t, patience, "dnsmasq to answer", func() bool {
			var err error
			r, _, err = (&dns.Client{Timeout: time.Second}).Exchange(q, at.String())
			return err == nil
		})
		if len(r.Answer) != 1 || r.Answer[0].(*dns.A).A.String() != want {
			t.Errorf("%s: got %v, want %s", describe(q), r.Answer, want)
		}
	}
	if got := behind.count("www.example.com"); got != 0 {
		t.Errorf("notyet was asked for a name outside the zone %d times", got)
	}
}

// hash writes an address as dnsmasq wants it.
func hash(at netip.AddrPort) string { return strings.Replace(at.String(), ":", "#", 1) }
