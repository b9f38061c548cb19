package upstream

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"

	"notyet/wire"
)

// maxMisspelled is how many replies in a row may spell the qname otherwise than the query, before an upstream is taken to be
// one that does so always. A forger would have to guess the id and the port of as many queries that follow each other.
const maxMisspelled = 3

// spelling is whether an upstream keeps the spelling of a query in its reply, as nearly all do.
type spelling struct {
	log        *slog.Logger
	misspelled atomic.Int32 // replies in a row; from maxMisspelled on it stays
}

// kept reports whether spellings are of use.
func (s *spelling) kept() bool { return s.misspelled.Load() < maxMisspelled }

// saw notes whether a reply to a query with a capital in it kept the spelling.
func (s *spelling) saw(right bool) {
	n := s.misspelled.Load()
	switch {
	case right && n == 0:
	case right && n < maxMisspelled:
		s.misspelled.CompareAndSwap(n, 0)
	case !right && s.misspelled.Add(1) == maxMisspelled:
		s.log.Warn("upstream does not keep the spelling of names: forged replies are a little easier from now on",
			"remedy", "ask it over TCP (tcp://ADDRESS) where others can send packets in its name")
	}
}

// spell gives the qname of the query a spelling for an attempt over UDP: a random one, for a forger to guess, unless the
// upstream does not keep it. That of an Exact query is its own.
func (x *Exchange) spell() {
	if x.Exact {
		return
	}
	qname := x.qname()
	copy(qname, x.Name)
	h := x.upstream.habits
	x.mixed = h != nil && h.spelling.kept() && mixCase(qname)
}

// unspell gives the qname of the query the spelling of x.Name.
func (x *Exchange) unspell() {
	if !x.Exact {
		copy(x.qname(), x.Name)
	}
}

func (x *Exchange) qname() []byte { return x.Query[wire.HeaderLen:][:len(x.Name)] }

// mixCase gives every letter of a wire-format name a random case (draft-vixie-dnsext-dns0x20-00), from ChaCha8 as ids are. It
// reports whether the name has a capital now.
func mixCase(name []byte) (capital bool) {
	var random uint64
	for i, c := range name {
		if i%64 == 0 {
			random = rand.Uint64()
		}
		if (c|0x20)-'a' < 26 { // length octets are below 'A'
			name[i] ^= byte(random&1) << 5
			capital = capital || name[i] < 'a'
		}
		random >>= 1
	}
	return capital
}

// spelled reports whether a reply, whose question is that of x, spells the qname as it has to.
func (x *Exchange) spelled(reply []byte) bool {
	if !x.Exact && !x.mixed {
		return true
	}
	right := bytes.Equal(reply[wire.HeaderLen:][:len(x.Name)], x.qname())
	if h := x.upstream.habits; h != nil && x.mixed {
		h.spelling.saw(right)
	}
	return right
}
