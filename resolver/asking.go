package resolver

import (
	"errors"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/upstream"
	"notyet/wire"
)

// maxQuerySize is the longest query that we send: header, name, type and class, OPT.
const maxQuerySize = wire.HeaderLen + wire.MaxName + 4 + wire.OPTLen

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

	// All below is the exchange's: whoever was called back last has it.
	key       cache.Key
	rd        bool
	route     *Route
	attempts  int    // made so far
	first     int    // index of the upstream that was asked first
	answered  uint64 // upstreams (by index) that answered, and not usefully: they aren't asked again
	blamed    Upstream
	why       string // what was wrong with the upstream that is blamed
	whyCode   uint16 // the same as an extended DNS error
	servfail  []byte // the last upstream's own extended error with its SERVFAIL, if any
	exchange  upstream.Exchange
	reply     wire.Reply
	nameBytes [wire.MaxName]byte
	query     [maxQuerySize]byte
}

func (a *asking) init(r *Resolver, done func(Outcome)) {
	a.resolver, a.done = r, done
	a.exchange.Done = a.replied
}

// begin makes it k's question, whose name is copied.
func (a *asking) begin(k cache.Key, rd bool) {
	a.key = k
	a.key.Name = append(a.nameBytes[:0], k.Name...)
	a.rd = rd
	a.route = a.resolver.routes.find(a.key.Name)
	a.attempts, a.answered, a.servfail = 0, 0, nil
	a.first = a.resolver.config.Policy.first(len(a.route.Upstreams))
	a.blame(a.route.Upstreams[a.first], dns.ExtendedErrorCodeOther, "there was no time to ask it")

	var flags wire.Flags
	if a.rd {
		flags |= wire.RD
	}
	if a.key.CD {
		flags |= wire.CD
	}
	x := &a.exchange
	x.Query = wire.AppendQuery(a.query[:0], a.key.Name, a.key.Type, flags, a.key.DO)
	x.Name, x.Type = a.key.Name, a.key.Type
	x.Deadline = time.Now().Add(timeout)
}

// forget lets go of what need not be kept until it is used again.
func (a *asking) forget() {
	a.servfail = nil
	a.reply = wire.Reply{TTLs: a.reply.TTLs}
}

// next asks the next upstream, or gives up when none is left. One that did not answer is asked again in its turn
// until the time is up: its packet or ours may have been lost.
func (a *asking) next() {
	n := len(a.route.Upstreams)
	if time.Now().Before(a.exchange.Deadline) {
		for range n {
			i := (a.first + a.attempts) % n
			a.attempts++
			if a.answered&(1<<i) != 0 {
				continue
			}
			up := a.route.Upstreams[i]
			if !a.resolver.loops.looping(up) {
				up.Ask(&a.exchange)
				return
			}
			a.resolver.probe(a.route, up)
			a.failed(dns.ExtendedErrorCodeOther, "questions sent to it come back here: a loop")
		}
	}
	a.giveUp()
}

// current is the upstream that was asked last, and its index.
func (a *asking) current() (Upstream, int) {
	i := (a.first + a.attempts - 1) % len(a.route.Upstreams)
	return a.route.Upstreams[i], i
}

// failed notes that the current upstream's answer is of no use.
func (a *asking) failed(code uint16, why string) {
	up, i := a.current()
	a.answered |= 1 << i
	a.blame(up, code, why)
}

// blame notes what the client is told if no other upstream has an answer.
func (a *asking) blame(up Upstream, code uint16, why string) {
	a.blamed, a.whyCode, a.why = up, code, why
}

// replied is what the upstream calls.
func (a *asking) replied(reply []byte, err error) {
	up, _ := a.current()
	switch {
	case errors.Is(err, upstream.ErrTimeout):
		a.blame(up, dns.ExtendedErrorCodeNoReachableAuthority, "timeout")
		a.resolver.probe(a.route, up) // a loop looks like that
		a.next()
		return
	case err != nil:
		a.failed(dns.ExtendedErrorCodeNetworkError, err.Error())
		a.next()
		return
	}
	a.resolver.sawReply()
	if err := wire.ParseReply(reply, a.key.Name, a.key.Type, &a.reply); err != nil {
		a.failed(dns.ExtendedErrorCodeInvalidData, err.Error())
		a.next()
		return
	}
	switch a.reply.Kind {
	case wire.Failure:
		a.failed(dns.ExtendedErrorCodeOther, wire.RcodeName(a.reply.Rcode))
		if a.reply.EDE != nil {
			a.servfail = append([]byte(nil), a.reply.EDE...)
		}
		a.next()
		return
	case wire.Referral:
		if a.rd {
			a.failed(dns.ExtendedErrorCodeOther, "a referral: it does not recurse")
			a.next()
			return
		}
	}
	a.done(Outcome{Reply: &a.reply, From: up})
}

// giveUp says why there is no answer: in the upstream's words if it gave some, else in ours.
func (a *asking) giveUp() {
	text := a.servfail
	if text == nil {
		text = ede(a.whyCode, "notyet: "+a.blamed.String()+": "+a.why)
	}
	a.done(Outcome{From: a.blamed, EDE: text})
}

// Forward asks the upstreams of the name's route, past the cache, and shares the exchange with nobody. k's bytes have to stay
// untouched until it returns. done is called exactly once, from any goroutine, maybe before Forward returns.
func (r *Resolver) Forward(k cache.Key, rd bool, done func(Outcome)) {
	if r.exchanges.Add(1) > maxExchanges {
		r.exchanges.Add(-1)
		r.meter.shed.Inc()
		done(Outcome{From: r.routes.find(k.Name).Upstreams[0], EDE: tooMuch()})
		return
	}
	a := r.askings.Get().(*asking)
	a.done = func(o Outcome) {
		r.exchanges.Add(-1)
		done(o)
		a.done = nil
		a.forget()
		r.askings.Put(a)
	}
	a.begin(k, rd)
	a.next()
}
