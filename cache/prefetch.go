package cache

import "time"

// An answer that is asked for in the last tenth of its life is had anew before it ends, if that is long enough for it to be
// worth a question: below, the tenth is less than what a slow upstream takes.
const (
	prefetchPart = 10
	minPrefetch  = 10 * time.Second
)

// retryRefresh is how long after it could not be refreshed an entry is not tried again.
const retryRefresh = 100 * time.Millisecond

// prefetchAt is the due of a positive answer with that lifetime, in milliseconds.
func (c *Cache) prefetchAt(lifetime uint32) uint32 {
	if c.refresh == nil || lifetime < milliseconds(minPrefetch) {
		return 0
	}
	return lifetime - lifetime/prefetchPart
}

// dueLocked reports whether who asks now is to have the entry refreshed: of a positive answer that is one client; of what
// stands in it is one a retryStale, since the upstreams may be back any time.
func (e *Entry) dueLocked(now int64) bool {
	if e.due == 0 || now < e.stored+int64(e.due)*int64(time.Millisecond) {
		return false
	}
	e.due = 0
	if e.Stale() {
		e.dueAfterLocked(now, retryStale)
	}
	return true
}

func (e *Entry) dueAfterLocked(now int64, d time.Duration) {
	e.due = milliseconds(time.Duration(now-e.stored) + d)
}

// postpone lets the entry with key k be refreshed soon, as it could not be now.
func (c *Cache) postpone(k Key, e *Entry, now int64) {
	s := c.shard(k.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.dueAfterLocked(now, retryRefresh)
}
