package cache

import (
	"slices"

	"notyet/wire"
)

// ref says that the negative with hash key denies a name that is not its own.
type ref struct{ denied, key uint64 }

// mostByName is how many negatives may be found by one name, give or take what is under way: a wildcard CNAME, or every type of a
// name, would else make one list of the whole cache, and each removal goes through the list.
const mostByName = 1024

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

// makeRoom takes the oldest negative out that is found by this name if there is no place for the one with this key.
func (c *Cache) makeRoom(name, key uint64) {
	s := c.shard(name)
	s.mu.Lock()
	keys := s.byName[nameBits(name)]
	if len(keys) < mostByName || slices.Contains(keys, key) {
		s.mu.Unlock()
		return
	}
	oldest := keys[0]
	s.mu.Unlock()
	c.dropKey(oldest, anyEntry)
}

// indexDenied lets e be found by the name that its chain leads to. It comes before e is put in, so that whoever
// takes e out can undo it.
func (c *Cache) indexDenied(key uint64, e *Entry) {
	denied, ok := e.denied()
	if !ok {
		return
	}
	c.makeRoom(denied, key)
	s := c.shard(denied)
	s.mu.Lock()
	s.indexLocked(denied, key)
	s.mu.Unlock()
}

// appendDenied notes what is to be undone of indexDenied. The denied name is of another shard, whose lock
// can't be taken while this one's is held.
func (e *Entry) appendDenied(gone []ref, key uint64) []ref {
	denied, ok := e.denied()
	if !ok {
		return gone
	}
	return append(gone, ref{denied, key})
}

func (c *Cache) unindexDenied(gone []ref) {
	for _, r := range gone {
		s := c.shard(r.denied)
		s.mu.Lock()
		s.unindexLocked(r.denied, r.key)
		s.mu.Unlock()
	}
}

// DropNegatives takes out every negative and failure of the name, of all types, and those of a chain that ends in
// it. It returns how many. name is in wire format, lower case.
func (c *Cache) DropNegatives(name []byte) int { return c.drop(c.nameHash(name), anyEntry) }

// DropNXDOMAIN takes out what says that the name doesn't exist: for any type of it, and where a chain ends in it. It
// returns how many. name is in wire format, lower case.
func (c *Cache) DropNXDOMAIN(name []byte) int {
	return c.drop(c.nameHash(name), func(e *Entry) bool { return e.Kind() == wire.NXDOMAIN })
}

func anyEntry(*Entry) bool { return true }

func (c *Cache) drop(name uint64, which func(*Entry) bool) (dropped int) {
	s := c.shard(name)
	s.mu.Lock()
	keys := slices.Clone(s.byName[nameBits(name)])
	s.mu.Unlock()
	for _, key := range keys {
		if c.dropKey(key, which) {
			dropped++
		}
	}
	return dropped
}

// dropKey takes the negative or failure with this key out if which, called under the lock, says so.
func (c *Cache) dropKey(key uint64, which func(*Entry) bool) bool {
	s := c.shard(key)
	s.mu.Lock()
	if !s.negative.load(key, &s.scratch) || !which(&s.scratch) {
		s.mu.Unlock()
		return false
	}
	gone := s.removeNegativeLocked(nil, key)
	s.mu.Unlock()
	c.unindexDenied(gone)
	return true
}
