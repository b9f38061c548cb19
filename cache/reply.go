package cache

import (
	"encoding/binary"
	"time"

	"notyet/wire"
)

// keepaliveOption is edns-tcp-keepalive with the idle timeout of our TCP connections, in units
// of 100 ms (RFC 7828, section 3.1).
var keepaliveOption = []byte{0, 11, 0, 2, 0, 100}

// AppendReply appends the entry as the reply to q at now, or at the moment when the entry was made if that is
// later: the client's id and spelling, its flags, TTLs aged, and an OPT if q has one. A reply longer than limit bytes is cut to the question
// with tc set (RFC 2181, section 9). It allocates only if dst is too small.
//
// Age rounds up, so that what is announced never outlives what is kept here. In a negative the TTLs of the
// authority section are at most what is left of the entry's own lifetime, and so is the SOA's MINIMUM
// for a client that set neither DO nor AD: the record is signed data, but some caches read
// only MINIMUM.
func (c *Cache) AppendReply(dst []byte, e *Entry, q *wire.Query, limit int, now time.Time) []byte {
	options := e.EDE()
	keepalive := 0
	if q.EDNS.Keepalive {
		keepalive = len(keepaliveOption)
	}
	opt := 0
	if q.EDNS.Present {
		opt = wire.OPTLen
		if least := int(e.length) + opt; least <= limit && least+keepalive > limit {
			keepalive = 0 // it may be left out (RFC 7828, section 3.3.2), and the answer would be cut for it
		}
		opt += keepalive
		if int(e.length)+opt+len(options) > limit {
			options = nil // the answer matters more than the comment on it
		}
		opt += len(options)
	}

	flags := wire.ReplyFlags(q, int(e.rcode))
	if e.flags&flagAD != 0 && (q.EDNS.DO || q.Flags.Has(wire.AD)) {
		flags |= wire.AD // RFC 6840, section 5.8
	}
	start := len(dst)
	if int(e.length)+opt > limit {
		end := wire.HeaderLen + len(q.Name) + 4
		dst = append(dst, e.data[:end]...)
		clear(dst[start+6 : start+wire.HeaderLen])
		flags |= wire.TC
	} else {
		dst = append(dst, e.message()...)
		c.patchTTLs(dst[start:], e, q, now)
	}

	m := dst[start:]
	binary.BigEndian.PutUint16(m, q.ID)
	binary.BigEndian.PutUint16(m[2:], uint16(flags))
	copy(m[wire.HeaderLen:], q.Name)
	if !q.EDNS.Present {
		return dst
	}
	binary.BigEndian.PutUint16(m[10:], binary.BigEndian.Uint16(m[10:])+1)
	dst = wire.AppendOPT(dst, int(e.rcode), q.EDNS.DO, nil)
	if n := keepalive + len(options); n > 0 {
		binary.BigEndian.PutUint16(dst[len(dst)-2:], uint16(n))
		dst = append(dst, keepaliveOption[:keepalive]...)
		dst = append(dst, options...)
	}
	return dst
}

func (c *Cache) patchTTLs(m []byte, e *Entry, q *wire.Query, now time.Time) {
	if e.Stale() {
		return // its TTLs are those that it is given with
	}
	t := max(c.since(now), e.stored)
	offsets := e.offsets()
	if age := t - e.stored; age > 0 {
		wire.Age(m, offsets, uint32((age+int64(time.Second)-1)/int64(time.Second)))
	}
	if e.minimum == 0 {
		return // positive, or a denial without SOA, which is announced as it came
	}
	left := uint32(max(e.expires()-t, 0) / int64(time.Second))
	for o := offsets[2*int(e.answers):][:2*int(e.authorities)]; len(o) > 0; o = o[2:] {
		wire.Cap(m, int(binary.BigEndian.Uint16(o)), left)
	}
	if !q.EDNS.DO && !q.Flags.Has(wire.AD) {
		wire.Cap(m, int(e.minimum), left)
	}
}
