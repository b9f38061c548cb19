package cache

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// It does at random what a store does, and keeps a map beside it. The hashes are few, so that slots are in each other's way.
func TestIndexLeadsToWhatWasAddedAndNotRemoved(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		var x index
		x.moveTo(make(slots, 8*slotLen))
		want := make(map[slot]bool)
		for range 20_000 {
			hash := random.Uint64N(1 + seed*seed) // one long row
			if seed%2 == 1 {
				hash = random.Uint64N(1+seed*seed*10) * 8 // many short ones
			}
			s := slotOf(hash, random.IntN(16))
			switch there := x.has(s); {
			case there != want[s]:
				t.Fatalf("seed %d: got slot %#x there: %v, want %v", seed, s, there, want[s])
			case there:
				i := x.home(s.hash())
				for x.slots.at(i) != s {
					i = x.after(i)
				}
				x.remove(i)
				delete(want, s)
			case random.IntN(3) > 0:
				if x.isFull() {
					x.moveTo(make(slots, 2*len(x.slots)))
				}
				x.add(s)
				want[s] = true
			}
		}
		if x.used != len(want) || x.used > x.slots.len()*3/4 {
			t.Errorf("seed %d: got %d slots of %d used, want %d and at most three quarters", seed, x.used, x.slots.len(), len(want))
		}
		for s := range want {
			if !x.has(s) {
				t.Errorf("seed %d: slot %#x is not found", seed, s)
			}
		}
	}
}

func TestSlotHasAPlaceAndPartOfAHash(t *testing.T) {
	t.Parallel()
	const like = 1 << hashBits
	for _, hash := range []uint64{0, 1, like - 1, like, 1<<64 - 1, 0xDEAD_BEEF_CAFE_F00D} {
		for _, offset := range []int{0, 1, 1<<offsetBits - 1} {
			s := slotOf(hash, offset)
			if s == 0 || s.offset() != offset || s.hash() != hash%like {
				t.Errorf("hash %#x at %#x: got %#x, which has %#x at %#x", hash, offset, s, s.hash(), s.offset())
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
	st := storeOf(64 << 10)
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

func TestLockAndWhatLeadsToAPositiveAreOnOneCacheLine(t *testing.T) {
	t.Parallel()
	const line = 64 // bytes
	all, one := reflect.TypeFor[Cache](), reflect.TypeFor[shard]()
	shards, _ := all.FieldByName("shards")
	positive, _ := one.FieldByName("positive")
	ring, _ := positive.Type.FieldByName("ring")
	memory, _ := ring.Type.FieldByName("memory")
	if one.Field(0).Name != "mu" || one.Size()%line != 0 || (shards.Offset+8)%line != 0 || positive.Offset+ring.Offset+memory.Offset+memory.Type.Size() > line {
		t.Errorf("got shards of %d bytes from %d on, and the memory at %d of one", one.Size(), shards.Offset, positive.Offset+ring.Offset+memory.Offset)
	}
}
