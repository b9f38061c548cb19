package config

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Resolv is what a resolv.conf says that concerns a forwarder: what the upstream system stands for.
type Resolv struct {
	Servers []netip.AddrPort // in their order, without duplicates, each at port 53
	TCP     bool             // option use-vc: they are asked over TCP only
	Rotate  bool             // option rotate: any of them is asked first
}

// Upstreams are the servers as a configuration has them.
func (r Resolv) Upstreams() []Upstream {
	upstreams := make([]Upstream, len(r.Servers))
	for i, addr := range r.Servers {
		upstreams[i] = Upstream{Addr: addr, TCP: r.TCP}
	}
	return upstreams
}

// Equal reports whether both say the same.
func (r Resolv) Equal(o Resolv) bool {
	return r.TCP == o.TCP && r.Rotate == o.Rotate && slices.Equal(r.Servers, o.Servers)
}

// NoServersError says why the upstream "system" has no servers.
type NoServersError string

func (e NoServersError) Error() string {
	const instead = ": name one with --upstream 192.0.2.1 or upstreams: [192.0.2.1]"
	return Fault{Key: "upstreams", Value: quote("system"), Remedy: string(e) + instead}.Error()
}

// System reads the resolv.conf at path. It has at least one server, none of them an address of ours; otherwise the error is a
// NoServersError.
func System(path string, listen []netip.AddrPort) (Resolv, error) {
	bad := func(problem string) (Resolv, error) { return Resolv{}, NoServersError(problem) }
	data, err := ReadFile(path)
	if err != nil {
		return bad(err.Error())
	}
	resolv, err := dns.ClientConfigFromReader(bytes.NewReader(data))
	if err != nil {
		return bad(path + ": " + err.Error())
	}
	local := localAddrs()
	r := withOptions(string(data))
	r.Servers = nameServers(resolv)
	for _, server := range r.Servers {
		if ours(server, listen, local) {
			return bad(path + " has " + server.String() + ", which is notyet itself")
		}
	}
	if len(r.Servers) == 0 {
		return bad(path + " has no nameserver")
	}
	return r, nil
}

// nameServers are those of a resolv.conf, without duplicates. An entry that is not the address of a server is passed over, as
// the C library does.
func nameServers(resolv *dns.ClientConfig) (servers []netip.AddrPort) {
	for _, entry := range resolv.Servers {
		ip, err := netip.ParseAddr(entry)
		server := netip.AddrPortFrom(ip.Unmap(), 53)
		if err == nil && oneServer(server) == nil && !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	return servers
}

// withOptions reads the options that mean something to a forwarder. edns0 is what it does anyway; timeout and attempts
// are those of a client that asks one server at a time; the others are about names and about what programs get to see.
func withOptions(text string) (r Resolv) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "options" {
			continue
		}
		r.TCP = r.TCP || slices.Contains(words, "use-vc")
		r.Rotate = r.Rotate || slices.Contains(words, "rotate")
	}
	return r
}
