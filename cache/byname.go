package cache

import (
	"slices"

	"notyet/wire"
)

// ref says that the negative with hash key denies a name that is not its own.
type ref struct{ denied, key uint64 }

// nameBits are the bits of a key's hash that all keys of a name have in common. Two
// names that share them are dropped together, which costs an exchange and happens once in 2^46.
func nameBits(hash uint64) uint64 { return hash >> 18 }

// indexLocked lets the negative key be found by the name that the hash is of. One that is indexed twice has to be
// unindexed twice: an entry's successor comes before the entry goes.
func (s *shard) indexLocked(name, key uint64) {
	s.byName[nameBits(name)] = append(s.byName[nameBits(name)], key)
}

func (s *shard) unindexLocked(name, key uint64) {
	keys := s.byName[nameBits(name)]
	i := slices.Index(keys, key)
	if i < 0 {
		return
	}
	if keys = slices.Delete(keys, i, i+1); len(keys) == 0 {
		delete(s.byName, nameBits(name))
		return
	}
	s.byName[nameBits(name)] = keys
}

// indexDenied lets e be found by the name that its chain leads to. It comes before e is put in, so that whoever
// takes e out can undo it.
func (c *Cache) indexDenied(key uint64, e *Entry) {
	if e.denied == 0 {
		return
	}
	s := c.shard(e.denied)
	s.mu.Lock()
	s.indexLocked(e.denied, key)
	s.mu.Unlock()
}

// appendDenied notes what is to be undone of indexDenied. The denied name is of another shard, whose lock
// can't be taken while this one's is held.
func (e *Entry) appendDenied(gone []ref, key uint64) []ref {
	if e.denied == 0 {
		return gone
	}
	return append(gone, ref{e.denied, key})
}

func (c *Cache) unindexDenied(gone []ref) {
	for _, r := range gone {
		s := c.shard(r.denied)
		s.mu.Lock()
		s.unindexLocked(r.denied, r.key)
		s.mu.Unlock()
	}
}

// DropNegatives takes out every negative and failure of the name, of all types, and those that say at the end of
// a chain that it doesn't exist. It returns how many. name is in wire format, lower case.
func (c *Cache) DropNegatives(name []byte) int {
	return c.drop(c.nameHash(name), func(wire.Kind) bool { return true })
}

// dropNXDOMAIN takes out what says that the name doesn't exist.
func (c *Cache) dropNXDOMAIN(name []byte) {
	c.drop(c.nameHash(name), func(k wire.Kind) bool { return k == wire.NXDOMAIN })
}

func (c *Cache) drop(name uint64, which func(wire.Kind) bool) (dropped int) {
	s := c.shard(name)
	s.mu.Lock()
	keys := slices.Clone(s.byName[nameBits(name)])
	s.mu.Unlock()
	for _, key := range keys {
		s := c.shard(key)
		s.mu.Lock()
		var gone []ref
		if e := s.negative.peek(key); e != nil && which(e.Kind()) {
			gone = s.removeNegativeLocked(nil, key)
			dropped++
		}
		s.mu.Unlock()
		c.unindexDenied(gone)
	}
	return dropped
}
