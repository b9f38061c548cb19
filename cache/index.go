package cache

import "encoding/binary"

// index leads from a key's hash to where its entry may be. A slot is one word, and those that a hash may be in are next to each
// other, so that a look seldom touches more than one cache line: open addressing with linear probing (Knuth, The Art of
// Computer Programming, volume 3, section 6.4, algorithms L and R). It never shrinks.
type index struct {
	slots slots // a power of two, at most three quarters of them in use
	used  int
}

// slots are slots in a row, in memory that the garbage collector does not look at.
type slots []byte

// slot has, from its highest bit on: one that is set, the lowest bits of the hash, and where in the ring the entry begins. The
// zero slot is free.
type slot uint64

const (
	offsetBits = 36
	hashBits   = 63 - offsetBits
)

const (
	slotLen  = 8   // bytes
	minSlots = 512 // a page of memory on most machines
)

func (s slots) len() int { return len(s) / slotLen }

func (s slots) at(i int) slot { return slot(binary.NativeEndian.Uint64(s[i*slotLen:])) }

func (s slots) set(i int, to slot) { binary.NativeEndian.PutUint64(s[i*slotLen:], uint64(to)) }

func slotOf(hash uint64, offset int) slot {
	const inUse = 1 << hashBits
	return slot(hash&(inUse-1)|inUse)<<offsetBits | slot(offset)
}

func (s slot) offset() int { return int(s & (1<<offsetBits - 1)) }

// hash is the part of the hash that the slot has.
func (s slot) hash() uint64 { return uint64(s) >> offsetBits & (1<<hashBits - 1) }

// mayBe reports whether the slot is of a hash like that one.
func (s slot) mayBe(hash uint64) bool { return s.hash() == hash&(1<<hashBits-1) }

// home is where the search for a hash begins; it goes on with after, and ends at a free slot.
func (x *index) home(hash uint64) int { return int(hash) & (x.slots.len() - 1) }

func (x *index) after(i int) int { return (i + 1) & (x.slots.len() - 1) }

// has reports whether the slot is there.
func (x *index) has(s slot) bool {
	i := x.home(s.hash())
	for x.slots.at(i) != 0 && x.slots.at(i) != s {
		i = x.after(i)
	}
	return x.slots.at(i) == s
}

// isFull reports whether it has to have more slots before anything is added.
func (x *index) isFull() bool { return x.used >= x.slots.len()*3/4 }

// moveTo puts what there is into other slots, a power of two, which are all free.
func (x *index) moveTo(other slots) {
	old := x.slots
	x.slots = other
	for i := range old.len() {
		if s := old.at(i); s != 0 {
			x.put(s)
		}
	}
}

// add puts the slot into a free one.
func (x *index) add(s slot) {
	x.used++
	x.put(s)
}

func (x *index) put(s slot) {
	i := x.home(s.hash())
	for x.slots.at(i) != 0 {
		i = x.after(i)
	}
	x.slots.set(i, s)
}

// remove frees slot i. Those behind it that it kept from their home move up, so that a search still finds them.
func (x *index) remove(i int) {
	x.used--
	for j := x.after(i); x.slots.at(j) != 0; j = x.after(j) {
		distance := func(from, to int) int { return (to - from) & (x.slots.len() - 1) }
		if s := x.slots.at(j); distance(x.home(s.hash()), j) >= distance(i, j) {
			x.slots.set(i, s)
			i = j
		}
	}
	x.slots.set(i, 0)
}
