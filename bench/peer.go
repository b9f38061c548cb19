//go:build linux

package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
)

// peer is a forwarder: notyet, or one that it is compared with.
type peer struct {
	name    string
	binary  string
	version string // the option that makes it print its version
	// config is the text of a configuration that listens on at, forwards everything to
	// upstream, keeps what it heard and writes nowhere but to dir.
	config func(at, upstream netip.AddrPort, dir string) string
	args   func(file string) []string // to run in the foreground with that configuration
}

// allPeers returns every forwarder the bench knows; notyet comes first.
func allPeers(notyet string) []peer {
	return []peer{
		{
			name: "notyet", binary: notyet,
			config: notyetConfig,
			args:   func(file string) []string { return []string{"serve", "--config", file} },
		},
		{
			name: "unbound", binary: "unbound", version: "-V",
			config: unboundConfig,
			args:   func(file string) []string { return []string{"-d", "-c", file} },
		},
		{
			name: "dnsdist", binary: "dnsdist", version: "--version",
			config: dnsdistConfig,
			args:   func(file string) []string { return []string{"--supervised", "--disable-syslog", "-C", file} },
		},
	}
}

// choosePeers returns notyet and those of names that are installed, and says on progress
// which are not.
func choosePeers(names []string, notyet string, progress io.Writer) ([]peer, error) {
	all := allPeers(notyet)
	chosen := []peer{all[0]}
	for _, name := range names {
		i := slices.IndexFunc(all, func(p peer) bool { return p.name == name })
		if i < 1 {
			return nil, fmt.Errorf("-peers %q: there is no such peer", name)
		}
		if _, err := lookPath(all[i].binary); err != nil {
			fmt.Fprintf(progress, "%s is not installed and left out\n", name)
			continue
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func notyetConfig(at, upstream netip.AddrPort, _ string) string {
	return fmt.Sprintf(`listen: [%q]
upstreams: [%q]
admin: ""
`, at, upstream)
}

func unboundConfig(at, upstream netip.AddrPort, dir string) string {
	return fmt.Sprintf(`server:
  interface: %s
  port: %d
  num-threads: 1
  msg-cache-size: 64m
  rrset-cache-size: 128m
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  username: ""
  chroot: ""
  directory: "%s"
  pidfile: "%[3]s/pid"
  use-syslog: no
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: %[4]s@%[5]d
`, at.Addr(), at.Port(), dir, upstream.Addr(), upstream.Port())
}

// dnsdistConfig sends misses over four sockets; notyet and Unbound take a random port for each.
func dnsdistConfig(at, upstream netip.AddrPort, _ string) string {
	return fmt.Sprintf(`setLocal(%q)
setACL({"127.0.0.0/8"})
setSecurityPollSuffix("")
newServer({address=%q, sockets=4, checkName=%q})
getPool(""):setCache(newPacketCache(200000))
`, at, upstream, zone)
}
