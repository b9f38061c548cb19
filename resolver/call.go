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

// call is one exchange under way for all clients that ask the same question meanwhile. It is used again.
type call struct {
	resolver *Resolver
	hash     uint64
	waiting  *Query // guarded by the shard's lock

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

func newCall(r *Resolver) *call {
	c := &call{resolver: r}
	c.exchange.Done = c.done
	return c
}

// begin makes the call one for q's question.
func (c *call) begin(q *Query, hash uint64) {
	c.hash, c.waiting = hash, q
	q.next = nil
	c.key = q.Key
	c.key.Name = append(c.nameBytes[:0], q.Key.Name...)
	c.rd = q.RD
	c.route = c.resolver.routes.find(c.key.Name)
	c.attempts, c.answered, c.servfail = 0, 0, nil
	c.first = c.resolver.config.Policy.first(len(c.route.Upstreams))
	c.blame(c.route.Upstreams[c.first], dns.ExtendedErrorCodeOther, "there was no time to ask it")

	var flags wire.Flags
	if c.rd {
		flags |= wire.RD
	}
	if c.key.CD {
		flags |= wire.CD
	}
	x := &c.exchange
	x.Query = wire.AppendQuery(c.query[:0], c.key.Name, c.key.Type, flags, c.key.DO)
	x.Name, x.Type = c.key.Name, c.key.Type
	x.Deadline = time.Now().Add(timeout)
}

// release gives the call back, without what it need not keep. The caller has taken from it what it needs.
func (c *call) release() {
	c.servfail = nil
	c.reply = wire.Reply{TTLs: c.reply.TTLs}
	c.resolver.calls.Put(c)
}

// maxUpstreams is how many upstreams of a route a call tells apart.
const maxUpstreams = 64

// next asks the next upstream, or ends the call when none is left. One that did not answer is asked again in its turn
// until the time is up: its packet or ours may have been lost.
func (c *call) next() {
	n := len(c.route.Upstreams)
	if time.Now().Before(c.exchange.Deadline) {
		for range n {
			i := (c.first + c.attempts) % n
			c.attempts++
			if c.answered&(1<<i) != 0 {
				continue
			}
			up := c.route.Upstreams[i]
			if !c.resolver.loops.looping(up) {
				up.Ask(&c.exchange)
				return
			}
			c.resolver.probe(c.route, up)
			c.failed(dns.ExtendedErrorCodeOther, "questions sent to it come back here: a loop")
		}
	}
	c.giveUp()
}

// current is the upstream that was asked last, and its index.
func (c *call) current() (Upstream, int) {
	i := (c.first + c.attempts - 1) % len(c.route.Upstreams)
	return c.route.Upstreams[i], i
}

// failed notes that the current upstream's answer is of no use.
func (c *call) failed(code uint16, why string) {
	up, i := c.current()
	c.answered |= 1 << i
	c.blame(up, code, why)
}

// blame notes what the client is told if no other upstream has an answer.
func (c *call) blame(up Upstream, code uint16, why string) {
	c.blamed, c.whyCode, c.why = up, code, why
}

// done is what the upstream calls.
func (c *call) done(reply []byte, err error) {
	up, _ := c.current()
	switch {
	case errors.Is(err, upstream.ErrTimeout):
		c.blame(up, dns.ExtendedErrorCodeNoReachableAuthority, "timeout")
		c.resolver.probe(c.route, up) // a loop looks like that
		c.next()
		return
	case err != nil:
		c.failed(dns.ExtendedErrorCodeNetworkError, err.Error())
		c.next()
		return
	}
	c.resolver.sawReply()
	if err := wire.ParseReply(reply, c.key.Name, c.key.Type, &c.reply); err != nil {
		c.failed(dns.ExtendedErrorCodeInvalidData, err.Error())
		c.next()
		return
	}
	switch c.reply.Kind {
	case wire.Failure:
		c.failed(dns.ExtendedErrorCodeOther, wire.RcodeName(c.reply.Rcode))
		if c.reply.EDE != nil {
			c.servfail = append([]byte(nil), c.reply.EDE...)
		}
		c.next()
		return
	case wire.Referral:
		if c.rd {
			c.failed(dns.ExtendedErrorCodeOther, "a referral: it does not recurse")
			c.next()
			return
		}
	}
	if !c.rd {
		c.resolver.end(c, c.resolver.config.Cache.Unkept(c.key, &c.reply, time.Now()))
		return
	}
	c.resolver.end(c, c.resolver.config.Cache.Put(c.key, &c.reply, time.Now()))
}

// giveUp answers SERVFAIL and says why: in the upstream's words if it gave some, else in ours.
func (c *call) giveUp() {
	text := c.servfail
	if text == nil {
		text = ede(c.whyCode, "notyet: "+c.blamed.String()+": "+c.why)
	}
	e := cache.Failure(c.key, text)
	if c.rd {
		e = c.resolver.config.Cache.PutFailure(c.key, e, time.Now())
	}
	c.resolver.end(c, e)
}
