//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
)

// authority is the NSD that all programs forward to.
type authority struct {
	*process
	addr   netip.AddrPort
	config string
	cpus   string
}

// startAuthority starts NSD on cpus with its files in dir. Its answers hold one record, so
// that every program has the same bytes to store and to send.
func startAuthority(ctx context.Context, dir, cpus string) (*authority, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`server:
  ip-address: %s@%d
  username: ""
  database: ""
  server-count: 1
  minimal-responses: yes
  rrl-ratelimit: 0
  zonesdir: "%s"
  pidfile: "%[3]s/pid"
  xfrdfile: "%[3]s/xfrd"
  zonelistfile: "%[3]s/zonelist"
remote-control:
  control-enable: yes
  control-interface: "%[3]s/control"
zone:
  name: %[4]s
  zonefile: zone
zone:
  name: %[5]s
  zonefile: absent
`, addr.Addr(), addr.Port(), dir, zone, absent)
	// Neither TTL ends while something is measured.
	apex := "$TTL 3600\n@ SOA ns hostmaster 1 3600 600 86400 3600\n@ NS ns\nns A 192.0.2.53\n"
	a := &authority{addr: addr, config: filepath.Join(dir, "nsd.conf"), cpus: cpus}
	for path, text := range map[string]string{
		a.config:                     config,
		filepath.Join(dir, "zone"):   apex + "* A 192.0.2.1\n",
		filepath.Join(dir, "absent"): apex,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	a.process, err = start(ctx, cpus, filepath.Join(dir, "log"), "nsd", "-d", "-c", a.config)
	if err != nil {
		return nil, err
	}
	if err := a.waitAnswer(ctx, addr); err != nil {
		a.stop()
		return nil, fmt.Errorf("nsd: %w", err)
	}
	return a, nil
}

// queries is the number of queries that have reached the authority so far.
func (a *authority) queries(ctx context.Context) (int, error) {
	cmd, err := command(ctx, a.cpus, "nsd-control", "-c", a.config, "stats_noreset")
	if err != nil {
		return 0, err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("nsd-control: %w\n%s", err, out)
	}
	count, ok := statistic(string(out), "\nnum.queries=")
	if !ok {
		return 0, fmt.Errorf("nsd-control's output has no num.queries:\n%s", out)
	}
	return strconv.Atoi(count)
}
