package authority

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// What one discovery may take. Probes are bounded by the servers of a zone.
const (
	discoveryTime = 1900 * time.Millisecond
	maxQueries    = 20 // to the upstream and to servers
)

// cutQueries is what it takes to go on past a cut: the question that shows it, one for its NS, and the addresses of
// name servers without glue.
const cutQueries = 2 + 2*maxGlueless

var (
	errSpent = errors.New("too many queries")
	errLame  = errors.New("no server above says")
)

// discovery is the search for the zone of a name.
type discovery struct {
	left     atomic.Int32 // queries that it may still send
	deadline time.Time
}

func newDiscovery() *discovery {
	d := &discovery{deadline: time.Now().Add(discoveryTime)}
	d.left.Store(maxQueries)
	return d
}

// spend asks for leave to send a query.
func (d *discovery) spend() bool { return d.left.Add(-1) >= 0 }

// search is what others that want the same join: where discovery begins, or what is behind one cut.
type search struct {
	key
	start bool
}

// searchLocked joins the search or starts it. The channel is closed at its end, or never when the Finder has stopped.
func (f *Finder) searchLocked(s search, d *discovery, find func(context.Context, *discovery)) <-chan struct{} {
	if done := f.searches[s]; done != nil {
		return done
	}
	done := make(chan struct{})
	f.searches[s] = done
	f.spawnLocked(func() {
		ctx, cancel := context.WithDeadline(f.ctx, d.deadline)
		defer cancel()
		find(ctx, d)
		f.mu.Lock()
		delete(f.searches, s)
		f.mu.Unlock()
		close(done)
	})
	return done
}

// first is the first discovery for an origin. A zone is known afterwards, be it as degraded.
func (f *Finder) first(ctx context.Context, d *discovery, o origin, qname string) {
	z, err := f.discover(ctx, d, o, qname)
	if z == nil {
		f.beginDegraded(o, err)
	}
}

// discover finds the zone of the name: from where discovery begins downwards. With an error the zone is the deepest
// that could be found, or nil.
func (f *Finder) discover(ctx context.Context, d *discovery, o origin, qname string) (*zone, error) {
	z := f.start(o)
	if z == nil {
		var err error
		if z, err = f.begin(ctx, d, o); err != nil {
			return nil, err
		}
	}
	return f.walk(ctx, d, z, qname)
}

// walk follows the cuts between a zone and the name. The upstream is not asked: what it denies on the way, it would deny of
// all below as well (RFC 8020).
func (f *Finder) walk(ctx context.Context, d *discovery, z *zone, qname string) (*zone, error) {
	for z.why == nil && below(qname, z.apex) && len(z.origin.servers) == 0 {
		if d.left.Load() < cutQueries {
			return z, errSpent
		}
		v, err := f.askCut(ctx, d, z, qname)
		if err != nil {
			return z, err
		}
		if v.cut == nil {
			break
		}
		child, err := f.enter(f.ctx, d, z, v.cut)
		if err != nil {
			return z, err
		}
		z = child
	}
	return z, nil
}

// askOne asks the zone's servers for the SOA of the name, one after the other until one has an answer. A denial does as
// well: it has the SOA of the zone that the name is in.
func (f *Finder) askOne(ctx context.Context, d *discovery, z *zone, qname string) (*verdict, error) {
	for _, s := range z.counting() {
		if !d.spend() {
			return nil, errSpent
		}
		reply, err := f.once(ctx, s.address(), qname, dns.TypeSOA)
		if err != nil {
			continue
		}
		if v := digest(reply, z.apex, qname, dns.TypeSOA); v.kind != wire.Failure {
			if v.cut != nil {
				v.cut.by = s
			}
			return v, nil
		}
	}
	return nil, errLame
}

// enter returns the zone behind a cut, which is found if it isn't known. It waits until ctx ends.
func (f *Finder) enter(ctx context.Context, d *discovery, upper *zone, cut *delegation) (*zone, error) {
	k := key{name: cut.apex}
	var done <-chan struct{}
	f.mu.Lock()
	z := f.usableLocked(k)
	if z == nil {
		done = f.searchLocked(search{key: k}, d, func(ctx context.Context, d *discovery) { f.cross(ctx, d, upper, cut) })
	}
	f.mu.Unlock()
	if z != nil {
		return z, nil
	}
	if err := f.await(ctx, done); err != nil {
		return nil, err
	}
	if z = f.peek(k); z == nil {
		return nil, ErrSilent // it had to make room for others at once
	}
	return z, nil
}

// cross finds the servers behind a cut. Their zone is believed to be what the servers above say it is.
func (f *Finder) cross(ctx context.Context, d *discovery, upper *zone, cut *delegation) {
	k := key{name: cut.apex}
	if len(cut.names) == 0 {
		g, err := f.askNS(ctx, d, cut)
		if err != nil {
			f.keep(f.degraded(k, upper.origin, err))
			return
		}
		cut = g
	}
	cut.from = upper.from
	cut.adopt(upper)
	servers, ttl := f.locate(ctx, d, cut, maxGlueless)
	z := f.newZone(k, cut.apex, upper.origin, min(cut.ttl, ttl))
	z.from, z.servers, z.absent = upper.from, servers, cut.without(servers)
	f.keep(f.settle(ctx, z))
}

// askNS asks for the NS of a zone that shows only by its SOA: the server has the zone above too, and refers to nobody.
func (f *Finder) askNS(ctx context.Context, d *discovery, cut *delegation) (*delegation, error) {
	if !d.spend() {
		return nil, errSpent
	}
	reply, err := f.once(ctx, cut.by.address(), cut.apex, dns.TypeNS)
	if err != nil {
		return nil, cut.by.fault(err)
	}
	v := digest(reply, cut.apex, cut.apex, dns.TypeNS)
	if v.kind != wire.Positive {
		return nil, cut.by.fault(errors.New("has no NS of the zone"))
	}
	return newDelegation(v.msg.Answer, v.msg.Extra, cut.apex, cut.apex), nil
}
