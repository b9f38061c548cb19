package watch

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// knownFor is how long after its last positive answer a question is known to have one.
	knownFor = time.Hour
	// maxKnown bounds the questions that are known, to about 4 MiB at knownBytes each.
	maxKnown   = 32_768
	knownBytes = 128 // bytes: a list element of 80 and a place in a map
)

// known are the questions, by name and type, that have had a positive answer lately. It is safe for concurrent use.
type known struct {
	mu  sync.Mutex
	lru *simplelru.LRU[uint64, fact] // hash of name and type, seeded → what is known
}

// fact is what is known of one question.
type fact struct {
	until int64 // Unix time in seconds
	own   bool  // it was pending, and its own servers had it; the upstream has not been asked since
}

func newKnown() *known {
	// The only error is a size below one.
	lru, _ := simplelru.NewLRU[uint64, fact](maxKnown, nil)
	return &known{lru: lru}
}

func (k *known) has(id uint64, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.lru.Get(id)
	return ok && now.Unix() < f.until
}

// peek is has without a trace.
func (k *known) peek(id uint64, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.lru.Peek(id)
	return ok && now.Unix() < f.until
}

// upstreamHas notes a positive answer of the upstream. It reports whether the zone's own servers had shown it before,
// when it was pending: the two see the same zone.
func (k *known) upstreamHas(id uint64, now time.Time) (agreed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.lru.Peek(id)
	k.lru.Add(id, fact{until: now.Add(knownFor).Unix()})
	return ok && f.own
}

// allHave notes that all servers of the zone have it; pending says that they had not.
func (k *known) allHave(id uint64, pending bool, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lru.Add(id, fact{until: now.Add(knownFor).Unix(), own: pending})
}

// forget notes that nobody has it any more.
func (k *known) forget(id uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lru.Remove(id)
}

func (k *known) len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lru.Len()
}
