package cache

import (
	"sync/atomic"
	"time"
)

// Asked connects the negatives of a pending name, whatever their DO and CD, with it: when a client last asked for one, and
// from when on they aren't used. The zero value is ready for use with one cache, by any goroutine; it must not be copied.
// The negatives keep it alive, along with what it is embedded in, until they go.
type Asked struct {
	// Both in nanoseconds since the cache's epoch, plus one; 0: never.
	last atomic.Int64 // not counting what the machine slept, so that LastAsked can tell the moment
	anew atomic.Int64
}

// AskAnew lets Get and Peek pass over the negatives of a from that moment on, so that the next client's question is a
// miss. They stay in the cache, and so does how long they have been seen missing. It holds until PutWatched is given another
// negative of a at that moment or later, which is the news and bears the others out; all of them are used then. Each
// call replaces the one before, also by a later moment.
func (c *Cache) AskAnew(a *Asked, at time.Time) { a.anew.Store(c.since(at) + 1) }

// LastAsked is when a client last asked for a negative of a: the moment of the last Get that found one, or of the last
// Touch, by the clock that they were given by: Slept does not change it. The zero time: never.
func (c *Cache) LastAsked(a *Asked) time.Time {
	last := a.last.Load()
	if last == 0 {
		return time.Time{}
	}
	return c.epoch.Add(time.Duration(last - 1))
}

// Touch notes that a client asked at now, and that Get had nothing for it.
func (c *Cache) Touch(a *Asked, now time.Time) { c.touch(a, c.since(now)) }

func (c *Cache) touch(a *Asked, now int64) {
	if a != nil {
		a.last.Store(now - c.slept.Load() + 1)
	}
}

// stands reports whether the negatives of a may be used.
func (a *Asked) stands(now int64) bool {
	if a == nil {
		return true
	}
	anew := a.anew.Load()
	return anew == 0 || now < anew-1
}

// answered ends an AskAnew whose moment has come.
func (a *Asked) answered(now int64) {
	if a == nil {
		return
	}
	if anew := a.anew.Load(); anew != 0 && now >= anew-1 {
		a.anew.CompareAndSwap(anew, 0) // unless another came in between
	}
}
