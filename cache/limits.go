package cache

import (
	"maps"
	"time"
)

// SetLimits replaces what the cache was made with, but for Refresh. What would not be kept for as long any more goes, and when
// there is less room the least recently used entries do.
func (c *Cache) SetLimits(config Config) {
	old := c.config.Swap(&config)
	if config.Memory != old.Memory {
		positive, negative := config.perShard()
		for i := range c.shards {
			c.resize(&c.shards[i], positive, negative)
		}
	}
	if config.Memory < old.Memory {
		c.shrinkNames()
	}
	if config.MaxNegativeTTL < old.MaxNegativeTTL {
		c.dropNegatives(func(e *Entry) bool { return e.Kind().Negative() && e.Lifetime() > config.MaxNegativeTTL })
	}
	if config.MaxTTL < old.MaxTTL {
		c.dropLongPositives(config.MaxTTL)
	}
}

// resize gives a shard other limits.
func (c *Cache) resize(s *shard, positive, negative int64) {
	var gone []ref
	s.mu.Lock()
	s.positive.resize(positive)
	for hash, e := range s.negative.resize(negative) {
		s.unindexLocked(hash, hash)
		gone = e.appendDenied(gone, hash)
	}
	s.mu.Unlock()
	c.unindexDenied(gone)
}

// shrinkNames makes the maps anew that negatives are found by name in.
func (c *Cache) shrinkNames() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		byName := make(map[uint64][]uint64, len(s.byName))
		maps.Copy(byName, s.byName)
		s.byName = byName
		s.mu.Unlock()
	}
}

// dropLongPositives takes out the positive answers that live longer than limit.
func (c *Cache) dropLongPositives(limit time.Duration) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		keys := s.positive.list.Keys()
		s.mu.Unlock()
		for _, key := range keys {
			s.mu.Lock()
			if e := s.positive.peek(key); e != nil && e.Lifetime() > limit {
				s.positive.remove(key)
			}
			s.mu.Unlock()
		}
	}
}

// resize changes the limit. The entries that there is no room for any more, the least recently used ones, are taken out and
// returned by their hashes; the others get a map of their size.
func (l *lru) resize(limit int64) (gone map[uint64]*Entry) {
	l.limit = limit
	if l.used() <= limit {
		return nil
	}
	old := l.list
	keys := old.Keys() // the least recently used one first
	first := len(keys) // of those that stay
	for room := limit; first > 0; first-- {
		e, _ := old.Peek(keys[first-1])
		if room -= cost(e) + l.slot; room < 0 {
			break
		}
	}
	evictions := l.evictions + uint64(first)
	*l = newLRU(limit, l.slot)
	l.evictions = evictions
	gone = make(map[uint64]*Entry, first)
	for i, key := range keys {
		e, _ := old.Peek(key)
		if i < first {
			gone[key] = e
		} else {
			l.add(key, e)
		}
	}
	return gone
}
