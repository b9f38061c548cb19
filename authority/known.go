package authority

import (
	"context"
	"time"
)

// key is what a zone is known by.
type key struct {
	name    string // the apex; of one whose servers are given, the watch's zone
	servers string // those that are given, or ""
}

// change is a zone that became degraded, or is no longer.
type change struct {
	zone string
	why  error
}

// knownLocked is the deepest zone known above the name, or nil. One that is past its time is used until discovery has found it anew.
func (f *Finder) knownLocked(o origin, qname string) *zone {
	z := f.deepestLocked(o, qname)
	if z != nil && !z.usableLocked() {
		f.renewLocked(z)
	}
	return z
}

// deepestLocked looks no further up than where discovery began: above, others may be told other things.
func (f *Finder) deepestLocked(o origin, qname string) *zone {
	if len(o.servers) > 0 {
		z, _ := f.zones.Get(o.key())
		return z
	}
	top, ok := f.starts.Get(o.qname)
	for n := qname; ok; n = parent(n) {
		if z, found := f.zones.Get(key{name: n}); found || n == top {
			return z
		}
	}
	return nil
}

// start is the zone that discovery began in for an origin, or nil if there is none to go on from.
func (f *Finder) start(o origin) *zone {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := o.key()
	if len(o.servers) == 0 {
		k.name, _ = f.starts.Get(o.qname)
	}
	if z, _ := f.zones.Peek(k); z != nil && z.usableLocked() {
		return z
	}
	return nil
}

// startsAt notes in which zone discovery begins for an origin.
func (f *Finder) startsAt(o origin, apex string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts.Add(o.qname, apex)
}

// compared is the zone if it is known and its SOA has been compared with the upstream's, or nil.
func (f *Finder) compared(apex string) *zone {
	f.mu.Lock()
	defer f.mu.Unlock()
	if z, _ := f.zones.Peek(key{name: apex}); z != nil && z.want != nil && z.usableLocked() {
		return z
	}
	return nil
}

func (f *Finder) peek(k key) *zone {
	f.mu.Lock()
	defer f.mu.Unlock()
	z, _ := f.zones.Peek(k)
	return z
}

// keep puts a zone in the place of what was known of it. A degraded one that still is goes on as it was.
func (f *Finder) keep(z *zone) {
	f.mu.Lock()
	old, _ := f.zones.Peek(z.key)
	was := old != nil && old.why != nil
	if f.ctx.Err() != nil || was && z.why != nil {
		z.stop()
		f.mu.Unlock()
		return
	}
	f.zones.Add(z.key, z)
	if old != nil {
		old.stop()
	}
	if z.why != nil {
		f.spawnLocked(func() { f.retry(z) })
	}
	if was || z.why != nil {
		f.changes = append(f.changes, change{z.key.name, z.why})
	}
	f.mu.Unlock()
	f.tell()
}

// drop forgets a zone that isn't there any more.
func (f *Finder) drop(z *zone) {
	f.mu.Lock()
	if now, _ := f.zones.Peek(z.key); now == z {
		f.zones.Remove(z.key)
	}
	f.mu.Unlock()
	f.tell()
}

// forgottenLocked is told of a zone that has no other in its place.
func (f *Finder) forgottenLocked(k key, z *zone) {
	z.stop()
	if z.why != nil {
		f.changes = append(f.changes, change{k.name, nil})
	}
}

// tell tells Changed what has changed, in order and without the lock.
func (f *Finder) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.telling {
		return
	}
	f.telling = true
	for len(f.changes) > 0 {
		c := f.changes[0]
		f.changes = f.changes[1:]
		if f.config.Changed == nil {
			continue
		}
		f.mu.Unlock()
		f.config.Changed(c.zone, c.why)
		f.mu.Lock()
	}
	f.telling = false
}

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
	case err != nil && z.why == nil:
		f.again(z)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	z.renewing = false
}

// again probes the servers of a zone.
func (f *Finder) again(z *zone) {
	ctx, cancel := context.WithTimeout(f.ctx, probeTime)
	defer cancel()
	n := f.newZone(z.key, z.apex, z.origin, 0)
	n.from, n.want = z.from, z.want
	for _, s := range z.servers {
		n.servers = append(n.servers, &server{name: s.name, addrs: s.addrs})
	}
	f.keep(f.settle(ctx, n))
}
