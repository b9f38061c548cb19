//go:build linux

package testbed

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// Knot is an authoritative server that takes dynamic updates and signs zones by itself.
type Knot struct {
	*Process
	Addr      netip.AddrPort
	knsupdate string // path
}

// KnotConfig says what a Knot serves.
type KnotConfig struct {
	Addr     netip.AddrPort // where it listens; zero: an address of its own, at Port
	Zones    []Zone
	Sections string // more of the configuration, before the zones: keys, remotes
}

// StartKnot starts a knotd that serves the zones to whoever is on loopback.
func StartKnot(o Owner, c KnotConfig) *Knot {
	o.Helper()
	dir := o.TempDir()
	if !c.Addr.IsValid() {
		c.Addr = netip.AddrPortFrom(Address(o), Port)
	}
	k := &Knot{Addr: c.Addr, knsupdate: Look(o, "knsupdate")}
	var conf strings.Builder
	fmt.Fprintf(&conf, `server:
  listen: %s
  rundir: %[2]s
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: warning
acl:
  - id: update
    address: 127.0.0.0/8
    action: [update, transfer]
database:
  storage: %[2]s
policy:
  - id: nsec
    algorithm: ecdsap256sha256
  - id: nsec3
    algorithm: ecdsap256sha256
    nsec3: on
    nsec3-iterations: 0
    nsec3-salt-length: 0
%[3]s
zone:
`, atSign(k.Addr), dir, c.Sections)
	for _, z := range c.Zones {
		write(o, dir, z.Name+".zone", z.file())
		fmt.Fprintf(&conf, `  - domain: %[1]s
    storage: %[2]s
    file: %[1]s.zone
    acl: update
    journal-content: none
    zonefile-load: whole
    zonefile-sync: -1
`, z.Name, dir)
		switch {
		case z.NSEC3:
			conf.WriteString("    dnssec-signing: on\n    dnssec-policy: nsec3\n")
		case z.Sign:
			conf.WriteString("    dnssec-signing: on\n    dnssec-policy: nsec\n")
		}
		for _, option := range z.Options {
			conf.WriteString("    " + option + "\n")
		}
	}
	k.Process = Start(o, Look(o, "knotd"), "-c", write(o, dir, "knot.conf", conf.String()))
	for _, z := range c.Zones {
		k.ready(o, func() bool { return answers(k.Addr, z.Name) })
	}
	return k
}

// Update changes a zone by lines in knsupdate's syntax, such as "add www.shipit.dev. 60 A 192.0.2.7" and
// "del www.shipit.dev. A". When it returns the server answers with the change.
func (k *Knot) Update(o Owner, zone string, lines ...string) {
	o.Helper()
	if err := k.Change(zone, lines...); err != nil {
		o.Fatalf("%v", err)
	}
}

// Change is Update for goroutines, which can't end their owner.
func (k *Knot) Change(zone string, lines ...string) error {
	script := fmt.Sprintf("server %s %d\nzone %s.\n%s\nsend\n", k.Addr.Addr(), k.Addr.Port(), zone, strings.Join(lines, "\n"))
	cmd := exec.Command(k.knsupdate)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("knsupdate: %w\n%s%s", err, script, out)
	}
	return nil
}

// Anchor returns the trust anchor of a signed zone in Unbound's syntax. With a name it is
// that zone's anchor instead: a wrong one, by which the zone is bogus.
func (k *Knot) Anchor(o Owner, zone, name string) string {
	o.Helper()
	return anchor(keys(o, k.Addr, zone)[0], name)
}
