package authority

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	maxServers   = 13 // of a zone
	maxGlueless  = 4  // of them that are looked up, behind a cut
	maxAddresses = 8  // of a server
)

// lookupTime is how long addresses are waited for: what is left of a discovery is for the probes.
const lookupTime = 700 * time.Millisecond

// locate finds the addresses of a delegation's servers. The upstream is asked for those without glue, up to a limit. Servers
// without an address are left out. ttl is the lowest of the addresses, and 0 when the upstream did not say.
func (f *Finder) locate(ctx context.Context, d *discovery, g *delegation, limit int) (servers []*server, ttl time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	found := make(map[string][]netip.AddrPort)
	ttl = maxLife
	var mu sync.Mutex // guards both
	add := func(name string, addrs []netip.Addr, from netip.Addr, life time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		ttl = min(ttl, life)
		for _, a := range addrs {
			if at := netip.AddrPortFrom(a, f.config.Port); f.mayAsk(at, from) {
				found[name] = append(found[name], at)
			}
		}
	}
	var glueless []string
	for _, name := range g.names {
		if addrs := g.glue[name]; addrs != nil {
			add(name, addrs, g.from, g.ttl)
		} else if len(glueless) < limit {
			glueless = append(glueless, name)
		}
	}
	var asked sync.WaitGroup
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} { // when too many, rather one address of each
		for _, name := range glueless {
			if !d.spend() {
				break
			}
			asked.Go(func() {
				reply, from, err := f.recurse(ctx, name, qtype)
				if err != nil {
					add(name, nil, from, 0)
					return
				}
				addrs, life := addresses(reply.Answer)
				add(name, addrs, from, life)
			})
		}
	}
	asked.Wait()
	for _, name := range g.names {
		if addrs := found[name]; len(addrs) > 0 {
			servers = append(servers, &server{name: withoutDot(name), addrs: ordered(addrs)})
		}
	}
	return servers, ttl
}
