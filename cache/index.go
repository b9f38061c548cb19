package cache

// index leads from a key's hash to where its entry may be. A slot is one word, and those that a hash may be in are next to each
// other, so that a look seldom touches more than one cache line: open addressing with linear probing (Knuth, The Art of
// Computer Programming, volume 3, section 6.4, algorithms L and R). It grows and never shrinks.
type index struct {
	slots []slot // a power of two, at most three quarters of them in use
	used  int
}

// slot has, from its highest bit on: one that is set, the lowest bits of the hash, the number of a chunk, and where in the
// chunk the entry begins. The zero slot is free.
type slot uint64

const (
	offsetBits = 20 // an entry of a chunk that is larger than maxChunk has it to itself
	chunkBits  = 16
	hashBits   = 63 - chunkBits - offsetBits
)

const minSlots = 8 // a cache line

func newIndex() index { return index{slots: make([]slot, minSlots)} }

func slotOf(hash uint64, p place) slot {
	const inUse = 1 << hashBits
	return slot((hash&(inUse-1)|inUse)<<chunkBits|uint64(p.chunk))<<offsetBits | slot(p.offset)
}

func (s slot) place() place {
	return place{chunk: uint32(s>>offsetBits) & (1<<chunkBits - 1), offset: uint32(s) & (1<<offsetBits - 1)}
}

// hash is the part of the hash that the slot has.
func (s slot) hash() uint64 { return uint64(s) >> (chunkBits + offsetBits) & (1<<hashBits - 1) }

// mayBe reports whether the slot is of a hash like that one.
func (s slot) mayBe(hash uint64) bool { return s.hash() == hash&(1<<hashBits-1) }

// home is where the search for a hash begins; it goes on with after, and ends at a free slot.
func (x *index) home(hash uint64) int { return int(hash) & (len(x.slots) - 1) }

func (x *index) after(i int) int { return (i + 1) & (len(x.slots) - 1) }

// has reports whether the slot is there.
func (x *index) has(s slot) bool {
	i := x.home(s.hash())
	for x.slots[i] != 0 && x.slots[i] != s {
		i = x.after(i)
	}
	return x.slots[i] == s
}

// add puts the slot into a free one.
func (x *index) add(s slot) {
	if x.used++; x.used > len(x.slots)*3/4 {
		old := x.slots
		x.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s != 0 {
				x.put(s)
			}
		}
	}
	x.put(s)
}

func (x *index) put(s slot) {
	i := x.home(s.hash())
	for x.slots[i] != 0 {
		i = x.after(i)
	}
	x.slots[i] = s
}

// remove frees slot i. Those behind it that it kept from their home move up, so that a search still finds them.
func (x *index) remove(i int) {
	x.used--
	for j := x.after(i); x.slots[j] != 0; j = x.after(j) {
		distance := func(from, to int) int { return (to - from) & (len(x.slots) - 1) }
		if distance(x.home(x.slots[j].hash()), j) >= distance(i, j) {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = 0
}
