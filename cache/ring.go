package cache

import "os"

// ring is a queue of entries in one piece of memory. Each is behind the one before, or, when there is no room for it there, at the
// beginning; none is in two pieces.
type ring struct {
	memory []byte
	limit  int // where an entry that is added ends at most; 0 to len(memory)
	first  int // where the oldest entry begins
	next   int // where the newest ends; first, if there is none
	end    int // where the last of those ends that are not at the beginning, when others are

	arena  *arena
	kept   int  // a page's beginning; from here up to first no entry is, but the memory may be in RAM
	behind span // such memory behind all entries, but for what has been added since
}

// span is a part of a ring's memory.
type span struct{ from, to int }

func newRing(a *arena, size int) ring {
	memory := a.take(size)
	return ring{memory: memory, limit: len(memory), arena: a}
}

// size is how many bytes the entries take.
func (r *ring) size() int {
	if r.wrapped() {
		return r.end - r.first + r.next
	}
	return r.next - r.first
}

// wrapped reports whether the newest entries are at the beginning, and the oldest are not.
func (r *ring) wrapped() bool { return r.next < r.first }

// place is where an entry of that many bytes would begin, and whether there is room for it.
func (r *ring) place(size int) (offset int, ok bool) {
	switch {
	case r.wrapped():
		return r.next, r.next+size < r.first // if it ended at first, the ring would look empty
	case r.next+size <= r.limit:
		return r.next, true
	}
	return 0, size < r.first
}

// add puts an entry behind the newest, for which there must be room, and returns where it begins.
func (r *ring) add(size int) (offset int) {
	offset, _ = r.place(size)
	if offset < r.next {
		r.end, r.behind = r.next, span{}
	}
	r.next = offset + size
	return offset
}

// drop takes the oldest entry out, whose bytes stay as they are until the next release.
func (r *ring) drop(size int) {
	wrapped := r.wrapped()
	switch r.first += size; {
	case wrapped && r.first == r.end:
		r.behind = span{r.kept, r.end}
		r.first, r.kept = 0, 0
	case r.first == r.next:
		r.clear()
	}
}

// clear takes all entries out.
func (r *ring) clear() {
	end := r.next
	if r.wrapped() {
		end = r.end
	}
	r.behind = span{0, max(end, r.behind.to)}
	r.first, r.next, r.kept = 0, 0, 0
}

// after is where the entry begins that follows the one that ends there.
func (r *ring) after(end int) int {
	if r.wrapped() && end == r.end {
		return 0
	}
	return end
}

// release gives whole pages that no entry is in back to the system, where there are more than least bytes of them.
func (r *ring) release(least int) {
	used, page := pages(r.next), os.Getpagesize()
	if from, to := max(r.behind.from, used), pages(r.behind.to); to-from > least {
		r.arena.release(r.memory[from:to])
		r.behind = span{}
	}
	from, to := r.kept, r.first/page*page
	if r.wrapped() {
		from = max(from, used)
	}
	if to-from > least {
		r.arena.release(r.memory[from:to])
		r.kept = to
	}
}
