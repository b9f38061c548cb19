package cache

import (
	"encoding/binary"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// What RFC 8767, section 5, recommends for an answer that stands in.
const (
	staleTTL    = 30 * time.Second // the TTL it is given with, as often as it is given
	standsInFor = 30 * time.Second // how long it is given at once, until somebody waits for the upstreams again
)

// retryStale is how long after what stands in was made the next question has the upstreams asked again, behind: as
// long as a failure is remembered at least (RFC 9520, section 3.2), so that the news is had soon after they are back.
const retryStale = 1 * time.Second

// StandIn returns what answers k when the upstreams don't: the positive answer that has not been replaced, if it is fresh; or if
// its TTL has been over for Config.Stale at most, that answer with TTLs of 30 s and an extended error, which says that it
// is stale and then reason, as wire.AppendEDE makes it. For 30 s Get returns that too. It returns nil when
// there is neither.
func (c *Cache) StandIn(k Key, reason []byte, now time.Time) *Entry {
	t := c.since(now)
	c.makeRoom(k.hash, k.hash)
	s := c.shard(k.hash)
	s.mu.Lock()
	var known Entry
	if !c.mayStandInLocked(s, &known, k, t) {
		s.mu.Unlock()
		return nil
	}
	e := c.newStandIn(&known, reason, t)
	gone := s.putNegativeLocked(k.hash, e)
	if known.fresh(t) {
		e = known.Clone() // what was made takes over when its time is up
	}
	s.mu.Unlock()
	c.unindexDenied(gone)
	return e
}

// mayStandInLocked makes e the positive answer to k that is fresh or stale, and reports whether there is one.
func (c *Cache) mayStandInLocked(s *shard, e *Entry, k Key, now int64) bool {
	stale := c.config.Load().Stale
	return stale > 0 && s.positive.load(k.hash, e) && e.flags&flagNoStale == 0 && now < e.expires()+int64(stale) && e.matches(k)
}

// newStandIn makes what stands in for a newer answer, of the positive one that is known.
func (c *Cache) newStandIn(known *Entry, reason []byte, now int64) *Entry {
	ede := wire.AppendEDE(nil, dns.ExtendedErrorCodeStaleAnswer, "notyet: past its TTL")
	end := int(known.length) + 2*int(known.ttls)
	data := make([]byte, 0, end+len(ede)+len(reason))
	data = append(data, known.data[:end]...)
	ttl := uint32(min(staleTTL, c.config.Load().MaxTTL) / time.Second)
	for o := known.offsets(); len(o) > 0; o = o[2:] {
		binary.BigEndian.PutUint32(data[binary.BigEndian.Uint16(o):], ttl)
	}
	left := time.Duration(known.expires()-now) + c.config.Load().Stale
	e := &Entry{
		data: append(append(data, ede...), reason...), stored: now, lifetime: milliseconds(min(standsInFor, left)),
		length: known.length, ttls: known.ttls, answers: known.answers, authorities: known.authorities, rcode: known.rcode,
		// What was validated is so until its TTL is over (RFC 4035, section 5.3.3).
		flags: known.flags&^flagAD | flagStale,
	}
	if c.refresh != nil {
		e.due = milliseconds(retryStale)
	}
	return e
}

// isVerdict reports whether an extended error says that the upstream had an answer, and did not give it because it is bogus
// (RFC 8914, sections 4.7 to 4.13) or unwanted (4.16 to 4.19). An older answer would get around that.
func isVerdict(ede []byte) bool {
	const code = 4 // its offset in the option
	if len(ede) < code+2 {
		return false
	}
	c := binary.BigEndian.Uint16(ede[code:])
	return c >= dns.ExtendedErrorCodeDNSBogus && c <= dns.ExtendedErrorCodeNSECMissing ||
		c >= dns.ExtendedErrorCodeBlocked && c <= dns.ExtendedErrorCodeProhibited
}

// dropStale takes out what is or may become stale of the answer to k.
func (c *Cache) dropStale(k Key, now int64) {
	s := c.shard(k.hash)
	s.mu.Lock()
	var e Entry
	if s.positive.load(k.hash, &e) && !e.fresh(now) && e.matches(k) {
		s.positive.remove(k.hash, &e)
	}
	s.mu.Unlock()
	c.dropKey(k.hash, (*Entry).Stale)
}
