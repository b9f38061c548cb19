package config

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// System reads the name servers of the resolv.conf at path: what the upstream system stands for.
// There is at least one, without duplicates, each at port 53 and none of them an address of ours.
// An entry that is not the address of a server is passed over, as the C library does.
func System(path string, listen []netip.AddrPort) ([]netip.AddrPort, error) {
	const instead = "name one with --upstream 192.0.2.1 or upstreams: [192.0.2.1]"
	bad := func(problem string) error {
		return fault{key: "upstreams", value: quote("system"), remedy: problem + ": " + instead}
	}
	resolv, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, bad(err.Error())
	}
	local := localAddrs()
	var servers []netip.AddrPort
	for _, entry := range resolv.Servers {
		ip, err := netip.ParseAddr(entry)
		server := netip.AddrPortFrom(ip.Unmap(), 53)
		switch {
		case err != nil || ip.IsUnspecified() || ip.IsMulticast() || slices.Contains(servers, server):
			continue
		case ours(server, listen, local):
			return nil, bad(path + " has " + server.String() + ", which is notyet itself")
		}
		servers = append(servers, server)
	}
	if len(servers) == 0 {
		return nil, bad(path + " has no nameserver")
	}
	return servers, nil
}
