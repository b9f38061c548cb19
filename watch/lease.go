package watch

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"time"

	"notyet/wire"
)

// Lease is a watch that ends by itself.
type Lease struct {
	Name string // any case, the final dot may be left out
	Options
	Until time.Time
}

// Lease puts a name and all below it under watch until a moment, and returns what is in force. A lease that there is for the
// same name is renewed: it gets the options and the end, and what is known, pending and held under it stays. options makes them
// from those of the watch that the name is under at that moment, which are not to be changed: the one of the same name, a lease
// or the configuration's, else the longest; nil: none. It must not call the set. Denials of these names that are in the cache go.
// It returns ErrTooManyLeases when there are 10,000.
func (s *Set) Lease(name string, options func(over *Options) Options, until time.Time) (Info, error) {
	zone, err := wire.Name(name)
	if err != nil {
		return Info{}, fmt.Errorf("lease %q: %w", name, err)
	}
	s.mu.Lock()
	w, err := s.leaseLocked(zone, options, until)
	if err != nil {
		s.mu.Unlock()
		return Info{}, fmt.Errorf("lease %q: %w", name, err)
	}
	info := w.infoLocked(s.degradedLocked(w)[w], time.Now())
	s.mu.Unlock()
	s.config.Cache.DropNegativesBelow(zone)
	s.tellLeases(Began, w)
	return info, nil
}

// leaseLocked begins a lease or renews it.
func (s *Set) leaseLocked(zone []byte, options func(over *Options) Options, until time.Time) (*Watch, error) {
	if s.stopped {
		return nil, errors.New("stopping")
	}
	same := (*s.byZone.Load())[string(zone)]
	if same.isLease() {
		s.renewLocked(same, options(same.options()), until)
		return same, nil
	}
	if s.leases >= maxLeases {
		return nil, ErrTooManyLeases
	}
	var over *Options
	if covering := cmp.Or(same, s.Find(zone)); covering != nil {
		over = covering.options()
	}
	w := s.newLease(zone, options(over), until)
	byZone := s.copyLocked()
	s.beginLocked(byZone, w)
	s.byZone.Store(&byZone)
	return w, nil
}

// Restore puts leases from before a restart in force again, and returns how many. Left out are those that are over, that have a
// bad name, that there is no place for, and those for whose name there is another by now.
func (s *Set) Restore(leases []Lease) (restored int) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return 0
	}
	byZone := s.copyLocked()
	for _, l := range leases {
		zone, err := wire.Name(l.Name)
		if err != nil || !now.Before(l.Until) || byZone[string(zone)].isLease() || s.leases >= maxLeases {
			continue
		}
		s.beginLocked(byZone, s.newLease(zone, l.Options, l.Until))
		restored++
	}
	s.byZone.Store(&byZone)
	return restored
}

func (s *Set) newLease(zone []byte, options Options, until time.Time) *Watch {
	w := newWatch(zone, wire.String(zone), options, s.metrics.meter(leaseLabel))
	w.until.Store(&until)
	return w
}

// EndLease ends the lease of a name. It returns false when there is none.
func (s *Set) EndLease(name string) bool {
	zone, err := wire.Name(name)
	if err != nil {
		return false
	}
	return s.endLeases(func(byZone map[string]*Watch) []*Watch {
		if w := byZone[string(zone)]; w.isLease() {
			return []*Watch{w}
		}
		return nil
	})
}

// leaseOver ends w, whose time is over, and all others whose time is: of many that end together each would else copy the map.
func (s *Set) leaseOver(w *Watch) {
	s.endLeases(func(byZone map[string]*Watch) (over []*Watch) {
		if byZone[string(w.zone)] != w {
			return nil // it has ended with another
		}
		now := time.Now()
		if !w.ended(now) { // renewed meanwhile
			w.timer.Reset(w.until.Load().Sub(now))
			return nil
		}
		for _, other := range byZone {
			if other.ended(now) {
				over = append(over, other)
			}
		}
		return over
	})
}

// endLeases ends the leases that which chooses, with what is pending under them, and puts what they stood before back. It
// returns false when it chooses none.
func (s *Set) endLeases(which func(byZone map[string]*Watch) []*Watch) bool {
	s.mu.Lock()
	over := which(*s.byZone.Load())
	if s.stopped || len(over) == 0 {
		s.mu.Unlock()
		return false
	}
	byZone, pending := s.copyLocked(), 0
	for _, w := range over {
		pending += w.pending
		if below := s.endLocked(w); below != nil {
			byZone[string(w.zone)] = below
		} else {
			delete(byZone, string(w.zone))
		}
	}
	s.byZone.Store(&byZone)
	if pending > 0 {
		s.dropPendingLocked(over)
	}
	s.mu.Unlock()
	s.tellLeases(Ended, over...)
	return true
}

// dropPendingLocked lets go of what is pending under the watches.
func (s *Set) dropPendingLocked(watches []*Watch) {
	gone := make(map[*Watch]bool, len(watches))
	for _, w := range watches {
		gone[w] = true
	}
	for _, p := range s.pending.Values() {
		if gone[p.watch] {
			s.pending.Remove(p.question())
		}
	}
}

func (s *Set) tellLeases(kind Kind, leases ...*Watch) {
	now := time.Now()
	for _, w := range leases {
		s.events.send(Event{Time: now, Kind: kind, Watch: w.name, Name: w.name})
	}
	if s.config.LeasesChanged != nil {
		s.config.LeasesChanged()
	}
}

// copyLocked is a copy of the map behind byZone, which is replaced and never changed.
func (s *Set) copyLocked() map[string]*Watch { return maps.Clone(*s.byZone.Load()) }

// beginLocked starts a lease, before the configuration's watch of its zone if there is one.
func (s *Set) beginLocked(byZone map[string]*Watch, w *Watch) {
	w.below = byZone[string(w.zone)]
	s.leases++
	w.timer = time.AfterFunc(time.Until(*w.until.Load()), func() { s.leaseOver(w) })
	byZone[string(w.zone)] = w
}

func (s *Set) renewLocked(w *Watch, options Options, until time.Time) {
	w.until.Store(&until)
	w.timer.Reset(time.Until(until))
	if w.changeLocked(options) {
		s.reviewLocked(time.Now())
	}
}

// endLocked stops a lease, and returns the configuration's watch of its zone, or nil.
func (s *Set) endLocked(w *Watch) *Watch {
	w.timer.Stop()
	s.leases--
	return w.below
}

// isLease reports whether it ends by itself; nil does not.
func (w *Watch) isLease() bool { return w != nil && w.until.Load() != nil }
