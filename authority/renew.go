package authority

import (
	"context"
	"time"
)

// trouble has a zone found anew whose servers do not answer as they should.
func (f *Finder) trouble(z *zone) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(z.born) >= minRetry {
		f.renewLocked(z)
	}
}

// renewLocked starts a discovery of a zone that is known, unless one is under way.
func (f *Finder) renewLocked(z *zone) {
	if !z.renewing && z.ctx.Err() == nil {
		z.renewing = true
		f.spawnLocked(func() { f.renew(z) })
	}
}

// retry tries until a degraded zone can be asked.
func (f *Finder) retry(z *zone) {
	for delay := minRetry; sleep(z.ctx, delay); delay = min(2*delay, maxRetry) {
		f.mu.Lock()
		z.renewing = true
		f.mu.Unlock()
		f.renew(z)
	}
}

// renew runs discovery anew for a zone, which stays in use until that comes to an end. Where neither the upstream nor the
// servers above can say what has become of it, the servers known so far are probed: these alone decide.
func (f *Finder) renew(z *zone) {
	d := newDiscovery()
	ctx, cancel := context.WithDeadline(f.ctx, d.deadline)
	defer cancel()
	found, err := f.discover(ctx, d, z.origin, z.key.name)
	switch {
	case err == nil && found.key != z.key:
		f.drop(z)
	case err != nil:
		f.again(z)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	z.renewing = false
}

// again probes the servers of a zone.
func (f *Finder) again(z *zone) {
	ctx, cancel := context.WithTimeout(f.ctx, discoveryTime)
	defer cancel()
	n := f.newZone(z.key, z.apex, z.origin, 0)
	n.from, n.absent, n.want = z.from, z.absent, z.want
	for _, s := range z.servers {
		n.servers = append(n.servers, &server{name: s.name, addrs: s.addrs})
	}
	f.keep(f.settle(ctx, n))
}
