package authority

// key is what a zone is known by.
type key struct {
	name    string // the apex; of one whose servers are given, the watch's zone
	servers string // those that are given, or ""
}

// knownLocked is the deepest zone known above the name, or nil. One that has expired is used until it is found anew.
func (f *Finder) knownLocked(o origin, qname string) *zone {
	z := f.deepestLocked(o, qname)
	if z != nil && z.why == nil && z.expired() {
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
		if z, found := f.zones.Get(key{name: n}); found || n == top || n == "." {
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
	return f.usableLocked(k)
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
	if z := f.usableLocked(key{name: apex}); z != nil && z.want != nil {
		return z
	}
	return nil
}

// usableLocked is a zone that there is no need to look for, or nil. A degraded one is looked for by nobody but retry.
func (f *Finder) usableLocked(k key) *zone {
	z, _ := f.zones.Get(k)
	if z == nil || z.renewing || z.why == nil && z.expired() {
		return nil
	}
	return z
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
		f.changes = append(f.changes, z.change(z.why))
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
func (f *Finder) forgottenLocked(_ key, z *zone) {
	z.stop()
	if z.why != nil {
		f.changes = append(f.changes, z.change(nil))
	}
}
