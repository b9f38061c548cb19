package cache

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// Entry is one answer as it goes out: wire bytes and where its TTLs stand. It does not change once it is made, so that any
// goroutine may read it without a lock, also after the cache dropped it.
type Entry struct {
	// data is the message without OPT, its qname in lower case; then the offset of
	// every TTL, two bytes each; then the hash of the denied name when a chain leads
	// to it, eight bytes; then the extended error as an EDNS option, if any.
	data   []byte
	asked  *Asked // of a negative under watch, else nil
	stored int64  // nanoseconds since the cache's epoch

	lifetime uint32 // milliseconds that it may be used; 0: not kept
	missing  uint32 // milliseconds that a negative's name had been seen missing when it was stored
	due      uint32 // milliseconds from stored after which who asks has it refreshed, as it was put in; 0: nobody

	length      uint16 // of the message in data
	ttls        uint16 // offsets in data
	answers     uint16 // of them, in the answer section; those of the authority section follow
	authorities uint16
	minimum     uint16 // offset of the SOA's MINIMUM in a negative; 0: no SOA
	rcode       uint8  // 0 to 15
	flags       uint8  // the kind in the lowest bits
}

const (
	kindMask  = 0x07
	flagStale = 0x08 // it stands in
	flagAD    = 0x10 // the upstream validated it
	flagDO    = 0x20 // of the key
	flagCD    = 0x40 // of the key

	flagDenied  = 0x80 // of a negative: data has the hash of the denied name
	flagNoStale = 0x80 // of a positive: it never stands in
)

const deniedLen = 8 // bytes

// Kind says what the entry means.
func (e *Entry) Kind() wire.Kind { return wire.Kind(e.flags & kindMask) }

// Stale reports whether it is past its TTL and stands in for an answer that could not be had (RFC 8767).
func (e *Entry) Stale() bool { return e.flags&flagStale != 0 }

// Rcode is the response code, 0 to 15.
func (e *Entry) Rcode() int { return int(e.rcode) }

// Len is how many bytes the message has, without OPT.
func (e *Entry) Len() int { return int(e.length) }

// Lifetime is how long the entry may be used from when it was made, 0 if it was not kept.
func (e *Entry) Lifetime() time.Duration { return time.Duration(e.lifetime) * time.Millisecond }

// expires is the moment, in nanoseconds since the epoch, from which on the entry isn't used.
func (e *Entry) expires() int64 { return e.stored + int64(e.Lifetime()) }

func (e *Entry) fresh(now int64) bool { return now < e.expires() }

// Clone is a copy with bytes of its own.
func (e *Entry) Clone() *Entry {
	own := *e
	own.data = bytes.Clone(e.data)
	return &own
}

func keyFlags(k Key) (flags uint8) {
	if k.DO {
		flags |= flagDO
	}
	if k.CD {
		flags |= flagCD
	}
	return flags
}

// newEntry copies the reply, with ede in the place of its extended error. It has no lifetime yet.
func (c *Cache) newEntry(k Key, r *wire.Reply, ede []byte, now time.Time) *Entry {
	n := len(r.Message)
	size := n + 2*len(r.TTLs) + len(ede)
	dangling := r.Chain && r.Kind.Negative() && r.SOA
	if dangling {
		size += deniedLen
	}
	data := make([]byte, 0, size)
	data = append(data, r.Message...)
	copy(data[wire.HeaderLen:], k.Name)
	binary.BigEndian.PutUint16(data[10:], uint16(r.Additional))
	for _, off := range r.TTLs {
		data = binary.BigEndian.AppendUint16(data, off)
	}
	if dangling {
		var buf [wire.MaxName]byte
		data = binary.BigEndian.AppendUint64(data, c.nameHash(r.Target(buf[:0])))
	}
	e := &Entry{
		data: append(data, ede...), stored: c.since(now),
		length: uint16(n), ttls: uint16(len(r.TTLs)), answers: uint16(r.Answers), authorities: uint16(r.Authorities),
		rcode: uint8(r.Rcode & 0xF), flags: uint8(r.Kind) | keyFlags(k),
	}
	if dangling {
		e.flags |= flagDenied
	}
	if r.Flags.Has(wire.AD) {
		e.flags |= flagAD
	}
	if r.Kind.Negative() && r.SOA {
		e.minimum = uint16(r.MinimumOffset)
	}
	return e
}

// Unkept makes an entry of a reply that is answered with and then forgotten.
func (c *Cache) Unkept(k Key, r *wire.Reply, now time.Time) *Entry {
	return c.newEntry(k, r, r.EDE, now)
}

// Failure makes an entry that says SERVFAIL, with an extended error as wire.AppendEDE
// makes it (nil: none). It is not kept; see PutFailure.
func Failure(k Key, ede []byte) *Entry {
	data := make([]byte, 0, wire.HeaderLen+len(k.Name)+4+len(ede))
	data = append(data, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) // a header with QDCOUNT 1
	data = wire.AppendQuestion(data, k.Name, k.Type, dns.ClassINET)
	n := len(data)
	return &Entry{
		data: append(data, ede...), length: uint16(n),
		rcode: dns.RcodeServerFailure, flags: uint8(wire.Failure) | keyFlags(k),
	}
}

func (e *Entry) message() []byte { return e.data[:e.length] }

func (e *Entry) offsets() []byte { return e.data[e.length : int(e.length)+2*int(e.ttls)] }

// denied is the hash of the denied name when a chain leads to it.
func (e *Entry) denied() (name uint64, ok bool) {
	if e.flags&flagDenied == 0 || !e.Kind().Negative() {
		return 0, false
	}
	return binary.BigEndian.Uint64(e.data[int(e.length)+2*int(e.ttls):]), true
}

// EDE is the extended error as an EDNS option, or nil. The bytes are the entry's.
func (e *Entry) EDE() []byte {
	off := int(e.length) + 2*int(e.ttls)
	if _, ok := e.denied(); ok {
		off += deniedLen
	}
	return e.data[off:]
}
