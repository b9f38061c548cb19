package authority

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// begin finds the zone that discovery begins in: at the upstream, unless its servers are given. An error means that the
// upstream does not say.
func (f *Finder) begin(ctx context.Context, d *discovery, o origin) (*zone, error) {
	if len(o.servers) > 0 {
		return f.given(ctx, o), nil
	}
	apex, life := o.qname, maxLife
	if o.reverse {
		reply, from, err := f.lookup(ctx, d, apex, dns.TypeSOA)
		if err != nil {
			return nil, err
		}
		soa := soaAbove(reply, apex)
		if soa == nil {
			why := lacking(reply, from, apex, dns.TypeSOA)
			why.Above = true
			return f.beginDegraded(o, why), nil
		}
		if soa.Hdr.Name != apex {
			apex, life = soa.Hdr.Name, seconds(soa.Hdr.Ttl)
		}
	}
	why := Unresolved{Name: o.qname, Type: dns.TypeNS}
	for apex != "" {
		if z := f.compared(apex); z != nil {
			f.startsAt(o, apex)
			return z, nil
		}
		reply, from, err := f.lookup(ctx, d, apex, dns.TypeNS)
		if err != nil {
			return nil, err
		}
		if apex == o.qname {
			why = lacking(reply, from, apex, dns.TypeNS)
		}
		g := newDelegation(reply.Answer, reply.Extra, apex, o.watch)
		g.from, g.ttl = from, min(g.ttl, life)
		if len(g.names) > 0 {
			return f.beginAt(ctx, d, o, g)
		}
		var ttl time.Duration
		apex, ttl = upwards(reply, apex, &o)
		life = min(life, ttl)
	}
	return f.beginDegraded(o, why), nil
}

// upwards is where to go on when the upstream has no NS of a name, and for how long it says so; "": nowhere.
func upwards(reply *dns.Msg, apex string, o *origin) (next string, life time.Duration) {
	soa := soaAbove(reply, apex)
	if soa != nil {
		next, life = soa.Hdr.Name, seconds(soa.Hdr.Ttl)
	}
	switch {
	case reply.Rcode == dns.RcodeSuccess && below(apex, next):
		return next, life
	case reply.Rcode == dns.RcodeNameError && apex == o.qname && !o.reverse && below(apex, Suffix(apex)) && soa != nil && next != apex:
		// Perhaps the domain was registered a minute ago. The suffix's servers are the first to know. A denial that is not
		// from a zone above is a filter's: the domain is not to be found behind its back.
		return Suffix(apex), life
	}
	return "", 0
}

// beginAt makes the zone whose NS the upstream has. At least one of its servers has to have the SOA that the upstream has:
// otherwise the upstream's is a private view of the zone, or they are not what they should be.
func (f *Finder) beginAt(ctx context.Context, d *discovery, o origin, g *delegation) (*zone, error) {
	if !d.spend() { // before the addresses take what is left
		return nil, errSpent
	}
	var reply *dns.Msg
	var from netip.Addr
	var err error
	var asked sync.WaitGroup
	asked.Go(func() { reply, from, err = f.recurse(ctx, g.apex, dns.TypeSOA) })
	servers, ttl := f.locate(ctx, d, g, maxServers)
	asked.Wait()
	if err != nil {
		return nil, err
	}
	soa := soaOf(reply, g.apex)
	if soa == nil {
		return f.beginDegraded(o, lacking(reply, from, g.apex, dns.TypeSOA)), nil
	}
	z := f.newZone(key{name: g.apex}, g.apex, o, min(g.ttl, ttl))
	z.from, z.servers, z.absent, z.want = g.from, servers, g.without(servers), soa
	z = f.settle(ctx, z)
	f.keep(z)
	f.startsAt(o, g.apex)
	return z, nil
}

// beginDegraded makes it known that discovery for an origin cannot even begin.
func (f *Finder) beginDegraded(o origin, why error) *zone {
	z := f.degraded(o.key(), o, why)
	f.keep(z)
	f.startsAt(o, o.qname)
	return z
}
