package cache

import (
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// What an entry takes beside its bytes: the entry, its list element, and its place in the
// map (which is between half and seven eighths full). TestMemoryStaysWithinItsBound checks the sums.
const (
	entryOverhead    = 208 // bytes
	negativeOverhead = 96  // bytes more, for finding it by name
)

// lru holds entries, the least recently used of which go when their bytes exceed the limit.
type lru struct {
	list      *simplelru.LRU[uint64, *Entry]
	bytes     int64
	limit     int64
	evictions uint64
}

func newLRU(limit int64) lru {
	// The number of entries is bounded by their bytes; the only error is a size below one.
	list, _ := simplelru.NewLRU[uint64, *Entry](math.MaxInt, nil)
	return lru{list: list, limit: limit}
}

// cost is what an entry counts for, in bytes.
func cost(e *Entry) int64 {
	n := int64(cap(e.data)+15)&^15 + entryOverhead
	if !e.positive() {
		n += negativeOverhead
	}
	return n
}

func (l *lru) get(hash uint64) *Entry {
	e, _ := l.list.Get(hash)
	return e
}

func (l *lru) peek(hash uint64) *Entry {
	e, _ := l.list.Peek(hash)
	return e
}

// add puts the entry in; there must be none with the same hash. The caller makes room with evict.
func (l *lru) add(hash uint64, e *Entry) {
	l.list.Add(hash, e)
	l.bytes += cost(e)
}

// remove takes the entry out and returns it, or nil.
func (l *lru) remove(hash uint64) *Entry {
	e, ok := l.list.Peek(hash)
	if !ok {
		return nil
	}
	l.list.Remove(hash)
	l.bytes -= cost(e)
	return e
}

// evict takes the least recently used entry out while the limit is exceeded; otherwise it returns nil.
func (l *lru) evict() (hash uint64, e *Entry) {
	if l.bytes <= l.limit {
		return 0, nil
	}
	hash, e, _ = l.list.RemoveOldest()
	l.bytes -= cost(e)
	l.evictions++
	return hash, e
}
