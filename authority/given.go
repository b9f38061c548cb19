package authority

import (
	"context"
	"net/netip"
)

// given makes the zone whose servers are given. Its apex is what they say: the watch may be in the midst of their zone.
func (f *Finder) given(ctx context.Context, o origin) *zone {
	var servers []*server
	for _, at := range o.servers {
		if f.mayAsk(at, at.Addr()) {
			servers = append(servers, &server{name: at.String(), addrs: []netip.AddrPort{at}})
		}
	}
	apex, err := f.apexAt(ctx, servers, o.qname)
	if err != nil {
		return f.beginDegraded(o, err)
	}
	z := f.newZone(o.key(), apex, o, maxLife)
	z.servers = servers
	z = f.settle(ctx, z)
	f.keep(z)
	return z
}

// apexAt is the apex of the zone that a name is in, by the word of the first server that has the zone.
func (f *Finder) apexAt(ctx context.Context, servers []*server, qname string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	probes := make(chan probe, len(servers))
	for _, s := range servers {
		f.spawn(func() {
			soa, err := f.probe(ctx, s, qname, soaAbove)
			probes <- probe{s, soa, err}
		})
	}
	var faults []error
	for range servers {
		select {
		case p := <-probes:
			if p.err == nil {
				return p.soa.Hdr.Name, nil
			}
			faults = append(faults, p.err)
		case <-f.ctx.Done():
			return "", ErrStopped
		}
	}
	return "", none(faults)
}
