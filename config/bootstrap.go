package config

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// BootstrapServers are the DNS servers that know the addresses of upstreams given by name: those of the configuration, else
// the name servers of the resolv.conf at path, without ourselves. The error says what to write.
func (c Config) BootstrapServers(path string) ([]netip.AddrPort, error) {
	if len(c.Bootstrap) > 0 {
		return c.Bootstrap, nil
	}
	resolv, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: write a DNS server into bootstrap", err)
	}
	local := localAddrs()
	servers := slices.DeleteFunc(nameServers(resolv), func(server netip.AddrPort) bool { return ours(server, c.Listen, local) })
	if len(servers) == 0 {
		return nil, fmt.Errorf("%s has no name server but notyet: write one into bootstrap, or an upstream by its address", path)
	}
	return servers, nil
}

// CheckNames reports the first upstream given by name whose address nobody can be asked for.
func (c Config) CheckNames(path string) error {
	for key, up := range c.allUpstreams() {
		if !up.Named() {
			continue
		}
		if _, err := c.BootstrapServers(path); err != nil {
			return Fault{Key: key, Value: quote(up.String()), Remedy: err.Error()}
		}
	}
	return nil
}

func (c Config) bootstrapFaults(local []netip.Addr) []Fault {
	const most = 8 // there is time for less
	servers := make([]Upstream, len(c.Bootstrap))
	for i, addr := range c.Bootstrap {
		servers[i] = Upstream{Addr: addr}
	}
	return c.serverFaults("bootstrap", servers, most, local)
}

// pinFaults finds pins that are for nobody: with a name misspelt, anybody's key would do.
func (c Config) pinFaults() []Fault {
	names := make(map[string]bool)
	for _, up := range c.allUpstreams() {
		if up.TLS {
			names[up.ServerName()] = true
		}
	}
	var faults []Fault
	for i, pin := range c.TLSPins {
		if !names[pin.Name] {
			faults = append(faults, Fault{Key: fmt.Sprintf("tls_pins[%d]", i), Value: quote(pin.Name),
				Remedy: "write the name of an upstream over TLS: none has this one"})
		}
	}
	return faults
}

// allUpstreams yields the upstreams of every route, with their keys.
func (c Config) allUpstreams() iter.Seq2[string, Upstream] {
	return func(yield func(string, Upstream) bool) {
		for i, up := range c.Upstreams {
			if !yield(fmt.Sprintf("upstreams[%d]", i), up) {
				return
			}
		}
		for i, route := range c.Routes {
			for j, up := range route.Upstreams {
				if !yield(fmt.Sprintf("routes[%d].upstreams[%d]", i, j), up) {
					return
				}
			}
		}
	}
}
