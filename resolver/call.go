package resolver

import (
	"container/list"
	"time"

	"notyet/cache"
)

// call is one exchange under way for all clients that ask the same question meanwhile. It is used again.
type call struct {
	asking
	hash   uint64
	why    purpose
	routes *routes // in force when it began

	// All below is guarded by the shard's lock.
	waiting *Query
	no      *cache.Entry // what they get for whom there is no place while the others are held; nil: the call isn't held
	places  int64        // that those who are held take
	standIn *cache.Entry // what all get who ask from now on; nil: they wait
	patient bool         // that they don't wait too long is seen to

	turn *list.Element // guarded by the lock of waits; nil: it isn't in there
}

// purpose is what a call is for.
type purpose int

const (
	toAnswer   purpose = iota // a client asked
	toPrefetch                // what the cache has will soon be past its TTL
	toRecover                 // what the cache has is stale
)

func newCall(r *Resolver) *call {
	c := &call{}
	c.init(r, c.end, c.unused)
	return c
}

// start makes the call one for q's question.
func (c *call) start(q *Query, hash uint64) {
	q.next = nil
	c.reset(hash, q)
	c.begin(q.Key, q.RD)
}

func (c *call) reset(hash uint64, q *Query) {
	c.hash, c.why = hash, toAnswer
	c.waiting, c.no, c.places, c.standIn, c.patient = q, nil, 0, nil, false
}

// asks reports whether it is the call for a query's question.
func (c *call) asks(q *Query) bool { return c.rd == q.RD && c.key.Equal(q.Key) }

// takeOverLocked lets those wait for c, which q has just begun, who wait for an answer by former routes.
func (c *call) takeOverLocked(former *call, q *Query) {
	if former != nil && former.no == nil && former.asks(q) {
		q.next, former.waiting = former.waiting, nil
	}
}

// end keeps what the upstreams said, and answers.
func (c *call) end(o Outcome) {
	r, now := c.resolver, time.Now()
	answers := r.config.Cache
	var e *cache.Entry
	switch {
	case o.Reply == nil && c.rd:
		e = answers.PutFailure(c.key, cache.Failure(c.key, o.EDE), now)
	case o.Reply == nil:
		e = cache.Failure(c.key, o.EDE)
	case c.rd:
		e = answers.Put(c.key, o.Reply, now)
	default:
		e = answers.Unkept(c.key, o.Reply, now)
	}
	r.end(c, e)
}

// unused gives the call back once it has ended and every upstream that it asked has answered or timed out.
func (c *call) unused() {
	c.forget()
	c.resolver.calls.Put(c)
}
