package cache

// What an entry takes beside its packed bytes. Measured (Go 1.26, amd64) with 4 to 40 MiB full of small answers and up to
// thirty changes an entry; TestMemoryStaysWithinItsBound checks that memory grows by about these sums.
const (
	slotOverhead  = 24  // bytes: its slot in the index, of 8 bytes, five eighths of which may be free
	refOverhead   = 100 // bytes: a negative's place under its name, of 41 bytes, in a map that may be half empty
	chainOverhead = 130 // bytes: its place under the name that a chain leads to, with the growth of the map that both bring about
	askedOverhead = 76  // bytes: its Asked, which it may be the last to hold, and that one's place in a map
)

// How much of a ring's memory is counted although no entry is in it: parts of pages, and what is not released yet, as there is too
// little of it. It is a sixty-fourth of the limit within these bounds, in bytes.
const (
	minSpare = 8 << 10
	maxSpare = 64 << 10
)

// evictPace is how many bytes of the oldest entries may be looked at without anything being evicted, for each that is put in.
const evictPace = 8

// store holds entries in a ring, without pointers, so that the garbage collector has next to nothing to look at. When there is no
// room for one more the oldest is evicted, unless somebody asked for it since it was put there: then it is put behind the newest.
// That is nearly the order of use, and a hit moves nothing. A removed entry only leaves the index. When there are many of
// those, the oldest of the others are all put behind the newest, bit by bit.
type store struct {
	index index // hash of a key → where its entry is
	ring  ring  // whose memory is what a hit needs next
	lots  *lots // where both are
	lot   int   // which of them
	asked map[uint64]*Asked
	pace  int // bytes of the oldest that may be looked at before the next entry is added

	live      int   // bytes in the ring of entries that are in the index
	beside    int64 // bytes that they take beside
	spare     int   // bytes of the ring without entries that are counted
	limit     int64 // bytes
	slots     int64 // the most entries there have been: neither index nor maps shrink
	slot      int64 // bytes that each of them takes
	evictions uint64
}

// newStore makes one with that lot, which nobody has had before.
func newStore(l *lots, lot int, slot int64) store {
	return store{
		index: index{slots: l.table(lot, l.least())}, ring: newRing(l.arena, int(l.limit)), lots: l, lot: lot, asked: make(map[uint64]*Asked),
		spare: int(max(min(l.limit/64, maxSpare), minSpare)), limit: l.limit, slot: slot,
	}
}

// used is what the entries take, in bytes.
func (st *store) used() int64 {
	n := st.slots*st.slot + st.beside
	if size := st.ring.size(); size > 0 {
		n += int64(size + st.spare)
	}
	return n
}

// size is how many bytes an entry takes in the ring.
func size(e *Entry) int { return packedLen + len(e.data) }

// beside is what an entry takes beside its packed bytes and its slot.
func beside(e *Entry) (n int64) {
	if _, ok := e.denied(); ok {
		n += chainOverhead
	}
	if e.asked != nil {
		n += askedOverhead
	}
	return n
}

// fits reports whether there is room for e once all others are gone.
func (st *store) fits(e *Entry) bool {
	return max(st.slots, 1)*st.slot+beside(e)+int64(size(e)+st.spare) <= st.limit
}

// hasRoom reports whether there is room for e beside what there is. It also bounds the ring to what the rest leaves it, so that it goes
// on at the beginning, where memory is in RAM.
func (st *store) hasRoom(e *Entry) bool {
	slots := max(st.slots, int64(st.index.used)+1)
	most := int(st.limit-slots*st.slot-st.beside-beside(e)) - st.spare
	st.ring.limit = max(most, 0)
	_, ok := st.ring.place(size(e))
	return ok && st.ring.size()+size(e) <= most
}

// find returns the entry of the key with that hash, or nil.
func (st *store) find(hash uint64) packed {
	_, r := st.lookup(hash)
	return r
}

// lookup is find that also returns the entry's slot.
func (st *store) lookup(hash uint64) (i int, r packed) {
	x := &st.index
	for i = x.home(hash); x.slots.at(i) != 0; i = x.after(i) {
		if s := x.slots.at(i); s.mayBe(hash) {
			if r := st.at(s.offset()); r.hash() == hash {
				return i, r
			}
		}
	}
	return i, nil
}

// at is the entry that begins there.
func (st *store) at(offset int) packed { return packed(st.ring.memory[offset:]) }

// read makes e the packed entry. Its bytes are the store's.
func (st *store) read(r packed, e *Entry) {
	r.read(e)
	if r.is(markAsked) {
		e.asked = st.asked[r.hash()]
	}
}

