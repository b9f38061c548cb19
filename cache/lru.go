package cache

import (
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// What an entry takes beside its bytes. Measured (Go 1.26, amd64) with 4 to 40 MiB full of small answers and up to
// thirty changes an entry: the heap grew by 90 to 99 % of these sums for positives and by 78 to 104 % for negatives, as
// maps grow by doubling. TestMemoryStaysWithinItsBound checks them.
const (
	entryOverhead = 144 // bytes: the entry and its list element
	slotOverhead  = 56  // bytes: its place in the map, of 17 bytes, two thirds of which may be empty
	refOverhead   = 120 // bytes: a negative's place under a name, of 41 bytes, in a map like that
	askedOverhead = 16  // bytes: an Asked, which the negative may be the last to hold
)

// lru holds entries, the least recently used of which go when their bytes exceed the limit.
type lru struct {
	list      *simplelru.LRU[uint64, *Entry]
	bytes     int64
	limit     int64
	slots     int64 // the most entries there have been: maps don't shrink
	slot      int64 // bytes that each of them takes
	evictions uint64
}

func newLRU(limit, slot int64) lru {
	// The number of entries is bounded by their bytes; the only error is a size below one.
	list, _ := simplelru.NewLRU[uint64, *Entry](math.MaxInt, nil)
	return lru{list: list, limit: limit, slot: slot}
}

// cost is what an entry counts for, in bytes, without its slot.
func cost(e *Entry) int64 {
	n := int64(cap(e.data)) + entryOverhead
	if _, ok := e.denied(); ok {
		n += refOverhead
	}
	if e.asked != nil {
		n += askedOverhead
	}
	return n
}

// used is what the entries take, in bytes.
func (l *lru) used() int64 { return l.bytes + l.slots*l.slot }

// fits reports whether there is room for e once all others are gone.
func (l *lru) fits(e *Entry) bool { return cost(e)+max(l.slots, 1)*l.slot <= l.limit }

// get takes note of the entry's use, once there is a chance that the order of use will matter: as long as half
// of the room is free, nothing is about to be evicted, and putting the entry in front costs as much as finding it.
func (l *lru) get(hash uint64) *Entry {
	if l.used() < l.limit/2 {
		return l.peek(hash)
	}
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
	l.slots = max(l.slots, int64(l.list.Len()))
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
	if l.used() <= l.limit {
		return 0, nil
	}
	hash, e, ok := l.list.RemoveOldest()
	if ok {
		l.bytes -= cost(e)
		l.evictions++
	}
	return hash, e
}
