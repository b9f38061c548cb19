package resolver

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/watch"
	"notyet/wire"
)

// timeout is how long a question may take over all upstreams.
const timeout = 5 * time.Second

// Bounds on what may be under way; more is refused with SERVFAIL. Answers from the cache don't count.
const (
	maxExchanges = 10_000 // different questions
	maxQueries   = 50_000 // clients' queries, those that wait for the same exchange included
)

// Config is what a resolver works with.
type Config struct {
	Cache *cache.Cache
	// Routes has one for the root zone, which takes all that no other does, and at most one for every
	// other zone. Each has an upstream at least.
	Routes []Route
	// Watches has the names that the upstreams are not simply asked about; nil: none.
	Watches *watch.Set
	Log     *slog.Logger
}

// Resolver is safe for concurrent use.
type Resolver struct {
	config Config
	routes atomic.Pointer[routes]
	loops  loops
	checks checks
	budget budget
	meter  meter
	waits  waits
	behind behind

	exchanges, queries atomic.Int64 // under way
	missed             atomic.Int64 // exchanges begun for clients, ever
	held               atomic.Int64 // of the queries
	answered           chan struct{}
	answeredOnce       sync.Once

	shards [32]shard
	calls  sync.Pool // of *call
	// askings are those of Forward; a call has its own.
	askings sync.Pool // of *asking
}

// shard has the exchanges under way for a part of the questions.
type shard struct {
	mu    sync.Mutex
	calls map[uint64]*call // hash of the question → exchange under way
}

// New makes a resolver.
func New(config Config) *Resolver {
	r := &Resolver{config: config, answered: make(chan struct{})}
	r.routes.Store(newRoutes(config.Routes))
	r.loops.init(config.Log)
	r.checks.all = make(map[Upstream]*check)
	r.budget.saved.Store(maxSaved)
	r.meter = newMeter(r)
	r.waits.over = r.standIn
	for i := range r.shards {
		r.shards[i].calls = make(map[uint64]*call)
	}
	r.calls.New = func() any { return newCall(r) }
	r.askings.New = func() any { return newAsking(r) }
	return r
}

// Answered is closed once an upstream has replied.
func (r *Resolver) Answered() <-chan struct{} { return r.answered }

// Serve takes a query that the cache can't answer. It owns q until it calls q.Done.
func (r *Resolver) Serve(q *Query) {
	if r.loops.isProbe(q.Key.Name) {
		q.Done(cache.Failure(q.Key, ede(dns.ExtendedErrorCodeOther, "notyet: this question came back to where it was first asked: a loop")))
		return
	}
	if r.queries.Add(1) > maxQueries {
		r.shed(q)
		return
	}
	hash, routes := callHash(q), r.routes.Load()
	s := &r.shards[hash%uint64(len(r.shards))]
	s.mu.Lock()
	if c := s.calls[hash]; c != nil && c.routes == routes && c.asks(q) {
		atOnce := r.joinLocked(c, q)
		s.mu.Unlock()
		if atOnce != nil {
			r.finish(q, atOnce)
		}
		return
	}
	// An exchange for this question may have ended between the asker's look into the cache and here.
	e, stale := r.config.Cache.PeekStale(q.Key, time.Now())
	if e != nil {
		s.mu.Unlock()
		r.finish(q, e)
		return
	}
	if r.exchanges.Add(1) > maxExchanges {
		s.mu.Unlock()
		r.exchanges.Add(-1)
		r.shed(q)
		return
	}
	c := r.calls.Get().(*call)
	c.start(q, hash)
	c.routes = routes
	c.takeOverLocked(s.calls[hash], q)
	s.calls[hash] = c
	if stale && q.RD {
		r.limitLocked(c)
	}
	s.mu.Unlock()
	r.missed.Add(1)
	r.exchange(c)
}

// exchange finds out about the call's question: what is under watch where watches say, the rest from the upstreams.
func (r *Resolver) exchange(c *call) {
	if w := r.config.Watches; w != nil && c.rd && w.Find(c.key.Name) != nil {
		w.Serve(watch.Question{
			Key:  c.key,
			Done: func(e *cache.Entry) { r.end(c, e) },
			Hold: func(no *cache.Entry) bool { return r.hold(c, no) },
			Anew: c.why != toAnswer,
		})
		return
	}
	c.next()
}

// callHash tells questions with and without RD apart.
func callHash(q *Query) uint64 {
	if q.RD {
		return q.Key.Hash()
	}
	return ^q.Key.Hash()
}

// shed refuses a query: better that than to lose the others.
func (r *Resolver) shed(q *Query) {
	r.meter.shed.Inc()
	r.finish(q, cache.Failure(q.Key, tooMuch()))
}

// finish answers a query.
func (r *Resolver) finish(q *Query, e *cache.Entry) {
	r.queries.Add(-1)
	if e.Stale() {
		r.meter.stale.Inc()
	}
	q.Done(e)
}

// end takes the call out, so that the next query of its kind starts a new one, and answers all that wait for it. An
// answer that is to be kept is in the cache by now.
func (r *Resolver) end(c *call, e *cache.Entry) {
	s := &r.shards[c.hash%uint64(len(r.shards))]
	s.mu.Lock()
	if s.calls[c.hash] == c {
		delete(s.calls, c.hash)
	}
	q := c.waiting
	c.waiting = nil
	r.held.Add(-c.places)
	patient, why := c.patient, c.why
	s.mu.Unlock()
	if patient {
		r.waits.remove(c)
	}
	if why != toAnswer {
		r.behind.end(why, e)
	}
	r.exchanges.Add(-1)
	c.release()
	r.answer(q, e)
}

// answer answers q and all behind it.
func (r *Resolver) answer(q *Query, e *cache.Entry) {
	for q != nil {
		next := q.next
		q.next = nil
		r.finish(q, e)
		q = next
	}
}

func (r *Resolver) sawReply() {
	r.answeredOnce.Do(func() { close(r.answered) })
}

func tooMuch() []byte {
	return ede(dns.ExtendedErrorCodeOther, "notyet: too many questions under way")
}

// ede makes an extended DNS error with a text for people (RFC 8914).
func ede(code uint16, text string) []byte { return wire.AppendEDE(nil, code, text) }
