package watch

import (
	"time"

	"notyet/cache"
)

// held is a client that waits for a yes.
type held struct {
	client
	watch *Watch
	no    *cache.Entry // what it gets if that does not come
}

// hold lets a client wait until the name is visible, at most until hold after the first that had to. It returns false when
// the watch has none, that time is over, or there is no place.
func (s *Set) hold(p *pending, c client, f finding) bool {
	if c.Hold == nil || p.watch.options().Hold == 0 {
		return false
	}
	s.mu.Lock()
	until := p.holdUntil
	over := p.gone || s.holdsNone || !until.IsZero() && !c.started.Before(until)
	s.mu.Unlock()
	if over {
		return false
	}
	f.waits = true
	no := s.keep(p.watch, c.key, p, f, time.Now())
	if !c.Hold(no) {
		p.watch.meter.held("full")
		return false
	}
	p.watch.meter.shortened(no.Lifetime(), negativeTTL(f.reply))
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.gone || s.holdsNone { // meanwhile
		return false
	}
	if p.holdUntil.IsZero() {
		p.holdUntil = c.started.Add(p.watch.options().Hold)
	}
	p.waiting = append(p.waiting, held{c, p.watch, no})
	p.scheduleLocked(time.Now())
	return true
}

// ReleaseHeld answers every client that is held, and lets none be held from now on: the server is to stop.
func (s *Set) ReleaseHeld() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holdsNone = true
	for _, p := range s.pending.Values() {
		s.answerLocked(p)
	}
}

// endHoldLocked gives all clients that wait for the name the last denial, once the lock is free. From then on it is kept again,
// for what is left of its time; one that is too old to be given to the next client is not.
func (s *Set) endHoldLocked(p *pending, now time.Time) {
	waiting, f, first := p.waiting, p.no, p.first
	p.waiting = nil
	f.waits = now.Sub(f.at) >= askAnew
	key := s.config.Cache.Key(nil, p.key.Name, p.key.Type, f.do, f.cd)
	s.running.Go(func() {
		s.mu.Lock()
		gone := p.gone
		s.mu.Unlock()
		switch {
		case gone: // It has become visible meanwhile.
			for _, h := range waiting {
				s.serveHeld(h)
			}
			return
		case f.waits:
			f.at = now
		default:
			s.keep(p.watch, key, p, f, first) // It has been missing since: what was denied meanwhile was not kept.
		}
		s.answerHeld(waiting, key, s.keep(p.watch, key, p, f, f.at), "no")
	})
}

// serveHeld answers a client that was held as one that asks now and is not to be held.
func (s *Set) serveHeld(h held) {
	h.Hold = nil
	if !s.start(func() { s.serve(h.client) }) {
		h.Done(h.no)
	}
}

// answerLocked gives all clients that wait for the name their "no", once the lock is free: the record goes.
func (s *Set) answerLocked(p *pending) {
	waiting := p.waiting
	if len(waiting) == 0 {
		return
	}
	p.waiting = nil
	s.running.Go(func() {
		for _, h := range waiting {
			h.watch.meter.held("no")
			h.Done(h.no)
		}
	})
}

// answerHeld gives clients that waited the answer to key. Those whose flags are others are asked for anew.
func (s *Set) answerHeld(waiting []held, key cache.Key, e *cache.Entry, outcome string) {
	for _, h := range waiting {
		h.watch.meter.held(outcome)
		if h.key.DO == key.DO && h.key.CD == key.CD {
			h.Done(e)
			continue
		}
		s.serveHeld(h)
	}
}
