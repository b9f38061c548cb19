package cache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// numberedEntry has the number and then that many bytes.
func numberedEntry(n uint64, size int) *Entry {
	return &Entry{data: append(binary.BigEndian.AppendUint64(nil, n), make([]byte, size)...), stored: int64(n)}
}

// scattered is a hash for the number, so that those of many are not next to each other in the index.
func scattered(n uint64) uint64 { return n * 0x9E3779B97F4A7C15 }

// storeOf makes a store with memory of its own.
func storeOf(limit int64) store { return newStore(lotOf(limit), 0, slotOverhead) }

// lotOf makes a lot for one store. What it releases says something else from then on.
func lotOf(limit int64) *lots {
	a := newArena(lotsLen(limit, 1))
	a.release = func(b []byte) {
		for i := range b {
			b[i] = 0xFF
		}
	}
	return newLots(a, limit, 1)
}

// keep adds an entry in the place of an older one, and returns what made room for it.
func (st *store) keep(hash uint64, e *Entry) (gone []uint64) {
	var old Entry
	st.remove(hash, &old)
	if !st.fits(e) {
		return nil
	}
	for hash, ok := st.evict(&old, e); ok; hash, ok = st.evict(&old, e) {
		gone = append(gone, hash)
	}
	st.add(hash, e)
	return gone
}

func (st *store) has(hash uint64) bool { return st.find(hash) != nil }

func (st *store) use(hash uint64) { st.find(hash).use() }

