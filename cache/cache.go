// Package cache keeps answers as wire bytes, counts down their TTLs and bounds how many
// there are.
//
// Positive and negative answers have budgets of their own, so that a flood of
// names that don't exist cannot push the good answers out.
package cache

import (
	"hash/maphash"
	"sync"
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

// Config is what a cache is made of.
type Config struct {
	// Memory bounds answers, keys and bookkeeping, in bytes; at least MinMemory.
	Memory int64
	// MaxTTL bounds the lifetime of positive answers and every TTL announced in them; 0: none is kept.
	MaxTTL time.Duration
	// MaxNegativeTTL bounds the lifetime of negatives; 0: none is kept.
	MaxNegativeTTL time.Duration
}

// Cache is safe for concurrent use.
type Cache struct {
	seed   maphash.Seed
	epoch  time.Time
	config Config
	shards [1 << shardBits]shard
}

// shard has all entries of the names whose hash begins with its number.
type shard struct {
	mu                 sync.Mutex // guards all below
	positive, negative lru
	byName             map[uint64][]uint64 // nameBits of a hash → hashes of the negatives that are of that name or deny it
	hits               [3]uint64           // by hitKind
	misses             uint64
	_                  [64]byte // the next shard's lock is on another cache line
}

// The kinds of hit that are counted apart.
const (
	hitPositive = iota
	hitNegative
	hitFailure
)

// New makes an empty cache. Moments given to it must not be before now.
func New(config Config, now time.Time) *Cache {
	c := &Cache{seed: maphash.MakeSeed(), epoch: now, config: config}
	perShard := max(config.Memory, MinMemory) >> shardBits
	for i := range c.shards {
		s := &c.shards[i]
		s.positive = newLRU(perShard-perShard/negativeShare, slotOverhead)
		s.negative = newLRU(perShard/negativeShare, slotOverhead+refOverhead)
		s.byName = make(map[uint64][]uint64)
	}
	return c
}

// since turns a moment into nanoseconds since the epoch.
func (c *Cache) since(t time.Time) int64 { return int64(t.Sub(c.epoch)) }

func (c *Cache) shard(hash uint64) *shard { return &c.shards[hash>>(64-shardBits)] }

// Get returns the entry that answers k at now, or nil.
func (c *Cache) Get(k Key, now time.Time) *Entry {
	t := c.since(now)
	s := c.shard(k.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.positive.get(k.hash); e != nil && e.fresh(t) && e.matches(k) {
		s.hits[hitPositive]++
		return e
	}
	if e := s.negative.get(k.hash); e != nil && e.fresh(t) && e.matches(k) && e.asked.stands(t) {
		e.asked.touch(t)
		if e.Kind() == wire.Failure {
			s.hits[hitFailure]++
		} else {
			s.hits[hitNegative]++
		}
		return e
	}
	s.misses++
	return nil
}

// Peek is Get without a trace: it counts nothing, no client has asked, and the entry's place in the order of eviction stays.
func (c *Cache) Peek(k Key, now time.Time) *Entry {
	t := c.since(now)
	s := c.shard(k.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range []*lru{&s.positive, &s.negative} {
		if e := l.peek(k.hash); e != nil && e.fresh(t) && e.matches(k) && e.asked.stands(t) {
			return e
		}
	}
	return nil
}
