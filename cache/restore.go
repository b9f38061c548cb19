package cache

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"notyet/wire"
)

// ErrSnapshot means that a file is no snapshot of this version, or a damaged one.
var ErrSnapshot = errors.New("not a snapshot")

// ReadSnapshot takes in what WriteSnapshot wrote, and returns how many entries it kept and how many it left out: those
// that have expired meanwhile, those to whose question there is a newer answer, and those that are no answers as an
// upstream gives them. Each is as old as it would be by now, and the limits are those of this cache. The file is read
// twice: nothing is taken from one whose checksum is wrong. An error that is not ErrSnapshot is about reading or about
// the clock.
func (c *Cache) ReadSnapshot(file io.ReadSeeker, now time.Time) (kept, leftOut int, err error) {
	written, err := checkSnapshot(file)
	if err != nil {
		return 0, 0, err
	}
	elapsed := now.Sub(written)
	if elapsed < 0 {
		return 0, 0, fmt.Errorf("written %v from now, so that its age can't be known: set the clock", -elapsed)
	}
	in := bufio.NewReaderSize(file, snapshotBuffer)
	var r record
	for {
		more, err := r.read(in)
		if err != nil || !more {
			return kept, leftOut, err
		}
		if c.restore(&r, elapsed, now) {
			kept++
		} else {
			leftOut++
		}
	}
}

// checkSnapshot reads the file from its beginning to its end, and leaves it where the entries begin. It returns when the
// snapshot was written.
func checkSnapshot(file io.ReadSeeker) (written time.Time, err error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return written, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return written, err
	}
	var header [snapshotHeaderLen]byte
	if _, err := io.ReadFull(file, header[:]); err != nil {
		return written, tooShort(err)
	}
	version, found := bytes.CutPrefix(header[:], []byte(snapshotMagic))
	if !found {
		return written, fmt.Errorf("%w: it does not begin as one", ErrSnapshot)
	}
	if v := binary.BigEndian.Uint32(version); v != snapshotVersion {
		return written, fmt.Errorf("%w of version %d: it has version %d", ErrSnapshot, snapshotVersion, v)
	}
	sum := newChecksum()
	sum.Write(header[:])
	if _, err := io.CopyN(sum, file, max(size-int64(snapshotHeaderLen+checksumLen), 0)); err != nil {
		return written, tooShort(err)
	}
	var want [checksumLen]byte
	if _, err := io.ReadFull(file, want[:]); err != nil {
		return written, tooShort(err)
	}
	if !bytes.Equal(sum.Sum(nil), want[:]) {
		return written, fmt.Errorf("%w: its checksum is wrong", ErrSnapshot)
	}
	_, err = file.Seek(int64(snapshotHeaderLen), io.SeekStart)
	return time.Unix(0, int64(binary.BigEndian.Uint64(version[4:]))), err
}

// tooShort tells a file that ends from one that can't be read.
func tooShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrSnapshot)
	}
	return err
}

// record is an entry of a snapshot. It is used for one after the other.
type record struct {
	head    [recordHeaderLen]byte
	buf     [wire.MaxMessage]byte
	message []byte // in buf
	reply   wire.Reply
	name    [wire.MaxName]byte
}

// read reads the next record; more is false when it is the end.
func (r *record) read(in io.Reader) (more bool, err error) {
	if _, err := io.ReadFull(in, r.head[:]); err != nil {
		return false, tooShort(err)
	}
	if r.head == [recordHeaderLen]byte{} {
		return false, nil
	}
	r.message = r.buf[:binary.BigEndian.Uint16(r.head[:])]
	if _, err := io.ReadFull(in, r.message); err != nil {
		return false, tooShort(err)
	}
	return true, nil
}

func (r *record) flags() uint8 { return r.head[2] }

func (r *record) age() time.Duration {
	return time.Duration(binary.BigEndian.Uint32(r.head[3:])) * time.Millisecond
}

// longest is the longest lifetime that an entry can have.
const longest = math.MaxUint32 * time.Millisecond

// restore puts an entry in that was written down that long ago, and reports whether it did.
func (c *Cache) restore(r *record, elapsed time.Duration, now time.Time) bool {
	name, qtype, ok := wire.Question(r.message)
	if !ok || wire.ParseReply(r.message, name, qtype, &r.reply) != nil || r.reply.Kind != wire.Positive {
		return false
	}
	k := c.Key(r.name[:0], name, qtype, r.flags()&flagDO != 0, r.flags()&flagCD != 0)
	e := c.Unkept(k, &r.reply, now.Add(-min(elapsed, longest)-r.age()))
	maxTTL := c.config.Load().MaxTTL
	e.lifetime = milliseconds(min(seconds(r.reply.AnswerTTL), maxTTL))
	e.due = c.prefetchAt(e.lifetime)
	e.flags |= r.flags() & flagNoStale
	for _, off := range r.reply.TTLs {
		wire.Cap(e.data, int(off), uint32(maxTTL/time.Second))
	}
	return c.ofUse(e, c.since(now)) && c.shard(k.hash).restore(k.hash, e)
}

// restore puts an entry in unless the shard has an answer that is newer.
func (s *shard) restore(hash uint64, e *Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var old Entry
	if s.negative.load(hash, &old) && old.Kind().Negative() || s.positive.load(hash, &old) {
		return false
	}
	return s.putPositiveLocked(hash, e)
}
