package watch

import (
	"context"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/wire"
)

// timeout is how long it may take to find out about a question: stubs give up by then.
const timeout = 5 * time.Second

// serve answers a client's question.
func (s *Set) serve(c client) {
	w := s.Find(c.key.Name)
	if w == nil { // a lease that has ended meanwhile
		s.serveUnwatched(c)
		return
	}
	p := s.isPending(w, c)
	if e := s.arrived(p, c); e != nil {
		c.Done(e)
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	s.answer(ctx, w, c, s.look(ctx, w, p, c))
}

// arrived returns the answer that has come between the client's look into the cache and here: who finds that the name is no
// longer pending, but known, would ask the upstream for what has just been found.
func (s *Set) arrived(p *pending, c client) *cache.Entry {
	if p != nil || c.Anew {
		return nil
	}
	e := s.config.Cache.Peek(c.key, time.Now())
	if e == nil || e.Kind() != wire.Positive {
		return nil
	}
	return e
}

// answer gives a client what was found, and keeps it.
func (s *Set) answer(ctx context.Context, w *Watch, c client, f finding) {
	switch {
	case f.positive():
		e, was := s.admit(w, c.key, f, "query")
		c.Done(e)
		s.settle(c.key, f, was)
	case f.negative():
		s.refuse(ctx, w, c, f)
	default:
		c.Done(s.neither(c.key, f))
	}
}

// servePassed answers a question that nobody waits for yet and that there is no turn for soon, as the upstream does. Such
// questions come in floods: no goroutine is spent on them. It returns false when the question is none of those.
func (s *Set) servePassed(c client) bool {
	w := s.Find(c.key.Name)
	if w == nil || w.options().Verify != Before || !w.budget.spent() || w.isPrivate(c.started) {
		return false
	}
	id := s.config.Cache.Key(nil, c.key.Name, c.key.Type, false, false).Hash()
	if s.known.has(id, c.started) || s.hasPending(c.key) {
		return false
	}
	w.meter.authority("over_budget")
	s.config.Forward(c.key, func(r *wire.Reply, ede []byte) {
		f := finding{at: time.Now(), ede: ede, note: spent, do: c.key.DO, cd: c.key.CD}
		if r != nil {
			f.reply = r.Clone()
		}
		s.upstreamSaid(w, id, f)
		if f.negative() && w.options().Hold > 0 && s.start(func() { s.answer(s.ctx, w, c, f) }) {
			return
		}
		s.answer(s.ctx, w, c, f)
	})
	return true
}

func (s *Set) serveUnwatched(c client) {
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	up := s.forward(ctx, c.key)
	if up.reply == nil {
		c.Done(s.neither(c.key, finding{ede: up.ede}))
		return
	}
	c.Done(s.config.Cache.Put(c.key, up.reply, time.Now()))
}

// neither makes the answer of a finding that is neither yes nor no.
func (s *Set) neither(key cache.Key, f finding) *cache.Entry {
	now := time.Now()
	if f.reply == nil {
		return s.config.Cache.PutFailure(key, cache.Failure(key, f.ede), now)
	}
	return s.config.Cache.Put(key, f.reply, now)
}

func (s *Set) job(w *Watch, key cache.Key, pending, behind bool) *job {
	return &job{set: s, watch: w, key: key, qname: wire.String(key.Name), pending: pending, behind: behind}
}

// look finds out what to answer a client; p is nil when the question is not pending.
func (s *Set) look(ctx context.Context, w *Watch, p *pending, c client) finding {
	if p == nil {
		return s.job(w, c.key, false, false).find(ctx)
	}
	no, recent := p.recent(c)
	if recent {
		return no
	}
	f := p.ask(ctx, c.key, false)
	f = s.private(ctx, p, c.key, f)
	if f.reply == nil && f.note != "" { // the authorities were not heard, and the upstream is not to be taught a "no"
		no.note = f.note
		return no
	}
	return f
}

// recent returns the last denial of the pending name, and whether it is young enough to be given again: a name that is not kept at
// all is asked for each time.
func (p *pending) recent(c client) (no finding, recent bool) {
	p.set.mu.Lock()
	defer p.set.mu.Unlock()
	return p.no, p.kept && p.underWay == nil && c.started.Sub(p.at) < askAnew && p.no.do == c.key.DO && p.no.cd == c.key.CD
}

// ask asks about the pending name, or waits for the answer when somebody is about it already.
func (p *pending) ask(ctx context.Context, key cache.Key, behind bool) finding {
	s := p.set
	j := s.job(p.watch, key, true, behind)
	s.mu.Lock()
	other := p.underWay
	if other == nil {
		p.underWay = &flight{done: make(chan struct{}), do: key.DO, cd: key.CD}
		p.scheduleLocked(time.Now()) // the end of a hold
	}
	mine := p.underWay
	p.at = time.Now()
	if behind {
		j.turn = p.turns
		p.turns++
	}
	s.mu.Unlock()
	if other != nil {
		if f, ok := other.join(ctx, key); ok {
			return f
		}
		return j.find(ctx)
	}

	mine.finding = j.find(ctx)
	s.mu.Lock()
	p.underWay, p.at = nil, time.Now()
	p.scheduleLocked(p.at)
	s.mu.Unlock()
	close(mine.done)
	return mine.finding
}

// join waits for what the flight finds out, if that is the answer to key. It returns false when there is none to be had.
func (fl *flight) join(ctx context.Context, key cache.Key) (f finding, ok bool) {
	if fl.do != key.DO || fl.cd != key.CD {
		return finding{}, false
	}
	select {
	case <-fl.done:
	case <-ctx.Done():
		return finding{}, false
	}
	f = fl.finding
	f.shared = true
	return f, f.reply != nil
}

// private asks the upstream about a name that has been pending for upstream_after: it may be one that only the upstream knows. It
// asks again when the "no" that the upstream gave has run out there.
func (s *Set) private(ctx context.Context, p *pending, key cache.Key, f finding) finding {
	w := p.watch
	after := w.options().UpstreamAfter
	if f.positive() || after == 0 || w.options().Verify != Before || f.reply != nil && w.hasAgreed() {
		return f
	}
	now := time.Now()
	s.mu.Lock()
	due := now.Sub(p.first) >= after && !now.Before(p.upstreamNext)
	if due {
		p.upstreamNext = now.Add(after) // should it not answer
	}
	s.mu.Unlock()
	if !due {
		return f
	}
	up := s.job(w, key, true, false).upstream(ctx, p.qname, finding{})
	if up.negative() {
		s.mu.Lock()
		p.upstreamNext = now.Add(max(after, negativeTTL(up.reply)))
		s.mu.Unlock()
	}
	switch {
	case !up.positive():
		return f
	case f.reply == nil:
		return up // the authorities have not been heard
	}
	if again := s.job(w, key, true, true).find(ctx); again.positive() {
		return again // it has just been published
	}
	s.becamePrivate(w, p.qname)
	up.private = true
	return up
}

// admit keeps a positive answer. If the question was pending, the name is visible now; how says why the authorities were asked.
func (s *Set) admit(w *Watch, key cache.Key, f finding, how string) (e *cache.Entry, was bool) {
	q := question{wire.String(key.Name), key.Type}
	now := time.Now()
	s.mu.Lock()
	p, was := s.pending.Peek(q)
	var waiting []held
	if was {
		waiting, p.waiting = p.waiting, nil
		s.pending.Remove(q)
		s.wakeLocked(w, key.Name, now)
	}
	s.mu.Unlock()
	answers := s.config.Cache
	if was {
		answers.DropNegatives(key.Name)
		for n := wire.Parent(key.Name); len(n) >= len(w.zone) && wire.IsSubdomain(n, w.zone); n = wire.Parent(n) {
			answers.DropNXDOMAIN(n)
		}
	}
	e = answers.PutWatched(key, f.reply, cache.Watched{MaxTTL: w.longest(f), NoStale: len(f.asked) > 0}, now)
	if !was {
		if p := s.appearedAs(q, now); p != nil {
			s.tellVisible(p, f, how, now)
		}
		return e, false
	}
	s.tellVisible(p, f, how, now)
	s.answerHeld(waiting, key, e, "visible")
	return e, true
}

// longest is how long a positive answer may be kept; 0: as long as any. What the upstream has not been asked about it is
// asked soon, since its view, its filters and its validation are in force.
func (w *Watch) longest(f finding) time.Duration {
	if f.own && !f.overruled {
		return w.options().UpstreamAfter
	}
	return 0
}

// siblings are the types that are often asked for together: when one comes, the others are worth asking for.
var siblings = [...]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeTXT, dns.TypeMX, dns.TypeSRV}

