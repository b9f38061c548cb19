package authority

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// Zone is what is known of a zone. It is the caller's.
type Zone struct {
	Apex    string
	SOA     *dns.SOA // of the first server that counts; nil: it is degraded
	Servers []Server // that have an address; of a degraded zone those that were probed
	// Why is not nil when its servers cannot be asked. Where it cannot even be told which they are, Apex is where
	// discovery would have begun.
	Why error
}

// Server is one server of a zone.
type Server struct {
	Name  string // without the final dot; the address when it is given
	Addr  netip.AddrPort
	Fault error // what its apex probe came to; nil: it counts, or has not been heard yet
}

// Path finds the zone that the request's name lives in, and returns the zones from the one that discovery begins in down to
// it: at least one, without an error. Only the last one can be degraded. The name itself is asked for at servers of its
// zones alone.
func (f *Finder) Path(ctx context.Context, r Request) ([]Zone, error) {
	z, err := f.find(ctx, &r)
	if err != nil {
		return nil, err
	}
	_, qname := r.origin()
	path := []Zone{z.public()}
	for up := f.above(z); up != nil; up = f.above(up) { // those that led there
		path = append(path, up.public())
	}
	slices.Reverse(path)
	for range maxCuts {
		if z.why != nil || !below(qname, z.apex) || len(z.origin.servers) > 0 {
			break
		}
		v, err := f.askCut(ctx, newDiscovery(), z, qname)
		if err != nil || v.cut == nil {
			return path, ctx.Err() // its servers counted a moment ago; what they say to the name will show
		}
		if z, err = f.enter(ctx, newDiscovery(), z, v.cut); err != nil {
			return path, err
		}
		path = append(path, z.public())
	}
	return path, nil
}

// above is the deepest zone known above another one's apex, no further up than where discovery began; nil: there is none.
func (f *Finder) above(z *zone) *zone {
	f.mu.Lock()
	defer f.mu.Unlock()
	top, ok := f.starts.Get(z.origin.qname)
	if !ok || len(z.origin.servers) > 0 {
		return nil
	}
	for n := z.apex; below(n, top); {
		n = parent(n)
		if up, found := f.zones.Get(key{name: n}); found {
			return up
		}
	}
	return nil
}

// public is what others may see of the zone.
func (z *zone) public() Zone {
	p := Zone{Apex: z.apex, Why: z.why}
	if z.soa != nil {
		p.SOA = dns.Copy(z.soa).(*dns.SOA)
	}
	servers := z.servers
	if z.why != nil {
		servers = z.tried
	}
	for _, s := range servers {
		p.Servers = append(p.Servers, s.public())
	}
	return p
}

// public is what others may see of the server.
func (s *server) public() Server {
	p := Server{Name: s.name, Addr: s.address()}
	if fault := s.last.Load(); fault != nil {
		p.Fault = errors.Unwrap(*fault) // without the name
	}
	return p
}
