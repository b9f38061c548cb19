package resolver

import (
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
	"notyet/wire"
)

// maxQuerySize is the longest query that we send: header, name, type and class, OPT.
const maxQuerySize = wire.HeaderLen + wire.MaxName + 4 + wire.OPTLen

// maxLegs is how many upstreams are asked a question at the same time.
const maxLegs = 2

// minPatience is how long an upstream may be silent at least before it is given up on for the moment.
const minPatience = 500 * time.Millisecond

// leg is the part of an asking that is one upstream's.
type leg struct {
	asking   *asking
	underWay bool        // guarded by the asking's lock
	counted  atomic.Bool // it was overtaken, and that has been held against the upstream

	// All below is set by begin with that lock held, and then the exchange's until it has ended.
	index    int // of the upstream
	upstream Upstream
	asked    time.Time
	exchange upstream.Exchange
	reply    wire.Reply
	query    [maxQuerySize]byte
}

func (l *leg) init(a *asking) {
	l.asking = a
	l.exchange.Done = l.replied
}

// begin makes it the leg of the route's i-th upstream.
func (l *leg) begin(i int, now time.Time) {
	a := l.asking
	l.underWay = true
	l.counted.Store(false)
	l.index, l.upstream, l.asked = i, a.route.Upstreams[i], now

	var flags wire.Flags
	if a.rd {
		flags |= wire.RD
	}
	if a.key.CD {
		flags |= wire.CD
	}
	x := &l.exchange
	x.Query = wire.AppendQuery(l.query[:0], a.key.Name, a.key.Type, flags, a.key.DO)
	x.Name, x.Type = a.key.Name, a.key.Type
	x.Deadline = a.deadline
}

// ask puts the question to the upstream, unless that would bring it back to us.
func (l *leg) ask() {
	a := l.asking
	if a.resolver.loops.looping(l.upstream) {
		a.resolver.probe(a.route, l.upstream)
		a.ended(l, verdict{code: dns.ExtendedErrorCodeOther, why: "questions sent to it come back here: a loop"})
		return
	}
	l.upstream.Ask(&l.exchange)
}

// replied is what the upstream calls.
func (l *leg) replied(reply []byte, err error) {
	a := l.asking
	v := judge(reply, err, &l.exchange, a.rd, &l.reply)
	l.tell(v)
	a.ended(l, v)
}

// tell holds what came of the leg for or against its upstream.
func (l *leg) tell(v verdict) {
	r, route, health := l.asking.resolver, l.asking.route, l.upstream.Health()
	if v.replied {
		r.sawReply()
	}
	if v.timeout {
		r.probe(route, l.upstream) // a loop looks like that
	}
	switch {
	case v.timeout && time.Since(l.asked) < minPatience: // it was the question whose time was up
	case v.timeout:
		if !l.counted.Load() && health.TimedOut(l.asked, l.asking.key.Name) {
			r.lost(route, l.upstream, v.why)
		}
	case v.failure:
		if !l.counted.Load() && health.Failed(l.asked) {
			r.lost(route, l.upstream, v.why)
		}
	case v.replied:
		if v.good && len(route.Upstreams) > 1 {
			health.Took(time.Since(l.asked))
		}
		if health.Answered(l.asked) {
			r.back(l.upstream)
		}
	}
}

// overtaken holds against the upstream that another one was asked later and has brought the answer.
func (l *leg) overtaken() {
	if l.upstream.Health().Overtaken(l.asked) {
		l.asking.resolver.lost(l.asking.route, l.upstream, "others answer while it is silent")
	}
}

// patience is how long the upstream may be silent before another is asked in its place, whatever that costs.
func (l *leg) patience() time.Duration { return max(minPatience, 4*l.upstream.Health().Usual()) }
