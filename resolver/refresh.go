package resolver

import (
	"sync"
	"time"

	"notyet/cache"
	"notyet/wire"
)

// Bounds on the exchanges that no client waits for: how many may be under way, and how many may begin, as many at once as
// there may be under way. They are not to be a burden on upstreams: a tenth on top of what clients have them asked, and
// what a small cache needs.
const (
	maxBehind   = 100
	behindRate  = 50   // a second
	behindShare = 0.10 // of the exchanges for clients
)

// behind bounds the exchanges that no client waits for. It is safe for concurrent use.
type behind struct {
	mu       sync.Mutex // guards all below
	underWay int
	tokens   float64
	filled   time.Time // when tokens were added; zero: never, so that the first finds all there may be
	missed   int64     // exchanges for clients until then
}

// begin reports whether one more may begin now, when there have been missed exchanges for clients. Then end has to be called.
func (b *behind) begin(now time.Time, missed int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := max(now.Sub(b.filled), 0).Seconds()
	b.tokens += since*behindRate + float64(max(missed-b.missed, 0))*behindShare
	b.tokens = min(b.tokens, maxBehind)
	b.filled, b.missed = now, missed
	if b.underWay == maxBehind || b.tokens < 1 {
		return false
	}
	b.underWay++
	b.tokens--
	return true
}

// end takes note that one has brought e. One that shows that an upstream is back lets two more begin, so that all that is
// stale is soon refreshed, while as long as none is they are few.
func (b *behind) end(why purpose, e *cache.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.underWay--
	if why == toRecover && e.Kind() != wire.Failure && !e.Stale() {
		b.tokens += 2
	}
}

// cancel takes back a begin that nothing came of.
func (b *behind) cancel() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.underWay--
	b.tokens++
}

// Refresh has the answer to k, which clients are given from the cache, had anew behind them, unless too much is
// under way or that is; then it returns false. k's bytes have to stay untouched until it returns.
func (r *Resolver) Refresh(k cache.Key) bool {
	now := time.Now()
	if !r.behind.begin(now, r.missed.Load()) {
		return false
	}
	c := r.startBehind(k, now)
	if c == nil {
		r.behind.cancel()
		return false
	}
	if c.why == toPrefetch {
		r.meter.prefetches.Inc()
	}
	r.exchange(c)
	return true
}

// startBehind makes a call for k that nobody waits for; nil: there is none to be made.
func (r *Resolver) startBehind(k cache.Key, now time.Time) *call {
	why := toRecover
	switch e, stale := r.config.Cache.PeekStale(k, now); {
	case e == nil && !stale, e != nil && e.Kind() != wire.Positive:
		return nil // it has been evicted or replaced meanwhile
	case e != nil && !e.Stale():
		why = toPrefetch
	}
	s := &r.shards[k.Hash()%uint64(len(r.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[k.Hash()] != nil {
		return nil
	}
	if r.exchanges.Add(1) > maxExchanges {
		r.exchanges.Add(-1)
		return nil
	}
	c := r.calls.Get().(*call)
	c.reset(k.Hash(), nil)
	c.why, c.routes = why, r.routes.Load()
	c.begin(k, true)
	s.calls[c.hash] = c
	return c
}
