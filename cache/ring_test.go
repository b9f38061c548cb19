package cache

import (
	"math/rand/v2"
	"os"
	"testing"
)

// It adds and drops at random, beside a list of what should be there, and knows which pages have been written to.
func TestRingHasWhatWasAddedAndNoMoreMemoryThanThat(t *testing.T) {
	t.Parallel()
	page := os.Getpagesize()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		a := newArena(16 * page)
		memory := a.memory
		offsetOf := func(b []byte) int { return len(memory) - cap(b) }
		written := make(map[int]bool) // pages
		type entry struct{ offset, size int }
		var there []entry // the oldest first
		a.release = func(b []byte) {
			for p := offsetOf(b[:0]) / page; len(b) > 0; p, b = p+1, b[page:] {
				delete(written, p)
				for _, e := range there {
					if e.offset/page <= p && p <= (e.offset+e.size-1)/page {
						t.Fatalf("seed %d: page %d was released, where %v is", seed, p, e)
					}
				}
			}
		}
		r := newRing(a, len(memory))
		least := page * random.IntN(3)
		full := 0
		for range 20_000 {
			size := 1 + random.IntN(page/8)
			if random.IntN(20) == 0 {
				size = 1 + random.IntN(len(memory)/2)
			}
			offset, ok := r.place(size)
			switch {
			case random.IntN(2000) == 0:
				r.clear()
				there = nil
			case !ok || len(there) > 0 && random.IntN(3) == 0:
				if !ok {
					full++
				}
				if len(there) == 0 || r.first != there[0].offset {
					t.Fatalf("seed %d: got no room for %d bytes, or the oldest at %d: %v", seed, size, r.first, there)
				}
				r.drop(there[0].size)
				there = there[1:]
			default:
				r.release(least)
				if got := r.add(size); got != offset || got+size > len(memory) {
					t.Fatalf("seed %d: got %d bytes at %d, want them at %d", seed, size, got, offset)
				}
				there = append(there, entry{offset, size})
				for p := offset / page; p <= (offset+size-1)/page; p++ {
					written[p] = true
				}
				if got, most := len(written)*page, r.size()+2*least+4*page; got > most {
					t.Fatalf("seed %d: got %d bytes in RAM, want at most %d", seed, got, most)
				}
			}
			used, next := 0, r.first
			for _, e := range there {
				used += e.size
				if next != e.offset {
					t.Fatalf("seed %d: got an entry at %d, want it at %d", seed, next, e.offset)
				}
				next = r.after(e.offset + e.size)
			}
			if r.size() != used {
				t.Fatalf("seed %d: got %d bytes, want %d", seed, r.size(), used)
			}
		}
		if full == 0 {
			t.Errorf("seed %d: it was never full", seed)
		}
	}
}
