//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// program is a forwarder: notyet, or one that it is compared with.
type program struct {
	title   string
	peer    string // what -peers calls it; empty: notyet
	binary  string
	version string // the option that makes it print its version; empty: another row has it
	get     string // how to install it
	// start starts it before upstream with its defaults, and returns where it answers.
	start func(o testbed.Owner, notyet string, upstream netip.AddrPort) netip.AddrPort
}

const coreDNS = "go install github.com/coredns/coredns@v1.15.0"

// programs returns every forwarder, in the order of the table.
func programs() []program {
	return []program{
		{title: "notyet --watch " + zone, start: startNotyet("--watch", zone)},
		{title: "notyet", start: startNotyet()},
		{
			title: "Unbound", peer: "unbound", binary: "unbound", version: "-V", get: "apt-get install unbound",
			start: startUnbound,
		},
		{
			title: "dnsmasq", peer: "dnsmasq", binary: "dnsmasq", version: "--version", get: "apt-get install dnsmasq-base",
			start: startDnsmasq(),
		},
		{
			title: "dnsmasq --no-negcache", peer: "dnsmasq", binary: "dnsmasq", get: "apt-get install dnsmasq-base",
			start: startDnsmasq("--no-negcache"),
		},
		{
			title: "CoreDNS", peer: "coredns", binary: "coredns", version: "-version", get: coreDNS,
			start: startCoreDNS,
		},
	}
}

// installed returns notyet and those of peers that are installed, and says on progress which are not.
func installed(peers []string, progress io.Writer) []program {
	return slices.DeleteFunc(programs(), func(p program) bool {
		switch {
		case p.peer == "":
			return false
		case !slices.Contains(peers, p.peer):
			return true
		case testbed.Find(p.binary) == "":
			fmt.Fprintf(progress, "%s is not on PATH and left out: %s\n", p.title, p.get)
			return true
		}
		return false
	})
}

// versions names the programs that notyet is compared with.
func versions(ctx context.Context, programs []program) []string {
	number := regexp.MustCompile(`\d+\.\d+(\.\d+)*`)
	var all []string
	for _, p := range programs {
		if p.version == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		out, _ := exec.CommandContext(ctx, testbed.Find(p.binary), p.version).CombinedOutput() // some end with 1 although they print it
		cancel()
		all = append(all, p.title+" "+number.FindString(string(out)))
	}
	return all
}

func startNotyet(args ...string) func(testbed.Owner, string, netip.AddrPort) netip.AddrPort {
	return func(o testbed.Owner, binary string, upstream netip.AddrPort) netip.AddrPort {
		n := testbed.StartNotyet(o, testbed.NotyetConfig{Binary: binary, Upstreams: []netip.AddrPort{upstream}, Args: args})
		return n.Addr
	}
}

func startUnbound(o testbed.Owner, _ string, upstream netip.AddrPort) netip.AddrPort {
	return testbed.StartUnbound(o, testbed.UnboundConfig{Forward: upstream}).Addr
}

func startDnsmasq(args ...string) func(testbed.Owner, string, netip.AddrPort) netip.AddrPort {
	return func(o testbed.Owner, _ string, upstream netip.AddrPort) netip.AddrPort {
		at := netip.AddrPortFrom(testbed.Address(o), testbed.Port)
		return started(o, at, "dnsmasq", append([]string{
			"--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces",
			"--listen-address=" + at.Addr().String(), fmt.Sprintf("--port=%d", at.Port()),
			fmt.Sprintf("--server=%s#%d", upstream.Addr(), upstream.Port()),
		}, args...)...)
	}
}

func startCoreDNS(o testbed.Owner, _ string, upstream netip.AddrPort) netip.AddrPort {
	at := netip.AddrPortFrom(testbed.Address(o), testbed.Port)
	file := filepath.Join(o.TempDir(), "Corefile")
	config := fmt.Sprintf(".:%d {\n  bind %s\n  cache\n  forward . %s\n}\n", at.Port(), at.Addr(), upstream)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		o.Fatalf("%v", err)
	}
	return started(o, at, "coredns", "-conf", file)
}

// started starts a program and returns where it answers, once it does.
func started(o testbed.Owner, at netip.AddrPort, binary string, args ...string) netip.AddrPort {
	p := testbed.Start(o, testbed.Look(o, binary), args...)
	testbed.Until(o, 15*time.Second, binary+" "+strings.Join(args, " ")+" to answer", func() bool {
		if !p.Running() {
			o.Fatalf("%s ended at once", binary)
		}
		r, err := exchange(context.Background(), at, dns.Fqdn(zone), dns.TypeSOA)
		return err == nil && r.Rcode == dns.RcodeSuccess
	})
	return at
}
