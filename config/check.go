package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Check reports the faults that show only when all values are known, one line each. Load has found those of a file;
// flags that change a value afterwards can make new ones.
func (c Config) Check() error {
	return join(c.faults(localAddrs()))
}

// faults are those of Check on a machine that has the given addresses, loopback aside.
func (c Config) faults(local []netip.Addr) []Fault {
	var faults []Fault
	if len(c.Listen) == 0 {
		faults = append(faults, Fault{Key: "listen", Remedy: "name at least one address, such as 127.0.0.1:53"})
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
	faults = append(faults, c.bootstrapFaults(local)...)
	faults = append(faults, c.pinFaults()...)
	faults = append(faults, c.watchFaults(local)...)
	faults = append(faults, c.adminFaults()...)
	return append(faults, c.Notify.faults()...)
}

func (c Config) watchFaults(local []netip.Addr) []Fault {
	const most = 1000 // a label each in metrics
	if n := len(c.Watch); n > most {
		return []Fault{tooMany("watch", n, "watches", most)}
	}
	var faults []Fault
	zones := make(map[string]bool)
	for i, watch := range c.Watch {
		key := fmt.Sprintf("watch[%d]", i)
		if zones[watch.Zone] {
			faults = append(faults, duplicate(key+".zone", watch.Zone))
		}
		zones[watch.Zone] = true
		faults = append(faults, c.authorityFaults(key+".authorities", watch.Authorities, local)...)
	}
	return faults
}

func (c Config) authorityFaults(key string, authorities []netip.AddrPort, local []netip.Addr) []Fault {
	const most = 13 // as many as the root has, and as a delegation without EDNS has room for
	servers := make([]Upstream, len(authorities))
	for i, addr := range authorities {
		servers[i] = Upstream{Addr: addr}
	}
	return c.serverFaults(key, servers, most, local)
}

// adminFaults finds an admin API that other machines reach and that asks for no token: whoever reaches it could read and
// change what clients are answered.
func (c Config) adminFaults() []Fault {
	if c.Admin == "" || c.AdminTokenFile != "" || strings.HasPrefix(c.Admin, "unix://") || strings.HasPrefix(c.Admin, "localhost:") {
		return nil
	}
	if addr, err := netip.ParseAddrPort(c.Admin); err == nil && addr.Addr().Unmap().IsLoopback() {
		return nil
	}
	return []Fault{{Key: "admin", Value: quote(c.Admin),
		Remedy: "write a token into a file and name it in admin_token_file: other machines reach this address; or write 127.0.0.1 in its place"}}
}

func (n Notify) faults() []Fault {
	var faults []Fault
	if len(n.Keys) > 0 && len(n.Allow) == 0 {
		faults = append(faults, Fault{Key: "notify.allow",
			Remedy: "name the sources too, such as 192.0.2.0/24: a key alone lets nobody in"})
	}
	names := make(map[string]bool)
	for i, key := range n.Keys {
		if names[key.Name] {
			faults = append(faults, duplicate(fmt.Sprintf("notify.keys[%d].name", i), key.Name))
		}
		names[key.Name] = true
	}
	return faults
}

func (c Config) upstreamFaults(key string, upstreams []Upstream, local []netip.Addr) []Fault {
	const most = 64 // far more than 5 s are enough to ask
	if len(upstreams) == 0 {
		return []Fault{{Key: key, Remedy: "name at least one server, such as 192.0.2.1 or system"}}
	}
	return c.serverFaults(key, upstreams, most, local)
}

func (c Config) serverFaults(key string, servers []Upstream, most int, local []netip.Addr) []Fault {
	if n := len(servers); n > most {
		return []Fault{tooMany(key, n, "servers", most)}
	}
	var faults []Fault
	seen := make(map[Upstream]bool)
	for i, up := range servers {
		key := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case seen[up]:
			faults = append(faults, duplicate(key, up.String()))
		case !up.System && ours(up.Addr, c.Listen, local):
			faults = append(faults, Fault{Key: key, Value: quote(up.String()),
				Remedy: "name another server: this one is notyet itself"})
		}
		seen[up] = true
	}
	return faults
}

func tooMany(key string, n int, what string, most int) Fault {
	return Fault{Key: key, Value: quote(fmt.Sprintf("%d %s", n, what)), Remedy: fmt.Sprintf("name at most %d", most)}
}

func duplicate(key, value string) Fault {
	return Fault{Key: key, Value: quote(value), Remedy: "remove it: it is there twice"}
}

// Ours reports whether what is sent to addr arrives at one of the listeners, on this machine as it is now.
func (c Config) Ours(addr netip.AddrPort) bool { return ours(addr, c.Listen, localAddrs()) }

// docker is where containers have the resolver of a Docker network. What is sent there is redirected before a wildcard takes it.
var docker = netip.AddrFrom4([4]byte{127, 0, 0, 11})

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
		if addr.Addr() == docker {
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
