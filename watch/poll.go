package watch

import (
	"context"
	"time"

	"notyet/cache"
)

// turn does what is due for a pending name.
func (p *pending) turn() {
	s := p.set
	now := time.Now()
	s.mu.Lock()
	how := p.dueLocked(now)
	key := p.key
	if how == "" {
		p.scheduleLocked(now)
	}
	s.mu.Unlock()
	if how == "" {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	f := p.ask(ctx, key, true)
	f = s.private(ctx, p, key, f)
	switch {
	case f.positive():
		_, was := s.admit(p.watch, key, f, how)
		s.settle(key, f, was)
	case f.negative():
		j := s.job(p.watch, key, true, true)
		if j.worth(f) && j.worthWaiting(ctx, f) {
			s.stillDenied(p, key, f)
			return
		}
		s.noLongerPending(p, key, f)
	}
}

// stillDenied keeps what the authorities said when they were asked in the background.
func (s *Set) stillDenied(p *pending, key cache.Key, f finding) {
	s.mu.Lock()
	gone := p.gone
	if !gone {
		p.deniedLocked(f, time.Now())
		f.waits = len(p.waiting) > 0
	}
	s.mu.Unlock()
	if !gone {
		s.keep(p.watch, key, p, f, time.Now())
	}
}

// noLongerPending keeps a denial that is likely to stay. Clients that were held for something better get it.
func (s *Set) noLongerPending(p *pending, key cache.Key, f finding) {
	s.mu.Lock()
	gone, waiting := p.gone, p.waiting
	if !gone {
		p.waiting = nil
		s.appearedLocked(p, f)
		s.pending.Remove(p.question())
	}
	s.mu.Unlock()
	if !gone {
		s.answerHeld(waiting, key, s.keep(p.watch, key, nil, f, time.Now()), "no")
	}
}

// dueLocked says for which reason the authorities are to be asked now; empty: for none.
func (p *pending) dueLocked(now time.Time) (how string) {
	s := p.set
	last := s.config.Cache.LastAsked(p.asked)
	switch {
	case p.gone || s.stopped:
		return ""
	case p.underWay != nil:
		if len(p.waiting) > 0 && !now.Before(p.holdUntil) {
			s.endHoldLocked(p, now)
		}
		return ""
	case len(p.waiting) == 0 && (now.Sub(last) >= forgetAfter || s.Find(p.key.Name) != p.watch): // or a lease began or ended
		s.pending.Remove(p.question())
		return ""
	}
	if len(p.waiting) > 0 {
		if !now.Before(p.holdUntil) {
			s.endHoldLocked(p, now)
		} else if now.Sub(p.at) >= holdInterval {
			how = "hold"
		}
	}
	if p.pollDueLocked(now, last) || p.woken {
		how, p.woken = "poll", false
	}
	if !p.notified.IsZero() && !now.Before(p.notified.Add(bursts[p.burst])) {
		how = "notify"
		for !p.notified.IsZero() && !now.Before(p.notified.Add(bursts[p.burst])) {
			if p.burst++; p.burst == len(bursts) {
				p.notified, p.burst = time.Time{}, 0
			}
		}
	}
	return how
}

// pollDueLocked reports whether the next poll is due, and sets the interval to the one after that.
func (p *pending) pollDueLocked(now, last time.Time) bool {
	if !p.polled || p.gaveUp || now.Before(p.at.Add(p.interval)) {
		return false
	}
	if now.Sub(p.first) >= p.watch.options().GiveUp {
		p.gaveUp = true
		p.set.events.send(Event{Time: now, Kind: GaveUp, Watch: p.watch.name, Name: p.qname, Type: p.key.Type, Took: now.Sub(p.first)})
		return false
	}
	if now.Sub(last) > pollFor {
		p.interval = min(2*p.interval, max(slowestPoll, p.watch.options().Poll))
	} else {
		p.interval = p.watch.options().Poll
	}
	return true
}
