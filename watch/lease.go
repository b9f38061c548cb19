package watch

import (
	"fmt"
	"maps"
	"time"

	"notyet/wire"
)

// Lease puts a name and all below it under watch until a moment; a lease for the same name is replaced. Denials
// of these names that are in the cache go. It returns ErrTooManyLeases when there are 10,000.
func (s *Set) Lease(name string, options Options, until time.Time) error {
	zone, err := wire.Name(name)
	if err != nil {
		return fmt.Errorf("lease %q: %w", name, err)
	}
	w := newWatch(zone, wire.String(zone), options, until, s.metrics.meter(leaseLabel))
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return fmt.Errorf("lease %q: stopping", name)
	}
	old := s.watchLocked(zone)
	if (old == nil || old.until.IsZero()) && s.leases >= maxLeases {
		s.mu.Unlock()
		return fmt.Errorf("lease %q: %w", name, ErrTooManyLeases)
	}
	w.below = s.endLocked(old)
	s.leases++
	w.timer = time.AfterFunc(time.Until(until), func() { s.endLease(w) })
	s.replaceLocked(zone, w)
	s.mu.Unlock()
	s.config.Cache.DropNegativesBelow(zone)
	s.events.send(Event{Time: time.Now(), Kind: Began, Watch: w.name, Name: w.name})
	return nil
}

// EndLease ends the lease of a name. It returns false when there is none.
func (s *Set) EndLease(name string) bool {
	zone, err := wire.Name(name)
	if err != nil {
		return false
	}
	s.mu.Lock()
	w := s.watchLocked(zone)
	s.mu.Unlock()
	return w != nil && !w.until.IsZero() && s.endLease(w)
}

// endLease puts what the lease replaced back. It returns false when the lease has been replaced or has ended.
func (s *Set) endLease(w *Watch) bool {
	s.mu.Lock()
	if s.stopped || s.watchLocked(w.zone) != w {
		s.mu.Unlock()
		return false
	}
	s.replaceLocked(w.zone, s.endLocked(w))
	s.mu.Unlock()
	s.events.send(Event{Time: time.Now(), Kind: Ended, Watch: w.name, Name: w.name})
	return true
}

func (s *Set) watchLocked(zone []byte) *Watch { return (*s.byZone.Load())[string(zone)] }

// endLocked stops a lease, if w is one, and returns the configuration's watch of its zone, or nil.
func (s *Set) endLocked(w *Watch) *Watch {
	if w == nil || w.until.IsZero() {
		return w
	}
	w.timer.Stop()
	s.leases--
	return w.below
}

func (s *Set) replaceLocked(zone []byte, w *Watch) {
	byZone := maps.Clone(*s.byZone.Load())
	if w == nil {
		delete(byZone, string(zone))
	} else {
		byZone[string(zone)] = w
	}
	s.byZone.Store(&byZone)
}