// wakeLocked lets the other pending questions of a name that has become visible be asked now, and those of the names above it
// that did not exist: they do by now. Their last denials are given to nobody any more.
func (s *Set) wakeLocked(w *Watch, name []byte, now time.Time) {
	for n := name; wire.IsSubdomain(n, w.zone); n = wire.Parent(n) {
		qname := wire.String(n)
		for _, qtype := range siblings {
			p, ok := s.pending.Peek(question{qname, qtype})
			if ok && (len(n) == len(name) || p.no.reply.Kind == wire.NXDOMAIN) {
				p.kept, p.woken = false, true
				p.scheduleLocked(now)
			}
		}
	}
}

// settle waits until all servers have said whether they have what is visible; if so, the question is the upstream's from the
// answer's expiry on.
func (s *Set) settle(key cache.Key, f finding, pending bool) {
	if !f.shared && f.allHave(s.ctx) {
		s.known.allHave(s.id(wire.String(key.Name), key.Type), pending, time.Now())
	}
}

// refuse answers a denial, or holds the client that would get it.
func (s *Set) refuse(ctx context.Context, w *Watch, c client, f finding) {
	j := s.job(w, c.key, true, false)
	worth := w.options().Verify != Off && !f.degraded && !f.stands && j.worth(f)
	if worth && w.options().Hold > 0 {
		worth = j.worthWaiting(ctx, f)
	}
	p := s.deny(w, c.key, f, c.started, worth)
	if e := s.config.Cache.Peek(c.key, time.Now()); e != nil && e.Kind() == wire.Positive {
		c.Done(e) // it has become visible meanwhile, or was asked for before it ran out
		return
	}
	if p != nil && s.hold(p, c, f) {
		return
	}
	e := s.keep(w, c.key, p, f, time.Now())
	w.meter.shortened(e.Lifetime(), negativeTTL(f.reply))
	c.Done(e)
}

// keep puts a denial into the cache, as it was from a moment on; p is nil when it is not pending.
func (s *Set) keep(w *Watch, key cache.Key, p *pending, f finding, from time.Time) *cache.Entry {
	k := cache.Watched{NXDOMAIN: w.options().NegativeTTL, NODATA: w.options().NODATATTL}
	if f.waits {
		k.NXDOMAIN, k.NODATA = 0, 0
	}
	if f.reply.EDE == nil {
		k.EDE = f.explain
	}
	if p != nil {
		k.Asked = p.asked
	}
	e := s.config.Cache.PutWatched(key, f.reply, k, from)
	if p != nil {
		s.mu.Lock()
		p.kept = e.Lifetime() > 0
		s.mu.Unlock()
	}
	return e
}
