package cache

import (
	"bytes"
	"hash/maphash"

	"github.com/miekg/dns"

	"notyet/wire"
)

// Key is what an entry is kept under: the question, always of class IN, and the flags that change
// the answer. It is made by Cache.Key, since the hash is seeded per cache.
type Key struct {
	Name   []byte // wire format, lower case; the maker owns the bytes
	Type   uint16
	DO, CD bool
	hash   uint64 // of the name in the upper bits, mixed with the rest in the lowest 18
}

// Key makes the key for a question. name is in wire format and in any spelling; its lower-case copy is
// appended to buf, which has to stay untouched as long as the key is used.
func (c *Cache) Key(buf, name []byte, qtype uint16, do, cd bool) Key {
	k := Key{Name: wire.AppendLower(buf, name), Type: qtype, DO: do, CD: cd}
	k.hash = c.nameHash(k.Name) ^ uint64(qtype)<<2
	if do {
		k.hash ^= 2
	}
	if cd {
		k.hash ^= 1
	}
	return k
}

// Hash is a 64-bit hash of the whole key, seeded anew in every process: a client can't choose
// names that collide.
func (k Key) Hash() uint64 { return k.hash }

// Equal reports whether both keys are of the same question.
func (k Key) Equal(o Key) bool {
	return k.hash == o.hash && k.Type == o.Type && k.DO == o.DO && k.CD == o.CD && bytes.Equal(k.Name, o.Name)
}

func (c *Cache) nameHash(name []byte) uint64 { return maphash.Bytes(c.seed, name) }

// matches reports whether the entry answers the key: hashes may collide, names may not.
func (e *Entry) matches(k Key) bool {
	end := wire.HeaderLen + len(k.Name)
	return len(e.data) >= end+4 &&
		e.flags&(flagDO|flagCD) == keyFlags(k) &&
		bytes.Equal(e.data[wire.HeaderLen:end], k.Name) &&
		bytes.Equal(e.data[end:end+4], []byte{byte(k.Type >> 8), byte(k.Type), 0, dns.ClassINET})
}
