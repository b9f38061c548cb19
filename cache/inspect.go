package cache

import (
	"bytes"
	"encoding/binary"
	"time"

	"notyet/wire"
)

// Inspected is an entry as it stands at a moment.
type Inspected struct {
	*Entry
	Key  Key           // with bytes of its own
	Age  time.Duration // since it was made
	Left time.Duration // that it may be used; 0: it is past its TTL and only stands in when nobody answers
}

// Inspect returns the entries of a name that may be used at now, or stand in, of all types and flags. name is in wire format,
// lower case. It looks at the hash of every entry of one shard, whose lock it holds meanwhile; it counts nothing.
func (c *Cache) Inspect(name []byte, now time.Time) (found []Inspected) {
	hash, t := c.nameHash(name), c.since(now)
	s := c.shard(hash)
	s.mu.Lock()
	var entries []*Entry
	for _, st := range []*store{&s.positive, &s.negative} {
		for _, key := range st.keys() {
			if nameBits(key) != nameBits(hash) {
				continue
			}
			if e := st.peek(key); bytes.Equal(e.qname(), name) {
				entries = append(entries, e)
			}
		}
	}
	s.mu.Unlock()
	for _, e := range entries {
		positive := e.Kind() == wire.Positive && !e.Stale()
		if !e.asked.stands(t) || !e.fresh(t) && !(positive && c.ofUse(e, t)) {
			continue
		}
		found = append(found, Inspected{
			Entry: e, Key: c.Key(nil, name, e.qtype(), e.flags&flagDO != 0, e.flags&flagCD != 0),
			Age: time.Duration(max(t-e.stored, 0)), Left: time.Duration(max(e.expires()-t, 0)),
		})
	}
	return found
}

func (e *Entry) qtype() uint16 {
	return binary.BigEndian.Uint16(e.data[wire.HeaderLen+len(e.qname()):])
}

// Drop takes out everything that is kept of a name, positives too, and the negatives of chains that end in it. It returns how
// many. name is in wire format, lower case.
func (c *Cache) Drop(name []byte) int {
	hash := c.nameHash(name)
	positives := c.shard(hash).dropPositives(func(key uint64, e *Entry) bool {
		return nameBits(key) == nameBits(hash) && bytes.Equal(e.qname(), name)
	})
	return positives + c.DropNegatives(name)
}

// DropBelow is DropNegativesBelow that takes out the positives too.
func (c *Cache) DropBelow(zone []byte) (dropped int) {
	for i := range c.shards {
		dropped += c.shards[i].dropPositives(func(_ uint64, e *Entry) bool { return wire.IsSubdomain(e.qname(), zone) })
	}
	return dropped + c.DropNegativesBelow(zone)
}

// dropPositives takes out the positives of which which, called under the lock, says so. It holds the lock for one at a time.
func (s *shard) dropPositives(which func(key uint64, e *Entry) bool) (dropped int) {
	s.mu.Lock()
	keys := s.positive.keys()
	s.mu.Unlock()
	for _, key := range keys {
		s.mu.Lock()
		if s.positive.load(key, &s.scratch) && which(key, &s.scratch) {
			s.positive.remove(key, &s.scratch)
			dropped++
		}
		s.mu.Unlock()
	}
	return dropped
}

// Stats are how full the cache is, and what it has been good for.
type Stats struct {
	Positive, Negative Budget // failures are with the negatives
	Hits, Misses       uint64
}

// Budget is what one kind of entries takes.
type Budget struct {
	Entries      int64
	Bytes, Limit int64
	Evictions    uint64
}

// Stats returns what they are at the moment.
func (c *Cache) Stats() Stats {
	all := c.totals()
	stats := Stats{Positive: all.positive.public(), Negative: all.negative.public(), Misses: all.misses}
	for _, n := range all.hits {
		stats.Hits += n
	}
	return stats
}

func (b budget) public() Budget { return Budget{b.entries, b.bytes, b.limit, b.evictions} }
