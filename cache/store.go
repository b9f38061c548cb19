package cache

import "slices"

// What an entry takes beside its packed bytes. Measured (Go 1.26, amd64) with 4 to 40 MiB full of small answers and up to
// thirty changes an entry; TestMemoryStaysWithinItsBound checks that the heap grows by about these sums.
const (
	slotOverhead  = 24  // bytes: its slot in the index, of 8 bytes, five eighths of which may be free
	refOverhead   = 100 // bytes: a negative's place under its name, of 41 bytes, in a map that may be half empty
	chainOverhead = 130 // bytes: its place under the name that a chain leads to, with the growth of the map that both bring about
	askedOverhead = 76  // bytes: its Asked, which it may be the last to hold, and that one's place in a map
	chunkOverhead = 80  // bytes: a chunk's place in the list of all, which may be half empty
)

// maxChunks is how many there are at most.
const maxChunks = 1<<chunkBits - 1

// The largest chunks are a thirty-second of the limit within these bounds, in bytes, and none is larger than all before it.
// Large ones are few, each of which a garbage collection has to look at.
const (
	minChunk = 1 << 10
	maxChunk = 1 << 20
)

// evictPace is how many bytes of the oldest chunk are looked at for each that is put in, when the next chunk would exceed the
// limit. The oldest may have to be put behind the newest but for a quarter, and is gone before that one is full.
const evictPace = 8

// store holds entries in few large pieces of memory without pointers, chunks, so that the garbage collector has next to nothing
// to look at. When there is no room for one more the oldest goes, and with it those of its entries that nobody asked for
// since they were put there; the others are put behind the newest. That is nearly the order of use, and a hit moves nothing. It
// goes bit by bit, so that nobody waits for all of it.
type store struct {
	index  index   // hash of a key → where its entry is
	chunks []chunk // the oldest first
	first  uint32  // number of chunks[0]; the others are numbered on from there, round and round
	asked  map[uint64]*Asked
	open   int // index in chunks of the one that takes small entries; -1: none
	next   int // where in the oldest chunk eviction goes on
	moved  int // bytes of the oldest chunk that were put behind the newest
	pace   int // bytes of it that eviction may look at until the next entry is added

	bytes     int64 // of all chunks, and of what entries take beside
	live      int64 // of them, those of entries that can be found
	limit     int64
	slots     int64 // the most entries there have been: neither index nor maps shrink
	slot      int64 // bytes that each of them takes
	evictions uint64
}

// place is the number of a chunk, below 1 << chunkBits, and where in it an entry begins.
type place struct{ chunk, offset uint32 }

// chunk has packed entries one behind the other. What has been written stays as long as anybody reads it: a removed entry only
// leaves the index, and the bytes are never used again.
type chunk struct {
	bytes []byte // nil: nothing leads to it
	live  int    // bytes of entries that are in the index
}

func newStore(limit, slot int64) store {
	return store{index: newIndex(), asked: make(map[uint64]*Asked), open: -1, limit: limit, slot: slot}
}

// used is what the entries take, in bytes.
func (st *store) used() int64 { return st.bytes + st.slots*st.slot }

// cost is the most that an entry takes beside its slot, in bytes: with a chunk to itself.
func cost(e *Entry) int64 { return chunkOverhead + int64(allocated(packedLen+len(e.data))) + beside(e) }

const smallObject = 32 << 10 // bytes; the allocator has classes of sizes up to that, and takes whole pages for more

// allocated is the most that the allocator takes for n bytes.
func allocated(n int) int {
	const page = 8 << 10
	if n <= smallObject {
		return n + n/8
	}
	return (n + page - 1) &^ (page - 1)
}

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
func (st *store) fits(e *Entry) bool { return cost(e)+max(st.slots, 1)*st.slot <= st.limit }

// find returns the entry of the key with that hash, or nil.
func (st *store) find(hash uint64) packed {
	_, r := st.lookup(hash)
	return r
}

// lookup is find that also returns the entry's slot.
func (st *store) lookup(hash uint64) (i int, r packed) {
	x := &st.index
	for i = x.home(hash); x.slots[i] != 0; i = x.after(i) {
		if s := x.slots[i]; s.mayBe(hash) {
			if r := st.at(s.place()); r.hash() == hash {
				return i, r
			}
		}
	}
	return i, nil
}

// at is the entry at that place.
func (st *store) at(p place) packed { return packed(st.chunk(p.chunk).bytes[p.offset:]) }

func (st *store) chunk(number uint32) *chunk { return &st.chunks[(number-st.first)%(maxChunks+1)] }

// number is that of chunks[i].
func (st *store) number(i int) uint32 { return (st.first + uint32(i)) % (maxChunks + 1) }

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

// peek is load into an entry of its own; nil: there is none.
func (st *store) peek(hash uint64) *Entry {
	var e Entry
	if !st.load(hash, &e) {
		return nil
	}
	return new(e)
}

// add puts the entry in; there must be none with the same hash. The caller makes room with evict.
func (st *store) add(hash uint64, e *Entry) {
	number := st.room(packedLen + len(e.data))
	c := st.chunk(number)
	offset := len(c.bytes)
	c.bytes = appendPacked(c.bytes, hash, e)
	c.live += len(c.bytes) - offset
	st.pace = evictPace * (len(c.bytes) - offset)
	st.index.add(slotOf(hash, place{number, uint32(offset)}))
	st.live += int64(len(c.bytes)-offset) + beside(e)
	st.bytes += beside(e)
	if e.asked != nil {
		st.asked[hash] = e.asked
	}
	st.slots = max(st.slots, int64(st.index.used))
}

