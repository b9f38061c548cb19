package authority

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// delegation says who serves a zone.
type delegation struct {
	apex  string
	names []string                // of its servers; none: only the zone's SOA has been seen
	glue  map[string][]netip.Addr // name → addresses that need no look-up
	ttl   time.Duration           // the lowest
	from  netip.Addr              // the upstream that said so, or was believed about the servers that did
	by    *server                 // that said so; nil: the upstream
}

// newDelegation reads the NS of a zone out of a section. Addresses in another one are glue for names in the domain; of
// other names whoever says this need not know anything.
func newDelegation(ns, additional []dns.RR, apex, domain string) *delegation {
	g := &delegation{apex: apex, glue: make(map[string][]netip.Addr), ttl: maxLife}
	for _, rr := range ns {
		ns, ok := rr.(*dns.NS)
		if !ok || dns.CanonicalName(ns.Hdr.Name) != apex || len(g.names) == maxServers {
			continue
		}
		g.ttl = min(g.ttl, life(rr))
		if name := dns.CanonicalName(ns.Ns); name != "." && !slices.Contains(g.names, name) {
			g.names = append(g.names, name)
		}
	}
	for _, rr := range additional {
		owner := dns.CanonicalName(rr.Header().Name)
		if domain == "" || !dns.IsSubDomain(domain, owner) || !slices.Contains(g.names, owner) {
			continue
		}
		if addrs, ttl := addresses([]dns.RR{rr}); len(addrs) > 0 {
			g.glue[owner] = append(g.glue[owner], addrs...)
			g.ttl = min(g.ttl, ttl)
		}
	}
	return g
}

// adopt takes the addresses of servers that serve the zone above too, and are known from there.
func (g *delegation) adopt(upper *zone) {
	for _, s := range upper.servers {
		name := dns.Fqdn(s.name)
		if !slices.Contains(g.names, name) || g.glue[name] != nil {
			continue
		}
		for _, at := range s.addrs {
			g.glue[name] = append(g.glue[name], at.Addr())
		}
		g.ttl = min(g.ttl, time.Until(upper.expires))
	}
}

// without are the names, without the final dot, that none of the servers has.
func (g *delegation) without(servers []*server) (names []string) {
	for _, name := range g.names {
		name = withoutDot(name)
		if !slices.ContainsFunc(servers, func(s *server) bool { return s.name == name }) {
			names = append(names, name)
		}
	}
	return names
}

// addresses are those in the records, and their lowest TTL.
func addresses(rrs []dns.RR) (addrs []netip.Addr, ttl time.Duration) {
	ttl = maxLife
	for _, rr := range rrs {
		var a netip.Addr
		var ok bool
		switch rr := rr.(type) {
		case *dns.A:
			a, ok = netip.AddrFromSlice(rr.A)
		case *dns.AAAA:
			a, ok = netip.AddrFromSlice(rr.AAAA)
		}
		if ok {
			addrs = append(addrs, a.Unmap())
			ttl = min(ttl, life(rr))
		}
	}
	return addrs, ttl
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }

func life(rr dns.RR) time.Duration { return seconds(wire.TTL(rr.Header().Ttl)) }

func withoutDot(name string) string { return strings.TrimSuffix(name, ".") }
