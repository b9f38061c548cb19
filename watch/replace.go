package watch

import (
	"fmt"
	"time"

	"notyet/wire"
)

// Replace makes the zones the watches of the configuration, in the place of those that there were; leases stay. What is
// known, pending and held under a watch that stays does too, also when its options are others. Denials that are in the cache go
// where a watch is new or changes, and a watch that goes takes what is pending under it along. An error changes nothing.
func (s *Set) Replace(zones []Zone) error {
	names := make([][]byte, len(zones)) // in wire format
	for i, z := range zones {
		var err error
		if names[i], err = wire.Name(z.Name); err != nil {
			return fmt.Errorf("watch %q: %w", z.Name, err)
		}
	}
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return nil
	}
	changed, gone := s.reconcileLocked(zones, names)
	s.reviewLocked(time.Now())
	s.mu.Unlock()
	for _, w := range changed {
		s.config.Cache.DropNegativesBelow(w.zone)
	}
	for _, w := range gone {
		s.metrics.forget(w.name) // as nothing is pending under it any more
	}
	return nil
}

// reconcileLocked puts the watches in place. It returns those that are new or have other options, and those that go.
func (s *Set) reconcileLocked(zones []Zone, names [][]byte) (changed, gone []*Watch) {
	old, next := *s.byZone.Load(), make(map[string]*Watch)
	for i, z := range zones {
		w := old[string(names[i])].configured()
		switch {
		case w == nil:
			name := wire.String(names[i])
			w = newWatch(names[i], name, z.Options, s.metrics.meter(name))
			changed = append(changed, w)
		case w.changeLocked(z.Options):
			changed = append(changed, w)
		}
		next[string(names[i])] = w
	}
	for zone, w := range old {
		if was := w.configured(); was != nil && next[zone] == nil {
			gone = append(gone, was)
		}
		if w.isLease() {
			w.below, next[zone] = next[zone], w
		}
	}
	s.byZone.Store(&next)
	return changed, gone
}

// configured is the configuration's watch where w stands; nil: there is none.
func (w *Watch) configured() *Watch {
	if !w.isLease() {
		return w
	}
	return w.below
}

// reviewLocked lets go of what is pending under a watch that is no longer that of the name, or that asks no authorities; the
// rest goes on by the options that there are now.
func (s *Set) reviewLocked(now time.Time) {
	for _, p := range s.pending.Values() {
		options := p.watch.options()
		if s.Find(p.key.Name) != p.watch || options.Verify == Off {
			s.pending.Remove(p.question())
			continue
		}
		p.polled, p.interval = p.polled && options.Poll > 0, max(p.interval, options.Poll)
		p.scheduleLocked(now)
	}
}
