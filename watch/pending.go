package watch

import (
	"context"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/wire"
)

// maxPending bounds the pending names. The one that has not been asked for longest goes.
const maxPending = 10_000

const (
	// askAnew is how long after they were last asked the authorities are asked again for a client.
	askAnew = time.Second
	// pollFor is how long a name is asked in the background at full speed after a client asked.
	pollFor = 5 * time.Second
	// slowestPoll is the interval that polling slows down to.
	slowestPoll = 5 * time.Second
	// forgetAfter is how long a pending name is kept when no client asks for it.
	forgetAfter = time.Minute
	// holdInterval is how often the authorities are asked while clients are held.
	holdInterval = 250 * time.Millisecond
)

// bursts are the moments after a NOTIFY at which its zone's pending names are asked: it races the transfers of the secondaries.
var bursts = [...]time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// pending is a question under watch that was asked for and that its authorities have no answer to yet. What has no comment
// is guarded by the set's lock.
type pending struct {
	set   *Set // never changes, as all down to asked
	watch *Watch
	qname string
	id    uint64
	asked *cache.Asked // safe for concurrent use; entries of the cache keep it alive

	key   cache.Key // as last asked, for DO and CD
	first time.Time // a client's first question
	plain time.Time // until when a plain cache would say no
	at    time.Time // it was last asked for at the authorities
	no    finding   // the last denial
	kept  bool      // which the cache has

	upstreamNext time.Time     // the upstream isn't asked before, once it has been
	polled       bool          // in the background
	interval     time.Duration // from when it was last asked for until the next poll
	turns        int           // how often it was asked in the background
	gaveUp       bool

	notified time.Time // start of a burst; zero: none
	burst    int       // index of the burst's next question
	woken    bool      // by another type's becoming visible: to be asked once, at once

	holdUntil time.Time // zero: nobody has been held yet
	waiting   []held

	underWay *flight
	timer    *time.Timer
	gone     bool // from the set
}

// flight is one asking of a pending name, for all who want to know meanwhile.
type flight struct {
	done   chan struct{} // closed when the finding is there
	do, cd bool
	finding
}

func (p *pending) question() question { return question{p.qname, p.key.Type} }

// isPending returns the record of a pending question, or nil, and notes that a client asks.
func (s *Set) isPending(w *Watch, c client) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := question{wire.String(c.key.Name), c.key.Type}
	p, ok := s.pending.Get(q)
	if !ok {
		return nil
	}
	if p.watch != w { // a lease began or ended
		s.pending.Remove(q)
		return nil
	}
	p.key = c.key
	s.config.Cache.Touch(p.asked, c.started)
	if p.watch.options().Poll > 0 && !p.gaveUp && c.started.Sub(p.first) >= askAnew {
		p.polled, p.interval = true, p.watch.options().Poll
		p.scheduleLocked(c.started)
	}
	return p
}

// hasPending reports whether the question is pending.
func (s *Set) hasPending(key cache.Key) bool {
	q := question{wire.String(key.Name), key.Type}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending.Contains(q)
}

// deny notes a denial of a question that a client asked, or that is pending, and returns its record; nil: it is not one that is
// worth asking again before its time.
func (s *Set) deny(w *Watch, key cache.Key, f finding, started time.Time, worth bool) *pending {
	now := time.Now()
	q := question{wire.String(key.Name), key.Type}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pending.Peek(q)
	switch {
	case s.stopped:
		return nil
	case !worth:
		if ok {
			s.appearedLocked(p, f)
		}
		s.pending.Remove(q)
		return nil
	case !ok && s.Find(key.Name) != w: // a lease began or ended, or a reload, while it was asked for
		return nil
	case !ok:
		p = &pending{
			set: s, watch: w, qname: q.qname, id: s.id(q.qname, q.qtype),
			key: key, first: started, at: now, interval: w.options().Poll, asked: new(cache.Asked),
		}
		p.timer = time.AfterFunc(forgetAfter, func() { s.start(p.turn) })
		s.config.Cache.Touch(p.asked, started)
		s.pending.Add(q, p)
		w.pending++
		w.meter.pending.Inc()
		s.events.send(Event{Time: now, Kind: Pending, Watch: w.name, Name: p.qname, Type: q.qtype})
	}
	p.deniedLocked(f, now)
	return p
}

