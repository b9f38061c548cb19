package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// Check reports the faults that show only when all values are known, one line each. Load has found those of a file;
// flags that change a value afterwards can make new ones.
func (c Config) Check() error {
	return join(c.faults(localAddrs()))
}

// faults are those of Check on a machine that has the given addresses, loopback aside.
func (c Config) faults(local []netip.Addr) []fault {
	var faults []fault
	if len(c.Listen) == 0 {
		faults = append(faults, fault{key: "listen", remedy: "name at least one address, such as 127.0.0.1:53"})
	}
	seen := make(map[netip.AddrPort]bool)
	for i, addr := range c.Listen {
		if seen[addr] && addr.Port() != 0 { // port 0 is another port each time
			faults = append(faults, duplicate(fmt.Sprintf("listen[%d]", i), addr.String()))
		}
		seen[addr] = true
	}
	faults = append(faults, c.upstreamFaults("upstreams", c.Upstreams, local)...)
	zones := make(map[string]bool)
	for i, route := range c.Routes {
		key := fmt.Sprintf("routes[%d]", i)
		if zones[route.Zone] {
			faults = append(faults, duplicate(key+".zone", route.Zone))
		}
		zones[route.Zone] = true
		faults = append(faults, c.upstreamFaults(key+".upstreams", route.Upstreams, local)...)
	}
	return faults
}

// maxUpstreams is far more than 5 s are enough to ask.
const maxUpstreams = 64

func (c Config) upstreamFaults(key string, upstreams []Upstream, local []netip.Addr) []fault {
	switch n := len(upstreams); {
	case n == 0:
		return []fault{{key: key, remedy: "name at least one server, such as 192.0.2.1 or system"}}
	case n > maxUpstreams:
		return []fault{{key: key, value: quote(strconv.Itoa(n) + " servers"), remedy: fmt.Sprintf("name at most %d", maxUpstreams)}}
	}
	var faults []fault
	seen := make(map[Upstream]bool)
	for i, up := range upstreams {
		key := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case seen[up]:
			faults = append(faults, duplicate(key, up.String()))
		case !up.System && ours(up.Addr, c.Listen, local):
			faults = append(faults, fault{key: key, value: quote(up.String()),
				remedy: "name another server: this one is notyet itself"})
		}
		seen[up] = true
	}
	return faults
}

func duplicate(key, value string) fault {
	return fault{key: key, value: quote(value), remedy: "remove it: it is there twice"}
}

// ours reports whether what is sent to addr arrives at one of our own listeners.
func ours(addr netip.AddrPort, listen []netip.AddrPort, local []netip.Addr) bool {
	for _, l := range listen {
		if l == addr {
			return true
		}
		// A wildcard takes its own family only.
		if !l.Addr().IsUnspecified() || l.Port() != addr.Port() || l.Addr().Is4() != addr.Addr().Is4() {
			continue
		}
		if addr.Addr().IsLoopback() || slices.Contains(local, addr.Addr()) {
			return true
		}
	}
	return false
}

// localAddrs are the addresses of this machine's interfaces; of those that cannot be read there are none,
// and a loop through them shows when the first question comes back.
func localAddrs() []netip.Addr {
	interfaces, _ := net.Interfaces()
	var local []netip.Addr
	for _, ifi := range interfaces {
		addrs, _ := ifi.Addrs()
		for _, addr := range addrs {
			prefix, err := netip.ParsePrefix(addr.String())
			if err != nil {
				continue
			}
			ip := prefix.Addr().Unmap()
			if ip.Is6() && ip.IsLinkLocalUnicast() {
				ip = ip.WithZone(ifi.Name) // the router at the other end may have the same
			}
			local = append(local, ip)
		}
	}
	return local
}
