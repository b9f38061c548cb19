package cache

import "testing"

func TestTablesOfASizeAreSideBySideAndOverlapNoOthers(t *testing.T) {
	t.Parallel()
	const limit, stores = 1 << 20, 5
	l := newLots(heapArena(lotsLen(limit, stores)), limit, stores)
	at, size := 0, l.least()
	for n := byte(1); at < len(l.tables); size *= 2 {
		for lot := range stores {
			table := l.table(lot, size)
			if len(table) != size || cap(table) != size {
				t.Fatalf("got a table of %d bytes of %d, want %d", len(table), cap(table), size)
			}
			for i := range table {
				table[i] = n
			}
			for i, b := range l.tables {
				if mine := i >= at && i < at+size; mine != (b == n) {
					t.Fatalf("byte %d is in the table of %d bytes of lot %d: %v, want %v", i, size, lot, !mine, mine)
				}
			}
			at, n = at+size, n+1
		}
	}
	if most := limit / (packedLen + slotOverhead); size/2/slotLen*3/4 < most {
		t.Errorf("got %d bytes for the largest table, want room for %d entries", size/2, most)
	}
}

func TestStoresWithLotsSideBySideKeepToTheirOwn(t *testing.T) {
	t.Parallel()
	const limit, stores, entries = 256 << 10, 3, 20_000
	l := newLots(newArena(lotsLen(limit, stores)), limit, stores)
	var all []store
	for lot := range stores {
		all = append(all, newStore(l, lot, slotOverhead))
	}
	for n := range uint64(entries) {
		all[n%stores].keep(scattered(n), numberedEntry(n, 10))
	}
	for lot := range all {
		all[lot].wantSound(t)
	}
	for n := uint64(entries - 1000); n < entries; n++ {
		for lot := range uint64(stores) {
			if got, want := all[lot].has(scattered(n)), lot == n%stores; got != want {
				t.Fatalf("got entry %d in store %d: %v, want %v", n, lot, got, want)
			}
		}
	}
}
