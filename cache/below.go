package cache

import (
	"encoding/binary"

	"notyet/wire"
)

// DropNegativesBelow takes out every negative and failure of the zone's apex and of all names below it, and those of a
// chain that ends there. It returns how many. zone is in wire format, lower case. It looks at each negative that there
// is, and holds a lock for one at a time.
func (c *Cache) DropNegativesBelow(zone []byte) (dropped int) {
	var r wire.Reply // for each chain, so that the TTLs are allocated once
	return c.dropNegatives(func(e *Entry) bool { return e.isBelow(zone, &r) })
}

// DropFailures takes out every failure, and returns how many there were. It holds locks as DropNegativesBelow does.
func (c *Cache) DropFailures() (dropped int) {
	return c.dropNegatives(func(e *Entry) bool { return e.Kind() == wire.Failure })
}

// dropNegatives takes out every negative or failure of which which, called under a lock, says so.
func (c *Cache) dropNegatives(which func(*Entry) bool) (dropped int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		keys := s.negative.keys()
		s.mu.Unlock()
		for _, key := range keys {
			if c.dropKey(key, which) {
				dropped++
			}
		}
	}
	return dropped
}

// isBelow reports whether the qname or the denied name is the zone's apex or below it. r is overwritten.
func (e *Entry) isBelow(zone []byte, r *wire.Reply) bool {
	name := e.qname()
	if wire.IsSubdomain(name, zone) {
		return true
	}
	if _, ok := e.denied(); !ok {
		return false
	}
	qtype := binary.BigEndian.Uint16(e.data[wire.HeaderLen+len(name):])
	var buf [wire.MaxName]byte
	return wire.ParseReply(e.message(), name, qtype, r) == nil && wire.IsSubdomain(r.Target(buf[:0]), zone)
}

// qname is the name asked for, in lower case. The bytes are the entry's.
func (e *Entry) qname() []byte {
	end := wire.HeaderLen
	for e.data[end] != 0 {
		end += 1 + int(e.data[end])
	}
	return e.data[wire.HeaderLen : end+1]
}
