package cache

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// numberedEntry has the number and then that many bytes.
func numberedEntry(n uint64, size int) *Entry {
	return &Entry{data: append(binary.BigEndian.AppendUint64(nil, n), make([]byte, size)...), stored: int64(n)}
}

// scattered is a hash for the number, so that those of many are not next to each other in the index.
func scattered(n uint64) uint64 { return n * 0x9E3779B97F4A7C15 }

// keep adds an entry in the place of an older one, and returns what made room for it.
func (st *store) keep(hash uint64, e *Entry) (gone []uint64) {
	var old Entry
	st.remove(hash, &old)
	if !st.fits(e) {
		return nil
	}
	st.add(hash, e)
	for hash, ok := st.evict(&old); ok; hash, ok = st.evict(&old) {
		gone = append(gone, hash)
	}
	return gone
}

func (st *store) has(hash uint64) bool { return st.find(hash) != nil }

func (st *store) use(hash uint64) { st.find(hash).use() }

// wantSound checks that the sums are those of what is there, that the index leads to it, and that the limit is kept.
func (st *store) wantSound(t *testing.T) {
	t.Helper()
	var all, live int64
	for i := range st.chunks {
		all += chunkOverhead + int64(cap(st.chunks[i].bytes))
	}
	found := 0
	lives := make(map[uint32]int)
	for hash, e := range st.all {
		found++
		all += beside(e)
		live += int64(packedLen+len(e.data)) + beside(e)
		i, _ := st.lookup(hash)
		lives[st.index.slots[i].place().chunk] += packedLen + len(e.data)
	}
	for i := range st.chunks {
		if number := st.number(i); st.chunks[i].live != lives[number] {
			t.Fatalf("chunk %d: got %d bytes in the index, want %d", i, st.chunks[i].live, lives[number])
		}
	}
	if found != st.index.used {
		t.Fatalf("got %d entries, want the %d of the index", found, st.index.used)
	}
	if all != st.bytes || live != st.live {
		t.Fatalf("got %d bytes, %d of them live, want %d and %d", st.bytes, st.live, all, live)
	}
	if st.used() > st.limit {
		t.Fatalf("got %d bytes used, want at most %d", st.used(), st.limit)
	}
	if len(st.asked) > st.index.used {
		t.Fatalf("got %d asked of %d entries", len(st.asked), st.index.used)
	}
}

// It does at random what a shard does, and keeps a map beside it.
func TestStoreHasWhatWasPutInAndNotEvicted(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 0))
		st := newStore(32<<10+random.Int64N(1<<20), slotOverhead)
		st.first -= uint32(random.IntN(100)) // the numbers go round
		want := make(map[uint64]*Entry)
		for n := range uint64(10_000) {
			hash := random.Uint64N(3000)
			switch random.IntN(10) {
			case 0:
				var e Entry
				if had := st.remove(hash, &e); had != (want[hash] != nil) || had && !bytes.Equal(e.data, want[hash].data) {
					t.Fatalf("seed %d: got %d removed %v, want %v", seed, hash, had, want[hash] != nil)
				}
				delete(want, hash)
			case 1, 2, 3:
				if st.has(hash) {
					st.use(hash)
				}
			default:
				size := random.IntN(200)
				if random.IntN(100) == 0 {
					size = random.IntN(40_000)
				}
				e := numberedEntry(n, size)
				if random.IntN(4) == 0 {
					e.asked = new(Asked)
				}
				gone := st.keep(hash, e)
				delete(want, hash)
				if st.fits(e) {
					want[hash] = e
				}
				for _, hash := range gone {
					delete(want, hash)
				}
			}
			if n%1000 == 0 {
				st.wantSound(t)
				small := st.limit / 2
				if random.IntN(4) == 0 && small > 32<<10 {
					st.resize(small, func(hash uint64, _ *Entry) { delete(want, hash) })
					st.wantSound(t)
				}
			}
		}
		st.wantSound(t)
		if len(want) != st.index.used {
			t.Fatalf("seed %d: got %d entries, want %d", seed, st.index.used, len(want))
		}
		for hash, e := range want {
			if got := st.peek(hash); !same(got, e) {
				t.Fatalf("seed %d: got %+v, want %+v", seed, got, e)
			}
		}
	}
}

func TestEntryThatIsUsedOutlivesThoseThatAreNot(t *testing.T) {
	t.Parallel()
	st := newStore(64<<10, slotOverhead)
	evicted := 0
	const used = 0
	for hash := uint64(0); evicted < 2000; hash++ {
		evicted += len(st.keep(hash, numberedEntry(hash, 50)))
		if !st.has(used) {
			t.Fatalf("the entry that is used is gone after %d others were", evicted)
		}
		st.use(used)
	}
	if st.has(1) {
		t.Error("the entry that nobody used is there")
	}
}

// An answer that is had anew every few seconds leaves its old bytes behind. They make room, not what was asked for less often.
func TestWhatWasReplacedGoesBeforeWhatIsThere(t *testing.T) {
	t.Parallel()
	st := newStore(256<<10, slotOverhead)
	const kept, renewed = 500, 100
	for hash := range uint64(kept) {
		st.keep(hash, numberedEntry(hash, 50))
	}
	for n := range 50_000 {
		hash := kept + uint64(n%renewed)
		if gone := st.keep(hash, numberedEntry(hash, 50)); gone != nil {
			t.Fatalf("after %d: got %d evicted, want none", n, gone)
		}
	}
	st.wantSound(t)
}

// Nobody waits until a whole chunk has been made room of, also when all of it has a claim to stay.
func TestMakingRoomEvictsLittle(t *testing.T) {
	t.Parallel()
	for name, isUsed := range map[string]bool{"used": true, "unused": false} {
		st := newStore(8<<20, slotOverhead)
		most, all := 0, 0
		for n := range uint64(300_000) {
			hash := scattered(n)
			gone := len(st.keep(hash, numberedEntry(n, 50)))
			most, all = max(most, gone), all+gone
			if isUsed {
				st.use(hash)
			}
		}
		if most > evictPace+1 || all < 100_000 {
			t.Errorf("%s: got %d evicted of which %d for one, want at most %d for one", name, all, most, evictPace+1)
		}
	}
}

func TestLargestEntryThatFitsStays(t *testing.T) {
	t.Parallel()
	for limit := int64(64 << 10); limit < 72<<10; limit += 512 { // the allocator takes whole pages for it
		st := newStore(limit, slotOverhead)
		for n := range uint64(1000) {
			st.keep(scattered(n), numberedEntry(n, 50))
		}
		const large = 1000
		e := numberedEntry(large, int(limit))
		for !st.fits(e) {
			e.data = e.data[:len(e.data)-1]
		}
		if st.keep(large, e); !st.has(large) {
			t.Errorf("one of %d bytes, with a limit of %d, is gone at once", len(e.data), limit)
		}
		st.wantSound(t)
	}
}

func TestBytesOfARemovedEntryStayForWhoReadsIt(t *testing.T) {
	t.Parallel()
	st := newStore(32<<10, slotOverhead)
	st.keep(1, numberedEntry(1, 50))
	var e Entry
	st.load(1, &e)
	for hash := uint64(2); st.evictions < 5000; hash++ {
		st.keep(hash, numberedEntry(hash, 50))
	}
	if st.has(1) || binary.BigEndian.Uint64(e.data) != 1 {
		t.Errorf("got % x in the entry, want it as it was", e.data[:8])
	}
}
