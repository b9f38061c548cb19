package cache

// lots is memory for stores with the same limit, a lot for each. Indexes of the same size are next to each other: few page
// tables lead to them, so the CPU has at hand where their pages are, which far apart took it longer than the look itself.
type lots struct {
	arena  *arena // which the stores take their rings from
	limit  int64  // of a store, in bytes
	stores int
	tables []byte // for the indexes: the least of all stores, then those of twice the size, and so on
}

func newLots(a *arena, limit int64, stores int) *lots {
	return &lots{arena: a, limit: limit, stores: stores, tables: a.take(stores * tablesLen(limit))}
}

// lotsLen is how many bytes of an arena so many lots take.
func lotsLen(limit int64, stores int) int { return stores * (pages(int(limit)) + tablesLen(limit)) }

// table is where the index of that lot is while it has so many bytes: the least number, or that doubled any number of times. It is
// all zero when it is had for the first time.
func (l *lots) table(lot, size int) slots {
	from := l.stores*(size-l.least()) + lot*size
	return slots(l.tables[from:][:size:size])
}

// least is how many bytes an index has that has not grown: whole pages, since those are what is released.
func (l *lots) least() int { return pages(minSlots * slotLen) }

// tablesLen is how many bytes all tables of a lot have.
func tablesLen(limit int64) int {
	size := pages(minSlots * slotLen)
	all := size
	for ; int64(size/slotLen)*3/4 < limit/(packedLen+slotOverhead); all += size {
		size *= 2
	}
	return all
}