// wantSound checks that the sums are those of what is there, that the index leads to it, and that the limit is kept.
func (st *store) wantSound(t *testing.T) {
	t.Helper()
	found, live, others := 0, 0, int64(0)
	var e Entry
	for r := range st.all {
		found++
		st.read(r, &e)
		live += r.size()
		others += beside(&e)
	}
	if found != st.index.used {
		t.Fatalf("got %d entries, want the %d of the index", found, st.index.used)
	}
	if live != st.live || others != st.beside {
		t.Fatalf("got %d bytes and %d beside, want %d and %d", st.live, st.beside, live, others)
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
		limit := 32<<10 + random.Int64N(1<<20)
		st := storeOf(limit)
		if seed%4 == 0 { // as where there is no other memory
			st = newStore(newLots(heapArena(lotsLen(limit, 1)), limit, 1), 0, slotOverhead)
		}
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
				if limit := st.limit >> 1 << random.IntN(3); random.IntN(4) == 0 && limit > 32<<10 {
					st.resize(lotOf(limit), func(hash uint64, _ *Entry) { delete(want, hash) })
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
	st := storeOf(64 << 10)
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
	st := storeOf(256 << 10)
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

// Nobody waits until room has been made for many others, also when all that is there has a claim to stay.
func TestMakingRoomEvictsLittle(t *testing.T) {
	t.Parallel()
	for name, isUsed := range map[string]bool{"used": true, "unused": false} {
		st := storeOf(8 << 20)
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

func TestMakingRoomSparesFew(t *testing.T) {
	t.Parallel()
	st := storeOf(128 << 10)
	for n := uint64(0); st.evictions < 1000; n++ {
		for r := range st.all { // everything has been asked for
			r.use()
		}
		st.keep(scattered(n), numberedEntry(n, 50))
		spared := -1 // that the new one isn't marked
		for r := range st.all {
			if !r.is(markUsed) {
				spared++
			}
		}
		if spared > evictPace+1 {
			t.Fatalf("got %d put behind the newest for one, want at most %d", spared, evictPace+1)
		}
	}
}

func TestLargestEntryThatFitsStays(t *testing.T) {
	t.Parallel()
	for limit := int64(64 << 10); limit < 72<<10; limit += 512 { // the ring has whole pages
		st := storeOf(limit)
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

// What has been replaced or dropped doesn't take memory until there is no room.
func TestMemoryFollowsWhatIsThere(t *testing.T) {
	t.Parallel()
	st := storeOf(1 << 20)
	const there = 100
	for n := range 100_000 {
		hash := scattered(uint64(n % there))
		st.keep(hash, numberedEntry(hash, 50))
	}
	if got, most := st.ring.size(), 2*st.live; got > most {
		t.Errorf("got %d bytes for %d entries of %d that were replaced often, want at most %d", got, there, st.live/there, most)
	}
	var e Entry
	for n := range uint64(there) {
		st.remove(scattered(n), &e)
	}
	if got := st.ring.size(); got != 0 {
		t.Errorf("got %d bytes once everything was removed, want 0", got)
	}
	st.wantSound(t)
}

// inRAM is how many bytes of it are in RAM.
func inRAM(t testing.TB, memory []byte) (bytes int) {
	t.Helper()
	file, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skipf("it is not known what is in RAM: %v", err)
	}
	defer file.Close()
	const (
		word = 8             // bytes
		ours = 1<<63 | 1<<56 // it is present and mapped nowhere else, as the page is that is all zero until it is written to
	)
	page := os.Getpagesize()
	entries := make([]byte, len(memory)/page*word)
	at, _ := strconv.ParseInt(fmt.Sprintf("%p", memory), 0, 64)
	if _, err := file.ReadAt(entries, at/int64(page)*word); err != nil {
		t.Fatal(err)
	}
	for ; len(entries) > 0; entries = entries[word:] {
		if binary.NativeEndian.Uint64(entries)&ours == ours {
			bytes += page
		}
	}
	return bytes
}

// Small entries take more beside the ring than large ones, whose place they take.
func TestMemoryOfWhatWentIsReleased(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	l := newLots(newArena(lotsLen(limit, 1)), limit, 1)
	st := newStore(l, 0, slotOverhead)
	slack := st.spare + 4*os.Getpagesize()
	for n := range uint64(2000) {
		st.keep(scattered(n), numberedEntry(n, 4000))
	}
	large := inRAM(t, st.ring.memory)
	for n := range uint64(50_000) {
		st.keep(scattered(n), numberedEntry(n, 0))
	}
	st.wantSound(t)
	if got := inRAM(t, st.ring.memory); large < limit*9/10 || got > st.ring.size()+slack {
		t.Errorf("got %d bytes in RAM with %d of large ones and then %d with %d of small ones, want at most %d more", large, limit, got, st.ring.size(), slack)
	}
	if tables, most := inRAM(t, l.tables), len(st.index.slots); tables > most {
		t.Errorf("got %d bytes in RAM for an index of %d", tables, most)
	}

	old := st
	st.resize(newLots(newArena(lotsLen(limit*2, 1)), limit*2, 1), func(uint64, *Entry) { t.Error("an entry is gone") })
	st.wantSound(t)
	for _, memory := range [][]byte{old.ring.memory, l.tables} {
		if got := inRAM(t, memory); got != 0 {
			t.Errorf("got %d bytes of the old memory in RAM", got)
		}
	}
}

// Giving memory back and having it again costs more than an entry does.
func TestFullStoreUsesItsMemoryAgain(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	l := newLots(newArena(lotsLen(limit, 1)), limit, 1)
	st := newStore(l, 0, slotOverhead)
	released := 0
	l.arena.release = func(b []byte) { released += len(b) }
	for n := range uint64(100_000) {
		if n == 50_000 {
			released = 0 // the index has its size
		}
		st.keep(scattered(n), numberedEntry(n, 50))
	}
	if most := st.spare; released > most {
		t.Errorf("got %d bytes released while 50,000 entries took the place of others, want at most %d", released, most)
	}
}

func TestEntryThatWasUsedOnceGoesInTheEnd(t *testing.T) {
	t.Parallel()
	st := storeOf(64 << 10)
	st.keep(0, numberedEntry(0, 50))
	st.use(0)
	n := uint64(1)
	for ; st.has(0) && n < 10_000; n++ {
		st.keep(scattered(n), numberedEntry(n, 50))
	}
	if held := uint64(st.index.used); n < held*3/2 || n > held*3 {
		t.Errorf("got it evicted after %d others, want it between one and two times the %d that there is room for", n, held)
	}
}

func TestWhatIsUsedIsSoAfterAResize(t *testing.T) {
	t.Parallel()
	st := storeOf(64 << 10)
	for n := range uint64(100) {
		st.keep(n, numberedEntry(n, 50))
	}
	st.use(0)
	st.resize(lotOf(32<<10), func(uint64, *Entry) {})
	evictions := st.evictions
	for n := uint64(100); st.evictions < evictions+50; n++ {
		st.keep(n, numberedEntry(n, 50))
	}
	if !st.has(0) || st.has(1) {
		t.Errorf("got the one that was used %v, and another %v; want the first alone", st.has(0), st.has(1))
	}
}