// load makes e the entry with that hash, and reports whether there is one.
func (st *store) load(hash uint64, e *Entry) bool {
	r := st.find(hash)
	if r == nil {
		return false
	}
	st.read(r, e)
	return true
}

// peek is load into an entry whose bytes are its own too; nil: there is none.
func (st *store) peek(hash uint64) *Entry {
	var e Entry
	if !st.load(hash, &e) {
		return nil
	}
	return e.Clone()
}

// add puts the entry in. There must be room for it and none with the same hash.
func (st *store) add(hash uint64, e *Entry) {
	st.ring.release(st.spare / 2)
	offset := st.ring.add(size(e))
	appendPacked(st.ring.memory[offset:offset], hash, e)
	if st.index.isFull() {
		st.growIndex()
	}
	st.index.add(slotOf(hash, offset))
	st.live += size(e)
	st.beside += beside(e)
	st.pace = evictPace * size(e)
	if e.asked != nil {
		st.asked[hash] = e.asked
	}
	st.slots = max(st.slots, int64(st.index.used))
}

// growIndex doubles the slots.
func (st *store) growIndex() {
	old := st.index.slots
	st.index.moveTo(st.lots.table(st.lot, 2*len(old)))
	st.lots.arena.release(old)
}

// remove takes the entry with that hash out and makes e it, as load does; its bytes stay as they are until the next add.
func (st *store) remove(hash uint64, e *Entry) bool {
	i, r := st.lookup(hash)
	if r == nil {
		return false
	}
	st.read(r, e)
	st.index.remove(i)
	delete(st.asked, hash)
	st.live -= size(e)
	st.beside -= beside(e)
	if st.index.used == 0 {
		st.ring.clear()
	}
	return true
}

// evict takes an entry out that has to make room for e, and makes old it, as remove does; or it returns false: there is room.
func (st *store) evict(old, e *Entry) (hash uint64, ok bool) {
	for st.ring.size() > 0 && (!st.hasRoom(e) || st.isSparse() && st.pace > 0) {
		r := st.at(st.ring.first)
		i, found := st.lookup(r.hash())
		spared := st.pace > 0 && (r.is(markUsed) || st.isSparse())
		st.ring.drop(r.size())
		st.pace -= r.size()
		switch {
		case found == nil || &found[0] != &r[0]: // removed
		case spared && st.move(r, i):
		default:
			st.remove(r.hash(), old)
			st.evictions++
			return r.hash(), true
		}
	}
	return 0, false
}

// isSparse reports whether entries that have been removed take much of the ring.
func (st *store) isSparse() bool { return st.ring.size()-st.live > st.ring.size()*3/8 }

// move puts an entry that was just dropped from the ring, that of slot i, behind the newest, or returns false: there is no room.
func (st *store) move(r packed, i int) bool {
	size := r.size()
	if _, ok := st.ring.place(size); !ok {
		st.ring.limit = len(st.ring.memory) // for the few that are at the beginning, which is not free yet
		if _, ok := st.ring.place(size); !ok {
			return false
		}
	}
	hash, offset := r.hash(), st.ring.add(size)
	moved := st.at(offset)
	copy(moved, r[:size]) // they may overlap
	moved[atMarks] &^= markUsed
	st.index.slots.set(i, slotOf(hash, offset))
	return true
}

// all gives each entry, the oldest first.
func (st *store) all(yield func(packed) bool) {
	for offset, left := st.ring.first, st.ring.size(); left > 0; {
		r := st.at(offset)
		if st.index.has(slotOf(r.hash(), offset)) && !yield(r) {
			return
		}
		left -= r.size()
		offset = st.ring.after(offset + r.size())
	}
}

// keys are the hashes of all entries, in no order.
func (st *store) keys() []uint64 {
	keys := make([]uint64, 0, st.index.used)
	for i := range st.index.slots.len() {
		if s := st.index.slots.at(i); s != 0 {
			keys = append(keys, st.at(s.offset()).hash())
		}
	}
	return keys
}

// resize moves what there is to a lot of others, and has their limit from then on.
func (st *store) resize(l *lots, gone func(hash uint64, e *Entry)) {
	other := newStore(l, st.lot, st.slot)
	other.evictions = st.evictions
	var e, old Entry
	for r := range st.all {
		if st.read(r, &e); !other.fits(&e) {
			other.evictions++
			gone(r.hash(), &e)
			continue
		}
		for hash, ok := other.evict(&old, &e); ok; hash, ok = other.evict(&old, &e) {
			gone(hash, &old)
		}
		other.add(r.hash(), &e)
		if r.is(markUsed) {
			other.find(r.hash()).use()
		}
	}
	for _, memory := range [][]byte{st.ring.memory, st.index.slots} {
		st.lots.arena.release(memory)
	}
	*st = other
}
