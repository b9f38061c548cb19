package authority

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// How long a zone lives, whatever the TTLs of its NS and their addresses are.
const (
	minLife = 30 * time.Second
	maxLife = 24 * time.Hour
)

// zone is what one discovery found out about a zone; a later one makes another, which takes its place. What is not said to
// change doesn't once the zone is kept.
type zone struct {
	key     key
	apex    string
	origin  origin     // of the discovery that found it
	why     error      // not nil: it is degraded, and has nothing of what follows but the context and who was tried
	from    netip.Addr // the upstream that named the servers, or those of a zone above
	servers []*server
	tried   []*server // of a degraded zone
	absent  []string  // names of servers without an address
	want    *dns.SOA  // the upstream's, in the zone that discovery began in; nil: it is not asked
	soa     *dns.SOA  // of the first server that counted
	born    time.Time
	expires time.Time
	turn    atomic.Uint32 // of the servers to be asked first

	ctx      context.Context // ends when another zone takes its place
	stop     context.CancelFunc
	renewing bool // guarded by the Finder's lock
}

// newZone makes a zone that lives for a time, at most maxLife. It is kept or stopped.
func (f *Finder) newZone(k key, apex string, o origin, life time.Duration) *zone {
	z := &zone{key: k, apex: apex, origin: o, born: time.Now()}
	z.expires = z.born.Add(max(life, minLife))
	z.ctx, z.stop = context.WithCancel(f.ctx)
	return z
}

// degraded makes a zone whose servers cannot be asked.
func (f *Finder) degraded(k key, o origin, why error) *zone {
	z := f.newZone(k, k.name, o, 0)
	z.why = why
	return z
}

func (z *zone) expired() bool { return !time.Now().Before(z.expires) }

// counting are the servers that count; there is at least one, unless the zone is degraded.
func (z *zone) counting() []*server {
	var all []*server
	for _, s := range z.servers {
		if s.soa.Load() != nil {
			all = append(all, s)
		}
	}
	return all
}

// settle probes the servers of a new zone, and returns it once one counts and the others had their time, or a degraded
// one in its place. Servers that answer later count from then on.
func (f *Finder) settle(ctx context.Context, z *zone) *zone {
	probes := make(chan probe, len(z.servers))
	for _, s := range z.servers {
		f.spawn(func() { f.tend(z, s, probes) })
	}
	if err := z.awaitCounting(ctx, probes); err != nil {
		z.stop()
		failed := f.degraded(z.key, z.origin, err)
		failed.tried = z.servers
		return failed
	}
	return z
}

// awaitCounting returns nil once there is a server that counts and has the SOA that is wanted.
func (z *zone) awaitCounting(ctx context.Context, probes <-chan probe) error {
	var all []error
	var enough <-chan time.Time
	for range z.servers {
		select {
		case p := <-probes:
			switch {
			case p.err != nil:
				all = append(all, p.err)
			case z.want != nil && !same(p.soa, z.want):
				differs := p.server.fault(ErrDiffers)
				p.server.last.Store(&differs)
				all = append(all, differs)
			case z.soa == nil:
				z.soa = p.soa
				enough = time.After(grace)
			}
		case <-enough:
			return nil
		case <-ctx.Done():
			if z.soa == nil {
				return none(append(all, plain(ctx.Err())))
			}
			return nil
		}
	}
	if z.soa == nil {
		return none(all)
	}
	return nil
}
