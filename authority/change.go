package authority

// change is a zone that became degraded, or is no longer.
type change struct {
	zone string
	why  error
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
