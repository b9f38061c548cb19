package cache

import (
	"math/rand/v2"
	"testing"
)

// It does at random what a store does, and keeps a map beside it. The hashes are few, so that slots are in each other's way.
func TestIndexLeadsToWhatWasAddedAndNotRemoved(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		x := newIndex()
		want := make(map[slot]bool)
		for range 20_000 {
			s := slotOf(random.Uint64N(1+seed*seed*10), place{random.Uint32N(4), random.Uint32N(4)})
			switch i := slotIn(&x, s); {
			case want[s] != (i >= 0):
				t.Fatalf("seed %d: got slot %#x at %d, want it there: %v", seed, s, i, want[s])
			case i >= 0:
				x.remove(i)
				delete(want, s)
			case random.IntN(3) > 0:
				x.add(s)
				want[s] = true
			}
		}
		if x.used != len(want) || x.used > len(x.slots)*3/4 {
			t.Errorf("seed %d: got %d slots of %d used, want %d and at most three quarters", seed, x.used, len(x.slots), len(want))
		}
		for s := range want {
			if !x.has(s) {
				t.Errorf("seed %d: slot %#x is not found", seed, s)
			}
		}
	}
}

// slotIn is where the slot is, or -1.
func slotIn(x *index, s slot) int {
	for i := range x.slots {
		if x.slots[i] == s {
			return i
		}
	}
	return -1
}

func TestSlotHasAPlaceAndPartOfAHash(t *testing.T) {
	t.Parallel()
	const like = 1 << hashBits
	for _, hash := range []uint64{0, 1, like - 1, like, 1<<64 - 1, 0xDEAD_BEEF_CAFE_F00D} {
		for _, p := range []place{{}, {1, 1}, {maxChunks, maxChunk - 1}, {maxChunks, 0}, {0, maxChunk - 1}} {
			s := slotOf(hash, p)
			if s == 0 || s.place() != p || s.hash() != hash%like {
				t.Errorf("hash %#x at %v: got %#x, which has %#x at %v", hash, p, s, s.hash(), s.place())
			}
			if !s.mayBe(hash) || !s.mayBe(hash^like) || s.mayBe(hash^1) || s.mayBe(hash^like>>1) {
				t.Errorf("hash %#x: %#x is taken for another one's", hash, s)
			}
		}
	}
}

// Two keys whose hashes are the same but for what a slot doesn't have of them.
func TestEntriesWithHashesAlikeAreToldApart(t *testing.T) {
	t.Parallel()
	st := newStore(64<<10, slotOverhead)
	const one, other = 5, 5 | 1<<hashBits
	st.keep(one, numberedEntry(1, 50))
	if st.has(other) {
		t.Fatal("an entry is found with a hash that is like its own")
	}
	st.keep(other, numberedEntry(2, 50))
	var e Entry
	if !st.remove(one, &e) || !same(&e, numberedEntry(1, 50)) {
		t.Errorf("got %+v removed, want the first", e)
	}
	if got := st.peek(other); !same(got, numberedEntry(2, 50)) || st.has(one) {
		t.Errorf("got %+v and still the first: %v, want the second alone", got, st.has(one))
	}
}

// Chunks are numbered with the bits that a slot has for them: there must not be more.
func TestChunksAreNotMoreThanThereAreNumbers(t *testing.T) {
	t.Parallel()
	st := newStore(1<<40, slotOverhead)
	st.keep(0, numberedEntry(0, 0))  // keeps the first chunk
	e := numberedEntry(1, maxChunk)  // has a chunk to itself, which is gone when it is replaced
	for len(st.chunks) < maxChunks { // what replacing it often leaves
		st.chunks = append(st.chunks, chunk{})
		st.bytes += chunkOverhead
	}
	for range 10 {
		st.keep(1, e)
		if got := st.peek(1); len(st.chunks) > maxChunks || !same(got, e) {
			t.Fatalf("got %d chunks, want at most %d; the entry is there: %v", len(st.chunks), maxChunks, got != nil)
		}
	}
}