// room returns the number of a chunk with that many bytes to spare. The oldest of several takes no more, as it goes next.
func (st *store) room(size int) uint32 {
	if st.open > 0 || st.open == 0 && len(st.chunks) == 1 {
		if c := &st.chunks[st.open]; cap(c.bytes)-len(c.bytes) >= size {
			return st.number(st.open)
		}
	}
	most := st.largest()
	want := max(min(int(st.bytes), most), minChunk)
	if size > most/4 {
		want = size // of its own, so that the rest of the open one is not lost
	} else {
		st.open = len(st.chunks)
	}
	bytes := reserve(max(want, size))
	st.chunks = append(st.chunks, chunk{bytes: bytes})
	st.bytes += chunkOverhead + int64(cap(bytes))
	return st.number(len(st.chunks) - 1)
}

// largest is how large a chunk of several entries may be, in bytes.
func (st *store) largest() int { return max(min(int(st.limit/32), maxChunk), minChunk) }

// reserve returns room for n bytes, and for what the allocator adds to them. Much of it is not in RAM before it is written to.
func reserve(n int) []byte {
	if n <= smallObject {
		return slices.Grow([]byte(nil), n)
	}
	return make([]byte, 0, allocated(n))
}

// remove takes the entry with that hash out and makes e it, as load does.
func (st *store) remove(hash uint64, e *Entry) bool {
	i, r := st.lookup(hash)
	if r == nil {
		return false
	}
	number := st.index.slots[i].place().chunk
	st.read(r, e)
	st.index.remove(i)
	delete(st.asked, hash)
	size := r.size()
	st.live -= int64(size) + beside(e)
	st.bytes -= beside(e)
	c := st.chunk(number)
	if c.live -= size; c.live == 0 && number != st.number(st.open) {
		st.bytes -= int64(cap(c.bytes))
		c.bytes = nil
	}
	return true
}

// evict takes an entry out and makes e it while a limit is exceeded, or while it would be with another chunk and the pace allows
// it; otherwise it returns false.
func (st *store) evict(e *Entry) (hash uint64, ok bool) {
	for len(st.chunks) > 0 && st.exceeds(st.limit) || len(st.chunks) > 1 && st.exceeds(st.limit-int64(st.largest())) {
		if st.open == 0 {
			st.open = -1
		}
		for st.next < len(st.chunks[0].bytes) {
			if st.pace <= 0 && !st.exceeds(st.limit) {
				return 0, false
			}
			r := packed(st.chunks[0].bytes[st.next:])
			i, found := st.lookup(r.hash())
			st.next += r.size()
			st.pace -= r.size()
			switch {
			case found == nil || &found[0] != &r[0]: // removed
			case st.spares(r):
				st.move(r, i)
			default:
				st.remove(r.hash(), e)
				st.evictions++
				return r.hash(), true
			}
		}
		st.dropOldest()
	}
	return 0, false
}

// exceeds reports whether more is used than that, or there are as many chunks as there are numbers for.
func (st *store) exceeds(bytes int64) bool { return st.used() > bytes || len(st.chunks) >= maxChunks }

// spares reports whether an entry of the oldest chunk stays: one that was used, or any if there is much to be had from what is
// not used any more. A quarter of the chunk is given up in any case, so that room for one entry is not made at the cost of
// moving all others.
func (st *store) spares(r packed) bool {
	return st.moved+r.size() <= cap(st.chunks[0].bytes)*3/4 && (r.is(markUsed) || st.bytes-st.live > st.limit*3/8)
}

// move puts an entry of the oldest chunk, that of slot i, behind the newest.
func (st *store) move(r packed, i int) {
	size := r.size()
	st.moved += size
	st.chunks[0].live -= size
	number := st.room(size)
	c := st.chunk(number)
	offset := len(c.bytes)
	c.bytes = append(c.bytes, r[:size]...)
	packed(c.bytes[offset:])[atMarks] &^= markUsed
	c.live += size
	st.index.slots[i] = slotOf(r.hash(), place{number, uint32(offset)})
}

func (st *store) dropOldest() {
	st.bytes -= chunkOverhead + int64(cap(st.chunks[0].bytes))
	st.chunks[0] = chunk{}
	st.chunks = st.chunks[1:]
	st.first++
	st.open = max(st.open-1, -1)
	st.next, st.moved = 0, 0
}

// all gives each entry, the oldest first. Its bytes are the store's; e is used for all of them.
func (st *store) all(yield func(hash uint64, e *Entry) bool) {
	var e Entry
	for i := range st.chunks {
		number, bytes := st.number(i), st.chunks[i].bytes
		for offset := 0; offset < len(bytes); {
			r := packed(bytes[offset:])
			if st.index.has(slotOf(r.hash(), place{number, uint32(offset)})) {
				st.read(r, &e)
				if !yield(r.hash(), &e) {
					return
				}
			}
			offset += r.size()
		}
	}
}

// keys are the hashes of all entries, in no order.
func (st *store) keys() []uint64 {
	keys := make([]uint64, 0, st.index.used)
	for _, s := range st.index.slots {
		if s != 0 {
			keys = append(keys, st.at(s.place()).hash())
		}
	}
	return keys
}

// resize changes the limit. The entries that there is no room for any more are given to gone; the others get an index of their size.
func (st *store) resize(limit int64, gone func(hash uint64, e *Entry)) {
	if st.limit = limit; st.used() <= limit {
		return
	}
	smaller := newStore(limit, st.slot)
	smaller.evictions = st.evictions
	var old Entry
	for hash, e := range st.all {
		if !smaller.fits(e) {
			smaller.evictions++
			gone(hash, e)
			continue
		}
		smaller.add(hash, e)
		if st.find(hash).is(markUsed) {
			smaller.find(hash).use()
		}
		for hash, ok := smaller.evict(&old); ok; hash, ok = smaller.evict(&old) {
			gone(hash, &old)
		}
	}
	*st = smaller
}
