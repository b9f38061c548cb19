package resolver

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/wire"
)

// maxUpstreams is how many upstreams of a route a question tells apart.
const maxUpstreams = 64

// Outcome is what the upstreams made of a question.
type Outcome struct {
	// Reply is the answer, which is valid until the function that is given the outcome returns; nil: nobody had one.
	Reply *wire.Reply
	// From is the upstream that answered; without a reply, the one that is to blame.
	From Upstream
	// EDE says why there is no reply, as wire.AppendEDE makes it.
	EDE []byte
}

// asking is one question on its way through the upstreams of its route. It is used again.
type asking struct {
	resolver *Resolver
	done     func(Outcome) // called once for every begin, and not before next
	unused   func()        // called when nobody uses it any more
	users    atomic.Int32  // whoever began it, until release, and each leg that is under way

	// Set by begin, and then left alone.
	key       cache.Key
	rd        bool
	route     *Route
	first     int // index of the upstream that is asked first
	deadline  time.Time
	nameBytes [wire.MaxName]byte

	mu       sync.Mutex // guards all below, and each leg's underWay
	over     bool       // there is an outcome
	turns    int        // of upstreams, counted from the first: who had theirs
	answered uint64     // upstreams (by index) that answered, and not usefully: they aren't asked again
	silent   uint64     // upstreams (by index) that timed out
	blamed   Upstream   // what the client is told if nobody has an answer: by whose fault,
	fault    verdict    // what that was,
	servfail []byte     // or rather the last upstream's own extended error with its SERVFAIL, if any
	awaited  *leg       // who was asked last
	lateAt   time.Time  // when that has taken too long; zero: nobody minds
	timer    *time.Timer
	legs     [maxLegs]*leg // the second is made when it is needed
	own      leg           // the first
}

func (a *asking) init(r *Resolver, done func(Outcome), unused func()) {
	a.resolver, a.done, a.unused = r, done, unused
	a.own.init(a)
	a.legs[0] = &a.own
}

// begin makes it k's question, whose name is copied. Whoever begins it calls release when done has been called or
// never will be.
func (a *asking) begin(k cache.Key, rd bool) {
	a.users.Store(1)
	a.mu.Lock() // a timer may be late
	defer a.mu.Unlock()
	a.key = k
	a.key.Name = append(a.nameBytes[:0], k.Name...)
	a.rd = rd
	a.route = a.resolver.routes.Load().find(a.key.Name)
	a.first = a.route.Policy.first(a.route.Upstreams)
	a.deadline = time.Now().Add(timeout)
	a.over, a.turns, a.answered, a.silent, a.servfail, a.lateAt = false, 0, 0, 0, nil, time.Time{}
	a.blamed = a.route.Upstreams[a.first]
	a.fault = verdict{code: dns.ExtendedErrorCodeOther, why: "there was no time to ask it"}
}

// release says that whoever calls it doesn't use it any more.
func (a *asking) release() {
	if a.users.Add(-1) == 0 {
		a.unused()
	}
}

// forget lets go of what need not be kept until it is used again.
func (a *asking) forget() {
	a.servfail = nil
	for _, l := range a.legs {
		if l != nil {
			l.reply = wire.Reply{TTLs: l.reply.TTLs}
		}
	}
}

// next asks the first upstream.
func (a *asking) next() {
	if len(a.route.Upstreams) > 1 {
		a.resolver.budget.earn()
	}
	a.mu.Lock()
	l := a.startLocked(time.Now())
	a.over = l == nil
	a.mu.Unlock()
	if l == nil {
		a.giveUp()
		return
	}
	l.ask()
}

// startLocked makes a leg for the next upstream. It returns nil when there is none to ask, no time, or no leg left. An
// upstream that did not answer is asked again in its turn until the time is up: its packet or ours may have been lost.
func (a *asking) startLocked(now time.Time) *leg {
	l := a.freeLegLocked()
	if l == nil || !now.Before(a.deadline) {
		return nil
	}
	i, ok := a.pickLocked()
	if !ok {
		return nil
	}
	a.users.Add(1)
	l.begin(i, now)
	a.awaitLocked(l, l.upstream.Health().Usual(), now)
	return l
}

