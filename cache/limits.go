package cache

import "maps"

// SetLimits replaces what the cache was made with, but for Refresh. What would not be kept for as long any more goes, and when
// there is less room the oldest do that nobody asked for since they were put in. For another Memory all entries are copied, those
// of one shard at a time while its lock is held.
func (c *Cache) SetLimits(config Config) {
	old := c.config.Swap(&config)
	if config.Memory != old.Memory {
		positives, negatives := config.lots()
		for i := range c.shards {
			c.resize(&c.shards[i], positives, negatives)
		}
	}
	if config.Memory < old.Memory {
		c.shrinkNames()
	}
	if config.MaxNegativeTTL < old.MaxNegativeTTL {
		c.dropNegatives(func(e *Entry) bool { return e.Kind().Negative() && e.Lifetime() > config.MaxNegativeTTL })
	}
	if config.MaxTTL < old.MaxTTL {
		for i := range c.shards {
			c.shards[i].dropPositives(func(_ uint64, e *Entry) bool { return e.Lifetime() > config.MaxTTL })
		}
	}
}

// resize moves a shard to other lots, whose limits it then has.
func (c *Cache) resize(s *shard, positives, negatives *lots) {
	var gone []ref
	s.mu.Lock()
	s.positive.resize(positives, func(uint64, *Entry) {})
	s.negative.resize(negatives, func(hash uint64, e *Entry) {
		s.unindexLocked(hash, hash)
		gone = e.appendDenied(gone, hash)
	})
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
