package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/wire"
)

func TestNothingIsTakenFromADamagedSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	w.put(0, "web.example. A", a("web.example.", 300*s))
	good := w.snapshot(1)
	v := newWorld(t)
	refused := func(what string, b []byte, says string) {
		t.Helper()
		kept, leftOut, err := v.ReadSnapshot(bytes.NewReader(b), at(2))
		if kept != 0 || leftOut != 0 || !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %d kept, %d left out, %v, want none and that %s", what, kept, leftOut, err, says)
		}
	}
	for i := range good {
		damaged := bytes.Clone(good)
		damaged[i] ^= 0x10
		says := "its checksum is wrong"
		switch {
		case i < len(snapshotMagic):
			says = "it does not begin as one"
		case i < len(snapshotMagic)+4:
			says = "of version 1: it has version "
		}
		refused("a byte is another", damaged, says)
		refused("cut off", good[:i], "")
	}
	refused("a byte more", append(bytes.Clone(good), 0), "its checksum is wrong")
	refused("empty", nil, "it ends too early")
	refused("another file", []byte(strings.Repeat("www.example. A 192.0.2.1\n", 100)), "it does not begin as one")
	if all := v.totals(); all.positive.entries != 0 {
		t.Errorf("got %d entries, want none", all.positive.entries)
	}
}

// TestSnapshotWithoutEndIsRefused has one whose checksum is right.
func TestSnapshotWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	b := w.snapshot(1)
	for missing := 1; missing < len(b)-snapshotHeaderLen-checksumLen; missing++ {
		short := resummed(bytes.Clone(b[:len(b)-missing]))
		if _, _, err := newWorld(t).ReadSnapshot(bytes.NewReader(short), at(2)); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%d bytes less: got %v, want ErrSnapshot", missing, err)
		}
	}
}

// resummed corrects the checksum.
func resummed(b []byte) []byte {
	sum := newChecksum()
	sum.Write(b[:len(b)-checksumLen])
	return sum.Sum(b[:len(b)-checksumLen])
}

// TestWhatIsNoAnswerIsLeftOut has sound snapshots with entries that no upstream gives.
func TestWhatIsNoAnswerIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	good := w.snapshot(1)
	const message = snapshotHeaderLen + recordHeaderLen
	for name, damage := range map[string]func(m []byte){
		"no response":          func(m []byte) { m[2] &^= 0x80 },
		"NXDOMAIN":             func(m []byte) { m[3] |= dns.RcodeNameError },
		"REFUSED":              func(m []byte) { m[3] |= dns.RcodeRefused },
		"another opcode":       func(m []byte) { m[2] |= dns.OpcodeNotify << 3 },
		"no question":          func(m []byte) { m[5] = 0 },
		"more answers":         func(m []byte) { m[7]++ },
		"a name that is none":  func(m []byte) { m[wire.HeaderLen] = 0xC0 },
		"a name without end":   func(m []byte) { m[wire.HeaderLen] = 63 },
		"another qtype":        func(m []byte) { m[wire.HeaderLen+14] = byte(dns.TypeMX) },
		"another class":        func(m []byte) { m[wire.HeaderLen+16] = dns.ClassCHAOS },
		"an owner that is far": func(m []byte) { m[wire.HeaderLen+17] = 0xFF },
		"an address too short": func(m []byte) { m[len(m)-5]-- },
	} {
		b := bytes.Clone(good)
		n := int(binary.BigEndian.Uint16(b[snapshotHeaderLen:]))
		damage(b[message:][:n])
		v := newWorld(t)
		if kept, leftOut, err := v.ReadSnapshot(bytes.NewReader(resummed(b)), at(2)); kept != 0 || leftOut != 1 || err != nil {
			t.Errorf("%s: got %d kept, %d left out, %v, want it left out", name, kept, leftOut, err)
		}
	}
}

func TestSnapshotFromTheFutureIsNotUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	b := w.snapshot(1 * s)
	kept, _, err := newWorld(t).ReadSnapshot(bytes.NewReader(b), at(1*s-1))
	if kept != 0 || err == nil || errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), "set the clock") {
		t.Errorf("got %d kept and %v, want none and a word on the clock", kept, err)
	}
}

// TestAgesThatNothingHasOverflowNothing has the moments that the fields of a file can hold and no snapshot has.
func TestAgesThatNothingHasOverflowNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	good := w.snapshot(1)
	for _, written := range []uint64{0, 1 << 63, 1<<63 + 1} {
		for _, age := range []uint32{0, 1 << 31, 1<<32 - 1} {
			b := bytes.Clone(good)
			binary.BigEndian.PutUint64(b[snapshotHeaderLen-8:], written)
			binary.BigEndian.PutUint32(b[snapshotHeaderLen+3:], age)
			if kept, _, err := newWorld(t).ReadSnapshot(bytes.NewReader(resummed(b)), at(2)); kept != 0 || err != nil {
				t.Errorf("written at %d ns, %d ms old: got %d kept, %v, want it left out", int64(written), age, kept, err)
			}
		}
	}
}

// brokenDisk gives what it has, and then an error that is not the end.
type brokenDisk struct {
	*bytes.Reader
	left int
}

func (d *brokenDisk) Read(b []byte) (int, error) {
	if d.left == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := d.Reader.Read(b[:min(len(b), d.left)])
	d.left -= n
	return n, err
}

func TestDiskThatFailsIsNotADamagedSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	b := w.snapshot(1)
	for n := range 2*len(b) - snapshotHeaderLen - checksumLen { // it is read twice
		if _, _, err := newWorld(t).ReadSnapshot(&brokenDisk{bytes.NewReader(b), n}, at(2)); !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrSnapshot) {
			t.Errorf("after %d bytes: got %v, want the disk's error", n, err)
		}
	}
}

func TestDiskThatIsFullIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := w.raw("h00000000.example. A", a("h00000000.example.", 300*s))
	for n := range 3000 {
		raw.put(0, n)
	}
	size := len(w.snapshot(1))
	full := errors.New("full")
	for _, room := range []int{0, 1, snapshotBuffer, size - checksumLen, size - 1} {
		if _, err := w.WriteSnapshot(&smallDisk{room, full}, at(1)); !errors.Is(err, full) {
			t.Errorf("room for %d of %d bytes: got %v, want it told", room, size, err)
		}
	}
	if _, err := w.WriteSnapshot(&smallDisk{size, full}, at(1)); err != nil {
		t.Errorf("room for all %d bytes: got %v", size, err)
	}
}

// smallDisk takes that many bytes and then says err.
type smallDisk struct {
	room int
	err  error
}

func (d *smallDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	d.room -= n
	if n < len(b) {
		return n, d.err
	}
	return n, nil
}