func (p *pending) deniedLocked(f finding, now time.Time) {
	answers := p.set.config.Cache
	p.set.appearedLocked(p, f)
	p.no = f
	if last := answers.LastAsked(p.asked); !last.Before(p.plain) {
		p.plain = last.Add(negativeTTL(f.reply))
	}
	answers.AskAnew(p.asked, p.at.Add(askAnew))
	p.scheduleLocked(now)
}

// negativeTTL is how long a plain cache keeps the denial (RFC 2308, section 5); without SOA it doesn't.
func negativeTTL(r *wire.Reply) time.Duration {
	if !r.SOA {
		return 0
	}
	return time.Duration(r.NegativeTTL()) * time.Second
}

// evicted ends a record that the table lets go of, for whatever reason. The set's lock is held.
func (s *Set) evicted(_ question, p *pending) {
	p.gone = true
	p.timer.Stop()
	p.watch.pending--
	p.watch.meter.pending.Dec()
	s.answerLocked(p)
}

// worth reports whether a denial may be about to end: of a name that does not exist, of a TXT record, and of an address
// when the name has none of the other family. Other types are missing for good most of the time.
func (j *job) worth(f finding) bool {
	if f.reply.Kind == wire.NXDOMAIN {
		return true
	}
	switch j.key.Type {
	case dns.TypeTXT:
		return true
	case dns.TypeA:
		return !j.has(dns.TypeAAAA)
	case dns.TypeAAAA:
		return !j.has(dns.TypeA)
	}
	return false
}

// worthWaiting is worth, and asks the authorities where that is not known: a NODATA for addresses is likely to stay when the
// name has some of the other family.
func (j *job) worthWaiting(ctx context.Context, f finding) bool {
	other := dns.TypeA
	switch {
	case f.reply.Kind != wire.NODATA || j.key.Type != dns.TypeA && j.key.Type != dns.TypeAAAA:
		return true
	case j.key.Type == dns.TypeA:
		other = dns.TypeAAAA
	}
	o := j.set.job(j.watch, j.set.config.Cache.Key(nil, j.key.Name, other, j.key.DO, j.key.CD), j.pending, true)
	has := o.find(ctx)
	return !has.positive()
}

// has reports whether the name is known to have a record of the type.
func (j *job) has(qtype uint16) bool {
	now := time.Now()
	if j.set.known.has(j.set.id(j.qname, qtype), now) {
		return true
	}
	answers := j.set.config.Cache
	k := answers.Key(nil, j.key.Name, qtype, j.key.DO, j.key.CD)
	e := answers.Peek(k, now)
	return e != nil && e.Kind() == wire.Positive
}

// scheduleLocked sets the timer for what is next.
func (p *pending) scheduleLocked(now time.Time) {
	if p.gone {
		return
	}
	if p.underWay != nil { // all else is scheduled when that has ended
		if len(p.waiting) > 0 {
			p.timer.Reset(max(p.holdUntil.Sub(now), 0))
		}
		return
	}
	next := p.set.config.Cache.LastAsked(p.asked).Add(forgetAfter)
	if ask := p.nextLocked(); !ask.IsZero() && ask.Before(next) {
		next = ask
	}
	if p.woken {
		next = now
	}
	p.timer.Reset(max(next.Sub(now), 0))
}

// nextLocked is when the authorities are to be asked for another reason than that a client asks or that the name was woken;
// zero: never.
func (p *pending) nextLocked() (next time.Time) {
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if p.polled && !p.gaveUp {
		sooner(p.at.Add(p.interval))
	}
	if !p.notified.IsZero() {
		sooner(p.notified.Add(bursts[p.burst]))
	}
	if len(p.waiting) > 0 {
		sooner(p.holdUntil)
		sooner(p.at.Add(holdInterval))
	}
	return next
}
