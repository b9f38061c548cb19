package cache

import (
	"encoding/binary"
)

// packed is an entry as a store keeps it: a header, and then Entry.data. The shard's lock guards it.
type packed []byte

// Where the header's fields are. Their order is that of the bytes on most machines, so that each is read at once.
const (
	atHash        = 0  // 8 bytes: of the key
	atStored      = 8  // 8 bytes, and on from here as in Entry
	atLifetime    = 16 // 4 bytes
	atMissing     = 20 // 4 bytes
	atDue         = 24 // 4 bytes
	atLength      = 28 // 2 bytes
	atTTLs        = 30 // 2 bytes
	atAnswers     = 32 // 2 bytes
	atAuthorities = 34 // 2 bytes
	atMinimum     = 36 // 2 bytes
	atRcode       = 38 // 1 byte
	atFlags       = 39 // 1 byte
	atSize        = 40 // 4 bytes: of Entry.data
	atMarks       = 44 // 1 byte
	packedLen     = 45
)

const (
	markUsed  = 0x01 // somebody asked for it since it was put where it is
	markAsked = 0x02 // the store has an Asked for it
)

// appendPacked appends the entry with that hash.
func appendPacked(dst []byte, hash uint64, e *Entry) []byte {
	var h [packedLen]byte
	le := binary.LittleEndian
	le.PutUint64(h[atHash:], hash)
	le.PutUint64(h[atStored:], uint64(e.stored))
	le.PutUint32(h[atLifetime:], e.lifetime)
	le.PutUint32(h[atMissing:], e.missing)
	le.PutUint32(h[atDue:], e.due)
	le.PutUint16(h[atLength:], e.length)
	le.PutUint16(h[atTTLs:], e.ttls)
	le.PutUint16(h[atAnswers:], e.answers)
	le.PutUint16(h[atAuthorities:], e.authorities)
	le.PutUint16(h[atMinimum:], e.minimum)
	h[atRcode], h[atFlags] = e.rcode, e.flags
	le.PutUint32(h[atSize:], uint32(len(e.data)))
	if e.asked != nil {
		h[atMarks] = markAsked
	}
	return append(append(dst, h[:]...), e.data...)
}

// read makes e the entry, but for its Asked. Its bytes are r's.
func (r packed) read(e *Entry) {
	h := (*[packedLen]byte)(r)
	le := binary.LittleEndian
	size := le.Uint32(h[atSize:])
	// One by one, as a whole Entry would be made on the stack and then copied.
	e.data, e.asked = r[packedLen:packedLen+size:packedLen+size], nil
	e.stored = int64(le.Uint64(h[atStored:]))
	e.lifetime, e.missing, e.due = le.Uint32(h[atLifetime:]), le.Uint32(h[atMissing:]), le.Uint32(h[atDue:])
	e.length, e.ttls = le.Uint16(h[atLength:]), le.Uint16(h[atTTLs:])
	e.answers, e.authorities = le.Uint16(h[atAnswers:]), le.Uint16(h[atAuthorities:])
	e.minimum = le.Uint16(h[atMinimum:])
	e.rcode, e.flags = h[atRcode], h[atFlags]
}

func (r packed) hash() uint64 { return binary.LittleEndian.Uint64(r[atHash:]) }

// size is how many bytes it takes, the header included.
func (r packed) size() int { return packedLen + int(binary.LittleEndian.Uint32(r[atSize:])) }

func (r packed) is(mark uint8) bool { return r[atMarks]&mark != 0 }

// use takes note that somebody asked for it. It writes only what changes, as the next reader may be on another processor.
func (r packed) use() {
	if !r.is(markUsed) {
		r[atMarks] |= markUsed
	}
}

func (r packed) setDue(ms uint32) { binary.LittleEndian.PutUint32(r[atDue:], ms) }
