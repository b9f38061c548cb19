package authority

import "net/netip"

// Change is a zone that became degraded, or is no longer.
type Change struct {
	Zone    string           // its apex; where the servers are given, the watch's zone
	Servers []netip.AddrPort // all that are given; empty: they are found
	Why     error            // nil: it can be asked again, or is no longer known
}

func (z *zone) change(why error) Change { return Change{z.key.name, z.origin.servers, why} }

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
		f.config.Changed(c)
		f.mu.Lock()
	}
	f.telling = false
}
