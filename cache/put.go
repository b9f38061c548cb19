package cache

import (
	"math"
	"time"

	"notyet/wire"
)

// Put keeps the reply to k as long as RFC 2308 and the limits allow, and returns
// the entry to answer with, kept or not. Of a positive answer that is its lowest
// TTL; of a negative one at most its negative TTL, on the ramp; referrals, failures and denials
// without SOA are not kept. A positive answer takes every NXDOMAIN of the names in it along: the name exists.
func (c *Cache) Put(k Key, r *wire.Reply, now time.Time) *Entry {
	limit := c.config.Load().MaxNegativeTTL
	return c.PutWatched(k, r, Watched{NXDOMAIN: limit, NODATA: limit}, now)
}

// PutWatched is Put for an answer under watch.
func (c *Cache) PutWatched(k Key, r *wire.Reply, w Watched, now time.Time) *Entry {
	switch {
	case r.Kind == wire.Positive:
		return c.putPositive(k, r, w, now)
	case r.Kind.Negative():
		return c.putNegative(k, r, w, now)
	}
	return c.Unkept(k, r, now)
}

// milliseconds fits a duration of up to 49 days into 32 bits; longer ones become that, negative ones 0.
func milliseconds(d time.Duration) uint32 {
	return uint32(max(min(d/time.Millisecond, math.MaxUint32), 0))
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }

func (c *Cache) putPositive(k Key, r *wire.Reply, w Watched, now time.Time) *Entry {
	e := c.Unkept(k, r, now)
	maxTTL := w.maxTTL(c.config.Load().MaxTTL)
	e.lifetime = milliseconds(min(seconds(r.AnswerTTL), maxTTL))
	e.due = c.prefetchAt(e.lifetime)
	if w.NoStale {
		e.flags |= flagNoStale
	}
	for _, off := range r.TTLs {
		wire.Cap(e.data, int(off), uint32(maxTTL/time.Second))
	}

	c.DropNXDOMAIN(k.Name)
	r.Owners(func(name []byte) { c.DropNXDOMAIN(name) })

	s := c.shard(k.hash)
	s.mu.Lock()
	gone := s.removeNegativeLocked(nil, k.hash)
	var old Entry
	s.positive.remove(k.hash, &old)
	if e.lifetime > 0 {
		s.putPositiveLocked(k.hash, e)
	}
	s.mu.Unlock()
	c.unindexDenied(gone)
	return e
}

// putPositiveLocked puts e in, if there is room for it once others are gone. There must be none with the same hash.
func (s *shard) putPositiveLocked(hash uint64, e *Entry) (kept bool) {
	if !s.positive.fits(e) {
		return false
	}
	var old Entry
	for _, ok := s.positive.evict(&old, e); ok; _, ok = s.positive.evict(&old, e) {
	}
	s.positive.add(hash, e)
	return true
}

func (c *Cache) putNegative(k Key, r *wire.Reply, w Watched, now time.Time) *Entry {
	limit := c.negativeLimit(r, w)
	ede := r.EDE
	if w.EDE != nil {
		ede = w.EDE(c.willKeep(k, limit, c.since(now)))
	}
	e := c.newEntry(k, r, ede, now)
	if !r.SOA {
		c.dropStale(k, e.stored) // it is out of date, even though what says so isn't kept
		return e
	}
	e.asked = w.Asked
	c.indexDenied(k.hash, e)
	c.makeRoom(k.hash, k.hash)

	s := c.shard(k.hash)
	s.mu.Lock()
	missing := s.missingLocked(k, e.stored)
	e.missing = milliseconds(missing)
	e.lifetime = ramp(missing, limit)
	e.asked.answered(e.stored)
	var old Entry
	s.positive.remove(k.hash, &old)
	gone := s.putNegativeLocked(k.hash, e)
	s.mu.Unlock()
	c.unindexDenied(gone)
	return e
}

