// Package cache keeps answers as wire bytes, counts down their TTLs and bounds how many
// there are.
//
// Positive and negative answers have budgets of their own, so that a flood of
// names that don't exist cannot push the good answers out.
package cache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"notyet/wire"
)

// shardBits is the logarithm of the number of shards: enough that a reader per
// core seldom waits for another, few enough that a shard's share of 4 MiB still takes the largest
// message.
const shardBits = 5

// negativeShare is the part of the memory that negatives and failures may have.
const negativeShare = 4 // a quarter

// MinMemory is the least that Config.Memory may be, in bytes.
const MinMemory = 4 << 20

// rememberMissing is for how long after a negative expired its name is still known to have been missing.
const rememberMissing = 60 * time.Second

// The lifetime of a failure: the first, and the most that doubling makes of it (RFC 9520, section 3.2).
const (
	minFailure = 1 * time.Second
	maxFailure = 30 * time.Second
)

// firstNegative is the lifetime of a negative when its name is first seen missing.
const firstNegative = 1 * time.Second

// maxSlept is longer than anything is kept; a hundred times that fits into an int64 of nanoseconds.
const maxSlept = 2 * 365 * 24 * time.Hour

// Config is what a cache is made of.
type Config struct {
	// Memory bounds answers, keys and bookkeeping, in bytes; at least MinMemory.
	Memory int64
	// MaxTTL bounds the lifetime of positive answers and every TTL announced in them; 0: none is kept.
	MaxTTL time.Duration
	// MaxNegativeTTL bounds the lifetime of negatives; 0: none is kept.
	MaxNegativeTTL time.Duration
	// Stale is how long past its TTL a positive answer may stand in for one that can't be had; 0: never.
	Stale time.Duration
	// Refresh is called by Get when the answer that it returns should be had anew meanwhile. It must not block, and the
	// key's bytes are the asker's once it returns. It returns false when that can't be now, and is called again soon. nil:
	// nothing is refreshed before somebody has to wait for it.
	Refresh func(Key) bool
}

// Cache is safe for concurrent use.
type Cache struct {
	seed    maphash.Seed
	epoch   time.Time
	config  atomic.Pointer[Config] // never changed, but replaced
	refresh func(Key) bool         // nil: nobody refreshes
	slept   atomic.Int64           // nanoseconds, see Slept; 64 up to here, with the 8 that Go puts before a structure of that size
	shards  [1 << shardBits]shard
}

// shard has all entries of the names whose hash begins with its number. It takes whole cache lines, of 64 bytes; the lock and what
// leads to a positive are on the first.
type shard struct {
	mu                 sync.Mutex // guards all below
	positive, negative store
	hits               [hitKinds]uint64
	misses             uint64
	scratch            Entry               // for what a function is asked about that is handed in
	byName             map[uint64][]uint64 // nameBits of a hash → hashes of the negatives that are of that name or deny it
	_                  [40]byte
}

// The kinds of hit that are counted apart.
const (
	hitPositive = iota
	hitNegative
	hitFailure
	hitStale
	hitKinds
)

// New makes an empty cache. Moments given to it must not be before now.
func New(config Config, now time.Time) *Cache {
	c := &Cache{seed: maphash.MakeSeed(), epoch: now, refresh: config.Refresh}
	c.config.Store(&config)
	positive, negative := config.lots()
	for i := range c.shards {
		s := &c.shards[i]
		s.positive = newStore(positive, i, slotOverhead)
		s.negative = newStore(negative, i, slotOverhead+refOverhead)
		s.byName = make(map[uint64][]uint64)
	}
	return c
}

// lots makes the memory for the positives of all shards, and for their negatives and failures.
func (config Config) lots() (positives, negatives *lots) {
	const stores = 1 << shardBits
	all := min(max(config.Memory, MinMemory)/stores, 1<<offsetBits)
	positive, negative := all-all/negativeShare, all/negativeShare
	a := newArena(lotsLen(positive, stores) + lotsLen(negative, stores))
	return newLots(a, positive, stores), newLots(a, negative, stores)
}

// since turns a moment into nanoseconds since the epoch, those included that the machine slept until now.
func (c *Cache) since(t time.Time) int64 { return int64(t.Sub(c.epoch)) + c.slept.Load() }

// Slept makes everything in the cache older by d: the clock that moments are told by stands still while the machine is
// suspended, and answers age all the same. What is put in later begins with age 0. Each call adds to those before; 0 and
// less change nothing, and more than maxSlept counts as maxSlept. Any goroutine may call it at any time; an answer that is on its way
// out may be given with its age of before.
func (c *Cache) Slept(d time.Duration) { c.slept.Add(int64(min(max(d, 0), maxSlept))) }

func (c *Cache) shard(hash uint64) *shard { return &c.shards[hash>>(64-shardBits)] }

// Get makes e the entry that answers k at now, and reports whether there is one; otherwise e is of no use. Its bytes are its own:
// an entry that is used again has them where the last one had its bytes, if there is room, and nothing is allocated.
func (c *Cache) Get(e *Entry, k Key, now time.Time) bool {
	t := c.since(now)
	hit, due := c.get(e, k, t)
	if due && !c.refresh(k) {
		c.postpone(k, e, t)
	}
	return hit
}

// get also reports whether the entry is to be refreshed; whoever is told so does it.
func (c *Cache) get(e *Entry, k Key, t int64) (hit, due bool) {
	s, own := c.shard(k.hash), e.data[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.positive.find(k.hash); r != nil {
		if r.read(e); e.fresh(t) && e.matches(k) {
			e.data = append(own, e.data...)
			r.use()
			s.hits[hitPositive]++
			return true, r.dueLocked(e, t)
		}
	}
	if r := s.negative.find(k.hash); r != nil {
		if s.negative.read(r, e); e.fresh(t) && e.matches(k) && e.asked.stands(t) {
			e.data = append(own, e.data...)
			r.use()
			c.touch(e.asked, t)
			s.hits[e.hit()]++
			return true, r.dueLocked(e, t)
		}
	}
	e.data = own
	s.misses++
	return false, false
}

// hit is what kind of hit an entry makes that is not a fresh positive.
func (e *Entry) hit() int {
	switch {
	case e.Stale():
		return hitStale
	case e.Kind() == wire.Failure:
		return hitFailure
	}
	return hitNegative
}

// Peek is Get without a trace: it counts nothing, no client has asked, and the entry is evicted as if nobody had. It passes
// over what stands in, and the bytes are the caller's. nil: there is none.
func (c *Cache) Peek(k Key, now time.Time) *Entry {
	if e, _ := c.PeekStale(k, now); e != nil && !e.Stale() {
		return e
	}
	return nil
}

// PeekStale is Peek that also returns what stands in; with nil it reports whether StandIn would find something.
func (c *Cache) PeekStale(k Key, now time.Time) (e *Entry, stale bool) {
	t := c.since(now)
	s := c.shard(k.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	var found Entry
	for _, st := range []*store{&s.positive, &s.negative} {
		if st.load(k.hash, &found) && found.fresh(t) && found.matches(k) && found.asked.stands(t) {
			return found.Clone(), false
		}
	}
	return nil, c.mayStandInLocked(s, &found, k, t)
}