// pickLocked returns the index of the upstream whose turn it is, if there is any to ask.
func (a *asking) pickLocked() (i int, ok bool) {
	n := len(a.route.Upstreams)
	passed := a.answered
	for _, l := range a.legs {
		if l != nil && l.underWay {
			passed |= 1 << l.index
		}
	}
	all := a.route.allDown() // and are tried all the same
	for range n {
		i := (a.first + a.turns) % n
		a.turns++
		if passed&(1<<i) == 0 && (all || !a.route.Upstreams[i].Health().Down()) {
			return i, true
		}
	}
	return 0, false
}

// ended takes what became of a leg, and goes on.
func (a *asking) ended(l *leg, v verdict) {
	a.mu.Lock()
	l.underWay = false
	switch {
	case a.over: // another was faster
		a.mu.Unlock()
	case v.good:
		a.overLocked()
		slower, silent := a.overtakenLocked(l), a.silent
		a.mu.Unlock()
		if slower != nil {
			slower.overtaken()
		}
		for ; silent != 0; silent &= silent - 1 {
			a.route.Upstreams[bits.TrailingZeros64(silent)].Health().Answerable(a.key.Name)
		}
		a.done(Outcome{Reply: &l.reply, From: l.upstream})
	default:
		a.blameLocked(l, v)
		further, wait := a.furtherLocked(v, time.Now())
		if further == nil && !wait {
			a.overLocked()
		}
		a.mu.Unlock()
		switch {
		case further != nil:
			further.ask()
		case !wait:
			a.giveUp()
		}
	}
	a.release()
}

// furtherLocked starts a leg in place of one that brought nothing, or says that there is another to wait for. After a
// timeout that one has its turn first.
func (a *asking) furtherLocked(v verdict, now time.Time) (further *leg, wait bool) {
	other := a.underWayLocked()
	if other == nil || !v.timeout {
		further = a.startLocked(now)
	}
	if further == nil && other != nil {
		a.awaitLocked(other, other.patience(), now)
	}
	return further, other != nil
}

// overLocked lets nothing more be asked.
func (a *asking) overLocked() {
	a.over = true
	if !a.lateAt.IsZero() {
		a.lateAt = time.Time{}
		a.timer.Stop()
	}
}

// underWayLocked returns a leg that has not ended, if there is one.
func (a *asking) underWayLocked() *leg {
	for _, l := range a.legs {
		if l != nil && l.underWay {
			return l
		}
	}
	return nil
}

// freeLegLocked returns one that may begin, if there is any.
func (a *asking) freeLegLocked() *leg {
	for i, l := range a.legs {
		if l == nil {
			l = new(leg)
			l.init(a)
			a.legs[i] = l
		}
		if !l.underWay {
			return l
		}
	}
	return nil
}

// blameLocked notes what the client is told if no other upstream has an answer.
func (a *asking) blameLocked(l *leg, v verdict) {
	a.blamed, a.fault = l.upstream, v
	if v.servfail != nil {
		a.servfail = v.servfail
	}
	if v.timeout {
		a.silent |= 1 << l.index
	} else {
		a.answered |= 1 << l.index
	}
}

// giveUp says why there is no answer: in the upstream's words if it gave some, else in ours.
func (a *asking) giveUp() {
	text := a.servfail
	if text == nil {
		text = ede(a.fault.code, "notyet: "+a.blamed.String()+": "+a.fault.why)
	}
	a.done(Outcome{From: a.blamed, EDE: text})
}

// Forward asks the upstreams of the name's route, past the cache, and shares the exchange with nobody. k's bytes have to stay
// untouched until it returns. done is called exactly once, from any goroutine, maybe before Forward returns.
func (r *Resolver) Forward(k cache.Key, rd bool, done func(Outcome)) {
	if r.exchanges.Add(1) > maxExchanges {
		r.exchanges.Add(-1)
		r.meter.shed.Inc()
		done(Outcome{From: r.routes.Load().find(k.Name).Upstreams[0], EDE: tooMuch()})
		return
	}
	a := r.askings.Get().(*asking)
	a.done = func(o Outcome) {
		r.exchanges.Add(-1)
		done(o)
		a.release()
	}
	a.begin(k, rd)
	a.next()
}

// newAsking makes one for Forward.
func newAsking(r *Resolver) *asking {
	a := new(asking)
	a.init(r, nil, func() {
		a.done = nil
		a.forget()
		r.askings.Put(a)
	})
	return a
}