// negativeLimit is the longest that the negative may be kept; without SOA that is not at all.
func (c *Cache) negativeLimit(r *wire.Reply, w Watched) time.Duration {
	if !r.SOA {
		return 0
	}
	limit := min(seconds(r.NegativeTTL()), c.config.Load().MaxNegativeTTL, w.limit(r.Kind))
	if r.Answers > 0 {
		limit = min(limit, seconds(r.AnswerTTL)) // the chain's own TTLs
	}
	return limit
}

// willKeep is the lifetime that a negative of k gets now, unless the ones before it are dropped meanwhile.
func (c *Cache) willKeep(k Key, limit time.Duration, now int64) time.Duration {
	s := c.shard(k.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(ramp(s.missingLocked(k, now), limit)) * time.Millisecond
}

// ramp is the lifetime, in milliseconds, of a negative whose name has been seen missing that long.
func ramp(missing, limit time.Duration) uint32 {
	return milliseconds(min(max(missing, firstNegative), limit))
}

// missingLocked is how long the name has been seen missing without a break: the ramp. A break is a positive
// answer, an eviction, or nobody asking within rememberMissing of the last negative's expiry. A
// failure in between is none.
func (s *shard) missingLocked(k Key, now int64) time.Duration {
	var old Entry
	if !s.negative.load(k.hash, &old) || !old.matches(k) || now > old.expires()+int64(rememberMissing) {
		return 0
	}
	if old.Stale() || old.Kind() == wire.Failure && old.missing == 0 {
		return 0 // it existed, or failed from the start
	}
	return time.Duration(old.missing)*time.Millisecond + time.Duration(max(now-old.stored, 0)) // clocks are read before the lock is taken
}

// PutFailure keeps a failure (see Failure) for 1 s, then for twice as long each time up to 30 s (RFC
// 9520), and returns what to answer with. That is the failure, unless there is a positive answer that is fresh or may stand
// in, which it then does. A failure displaces no answer that may still be used, and no positive one at all unless it is stale
// and the failure is a verdict on it.
func (c *Cache) PutFailure(k Key, e *Entry, now time.Time) *Entry {
	e.stored = c.since(now)
	if isVerdict(e.EDE()) {
		c.dropStale(k, e.stored)
	} else if known := c.StandIn(k, e.EDE(), now); known != nil {
		return known
	}
	c.makeRoom(k.hash, k.hash)
	s := c.shard(k.hash)
	s.mu.Lock()
	lifetime := minFailure
	var old Entry
	if s.negative.load(k.hash, &old) && old.matches(k) {
		if old.fresh(e.stored) {
			s.mu.Unlock()
			return e
		}
		if old.Kind() == wire.Failure && e.stored <= old.expires()+int64(rememberMissing) {
			lifetime = min(2*old.Lifetime(), maxFailure)
		}
		e.missing = milliseconds(s.missingLocked(k, e.stored))
	}
	e.lifetime = milliseconds(lifetime)
	gone := s.putNegativeLocked(k.hash, e)
	s.mu.Unlock()
	c.unindexDenied(gone)
	return e
}

// putNegativeLocked puts e in the place of the negative with its key, or only takes that out if e has no
// lifetime. It returns what is to be given to unindexDenied once the lock is free.
func (s *shard) putNegativeLocked(hash uint64, e *Entry) (gone []ref) {
	gone = s.removeNegativeLocked(nil, hash)
	if e.lifetime == 0 || !s.negative.fits(e) {
		return e.appendDenied(gone, hash)
	}
	var old Entry
	for oldHash, ok := s.negative.evict(&old, e); ok; oldHash, ok = s.negative.evict(&old, e) {
		s.unindexLocked(oldHash, oldHash)
		gone = old.appendDenied(gone, oldHash)
	}
	s.negative.add(hash, e)
	s.indexLocked(hash, hash)
	return gone
}

// removeNegativeLocked takes the negative or failure with this hash out, if there is one.
func (s *shard) removeNegativeLocked(gone []ref, hash uint64) []ref {
	var e Entry
	if !s.negative.remove(hash, &e) {
		return gone
	}
	s.unindexLocked(hash, hash)
	return e.appendDenied(gone, hash)
}
