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

// dueLocked reports whether who asks now is to have the entry, which is e, refreshed: of a positive answer that is one client; of what
// stands in it is one a retryStale, since the upstreams may be back any time.
func (r packed) dueLocked(e *Entry, now int64) bool {
	if e.due == 0 || now < e.stored+int64(e.due)*int64(time.Millisecond) {
		return false
	}
	if e.Stale() {
		r.setDue(e.dueAfter(now, retryStale))
	} else {
		r.setDue(0)
	}
	return true
}

// dueAfter is the due of an entry that is to be refreshed in d.
func (e *Entry) dueAfter(now int64, d time.Duration) uint32 {
	return milliseconds(time.Duration(now-e.stored) + d)
}

// postpone lets e, which has the key k, be refreshed soon, as it could not be now.
func (c *Cache) postpone(k Key, e *Entry, now int64) {
	s := c.shard(k.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range []*store{&s.positive, &s.negative} {
		var current Entry
		if r := st.find(k.hash); r != nil {
			if r.read(&current); current.stored == e.stored && current.matches(k) {
				r.setDue(e.dueAfter(now, retryRefresh))
			}
		}
	}
}
