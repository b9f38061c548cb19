package cache

import (
	"bufio"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"notyet/wire"
)

// A snapshot has the positives of a cache. Its numbers are big-endian:
//
//	header    snapshotMagic; the version, 4 bytes; when it was written, 8 bytes, nanoseconds since 1970
//	entries   a record header and a message each
//	end       a record header that is all zero
//	checksum  CRC-32C of all before it, 4 bytes
//
// A record header has the length of the message, 2 bytes; recordFlags, 1 byte, as in Entry.flags; and the age, 4 bytes,
// milliseconds. The message is a reply as an upstream gives it, with the TTLs of when it came and, if it has an
// extended error, an OPT.
const (
	snapshotMagic   = "notyet snapshot\n"
	snapshotVersion = 1 // of this layout; a program reads its own only

	snapshotHeaderLen = len(snapshotMagic) + 4 + 8
	recordHeaderLen   = 2 + 1 + 4
	checksumLen       = crc32.Size
)

// recordFlags are what a record says of an entry beside its message: DO and CD of the key, and whether it may stand in.
const recordFlags = flagDO | flagCD | flagNoStale

// snapshotBuffer is how many bytes are read or written at once.
const snapshotBuffer = 64 << 10

// newChecksum is CRC-32C, which processors have an instruction for. It finds damage, not forgery.
func newChecksum() hash.Hash32 { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }

// WriteSnapshot writes the positives that may be used at now, or stand in, and returns how many. It holds the lock of
// one shard at a time, and only to copy what the shard has. What is put in meanwhile may be missing.
func (c *Cache) WriteSnapshot(w io.Writer, now time.Time) (entries int, err error) {
	sum := newChecksum()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), snapshotBuffer)
	header := binary.BigEndian.AppendUint32([]byte(snapshotMagic), snapshotVersion)
	header = binary.BigEndian.AppendUint64(header, uint64(now.UnixNano()))
	if _, err := out.Write(header); err != nil {
		return 0, err
	}
	t := c.since(now)
	var record, copied []byte
	var e Entry
	for i := range c.shards {
		copied = c.shards[i].appendPositives(copied[:0])
		for r := packed(copied); len(r) > 0; r = r[r.size():] {
			if r.read(&e); !c.ofUse(&e, t) {
				continue
			}
			record = e.appendRecord(record[:0], t)
			if _, err := out.Write(record); err != nil {
				return entries, err
			}
			entries++
		}
	}
	if _, err := out.Write(make([]byte, recordHeaderLen)); err != nil {
		return entries, err
	}
	if err := out.Flush(); err != nil {
		return entries, err
	}
	_, err = w.Write(sum.Sum(nil))
	return entries, err
}

// ofUse reports whether a positive may be used at now, or stand in.
func (c *Cache) ofUse(e *Entry, now int64) bool {
	return e.fresh(now) || e.flags&flagNoStale == 0 && now < e.expires()+int64(c.config.Load().Stale)
}

// appendPositives appends a copy of each, the oldest first.
func (s *shard) appendPositives(dst []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.positive.all {
		dst = append(dst, r[:r.size()]...)
	}
	return dst
}

// appendRecord appends the entry as it stands in a snapshot of now. Its age rounds up, so that it never outlives itself.
func (e *Entry) appendRecord(dst []byte, now int64) []byte {
	age := time.Duration(max(now-e.stored, 0))
	head := len(dst)
	dst = append(dst, 0, 0, e.flags&recordFlags)
	dst = binary.BigEndian.AppendUint32(dst, milliseconds(age+time.Millisecond-1))

	start := len(dst)
	dst = append(dst, e.message()...)
	m := dst[start:]
	flags := wire.Flags(binary.BigEndian.Uint16(m[2:])) &^ wire.AD
	if e.flags&flagAD != 0 {
		flags |= wire.AD
	}
	binary.BigEndian.PutUint16(m[2:], uint16(flags))
	if ede := e.EDE(); len(ede) > 0 && len(m)+wire.OPTLen+len(ede) <= wire.MaxMessage {
		binary.BigEndian.PutUint16(m[10:], binary.BigEndian.Uint16(m[10:])+1)
		dst = wire.AppendOPT(dst, 0, false, ede)
	}
	binary.BigEndian.PutUint16(dst[head:], uint16(len(dst)-start))
	return dst
}
