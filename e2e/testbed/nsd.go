//go:build linux

package testbed

import (
	"fmt"
	"net/netip"
	"strings"
)

// NSD is an authoritative server that is fast and never changes.
type NSD struct {
	*Process
	Addr netip.AddrPort
}

// StartNSD starts an nsd that serves the zones.
func StartNSD(o Owner, zones ...Zone) *NSD {
	o.Helper()
	dir := o.TempDir()
	n := &NSD{Addr: netip.AddrPortFrom(Address(o), Port)}
	var conf strings.Builder
	fmt.Fprintf(&conf, `server:
  ip-address: %s
  username: ""
  chroot: ""
  database: ""
  server-count: 1
  zonesdir: "%[2]s"
  pidfile: "%[2]s/nsd.pid"
  xfrdfile: "%[2]s/xfrd.state"
  xfrdir: "%[2]s"
  zonelistfile: "%[2]s/zone.list"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
`, atSign(n.Addr), dir)
	for _, z := range zones {
		write(o, dir, z.Name+".zone", z.file())
		fmt.Fprintf(&conf, "zone:\n  name: %[1]q\n  zonefile: \"%[1]s.zone\"\n", z.Name)
	}
	n.Process = Start(o, Look(o, "nsd"), "-d", "-c", write(o, dir, "nsd.conf", conf.String()))
	for _, z := range zones {
		n.ready(o, func() bool { return answers(n.Addr, z.Name) })
	}
	return n
}
