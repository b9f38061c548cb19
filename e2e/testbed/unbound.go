//go:build linux

package testbed

import (
	"fmt"
	"net/netip"
	"strings"
)

// Unbound is a recursive resolver: the upstream that keeps a "no".
type Unbound struct {
	*Process
	Addr netip.AddrPort
}

// UnboundConfig says what an Unbound resolves. All other names are refused, and name servers in 192.0.2.0/24 are
// not asked, so no packet leaves the machine.
type UnboundConfig struct {
	Addr    netip.AddrPort            // where it listens; zero: an address of its own, at Port
	Zones   map[string]netip.AddrPort // zone without final dot → its authority
	Anchors []string                  // trust anchors; none: it does not validate
	Forward netip.AddrPort            // everything goes here instead of being refused; zero: nothing
	Options []string                  // lines of the server section, such as "cache-max-negative-ttl: 0"
}

// StartUnbound starts an unbound.
func StartUnbound(o Owner, c UnboundConfig) *Unbound {
	o.Helper()
	dir := o.TempDir()
	if !c.Addr.IsValid() {
		c.Addr = netip.AddrPortFrom(Address(o), Port)
	}
	u := &Unbound{Addr: c.Addr}
	modules := "iterator"
	if len(c.Anchors) > 0 {
		modules = "validator iterator"
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, `server:
  interface: %s
  username: ""
  chroot: ""
  directory: "%[2]s"
  pidfile: "%[2]s/unbound.pid"
  use-syslog: no
  do-daemonize: no
  do-not-query-localhost: no
  do-not-query-address: 192.0.2.0/24
  module-config: "%[3]s"
  access-control: 127.0.0.0/8 allow
  trust-anchor-signaling: no
  aggressive-nsec: no
  log-queries: yes
`, atSign(u.Addr), dir, modules)
	for _, option := range c.Options {
		conf.WriteString("  " + option + "\n")
	}
	for _, a := range c.Anchors {
		fmt.Fprintf(&conf, "  trust-anchor: %q\n", a)
	}
	if !c.Forward.IsValid() {
		conf.WriteString("  local-zone: \".\" refuse\n")
		for zone := range c.Zones {
			fmt.Fprintf(&conf, "  local-zone: \"%s.\" transparent\n", zone)
		}
	}
	conf.WriteString("remote-control:\n  control-enable: no\n")
	for zone, authority := range c.Zones {
		fmt.Fprintf(&conf, "stub-zone:\n  name: %q\n  stub-addr: %s\n", zone, atSign(authority))
	}
	if c.Forward.IsValid() {
		fmt.Fprintf(&conf, "forward-zone:\n  name: \".\"\n  forward-addr: %s\n", atSign(c.Forward))
	}
	u.Process = Start(o, Look(o, "unbound"), "-c", write(o, dir, "unbound.conf", conf.String()))
	u.ready(o, func() bool { return u.up() })
	return u
}

// Asked returns the names that it was asked for so far, one for each query, lower case and with the final dot.
func (u *Unbound) Asked() []string {
	var names []string
	for line := range strings.Lines(u.Output()) {
		// [1764104000] unbound[4711:0] info: 127.0.0.1 www.shipit.dev. A IN
		if f := strings.Fields(line); len(f) == 7 && f[2] == "info:" && f[6] == "IN" {
			names = append(names, strings.ToLower(f[4]))
		}
	}
	return names
}

// up asks for a name that Unbound answers by itself.
func (u *Unbound) up() bool { return ask(u.Addr, "localhost", 1) != nil }
