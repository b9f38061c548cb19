package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// FuzzReadSnapshot reads any bytes behind a good magic word and version, with the right checksum or as they are, and
// sends out what is kept.
func FuzzReadSnapshot(f *testing.F) {
	w := newWorld(f)
	w.put(0, "www.example. A", answer{answer: "www.example. 300 CNAME web.example.\nweb.example. 60 A 192.0.2.1", additional: "ns.example. 9 A 192.0.2.53"})
	w.put(0, "web.example. A do cd", answer{answer: "web.example. 300 A 192.0.2.1", ad: true, ede: "stale"})
	const begin = len(snapshotMagic) + 4
	good := w.snapshot(1)
	f.Add(good[begin:], true, uint16(2))
	f.Add(good[begin:], false, uint16(100))
	f.Add(good[begin:begin+8], true, uint16(2))
	f.Fuzz(func(t *testing.T, b []byte, sum bool, seconds uint16) {
		b = append(bytes.Clone(good[:begin]), b...)
		if sum {
			b = resummed(append(b, make([]byte, checksumLen)...))
		}
		now := at(time.Duration(seconds) * s)
		v := newWorld(t)
		kept, _, err := v.ReadSnapshot(bytes.NewReader(b), now)
		if errors.Is(err, ErrSnapshot) && !sum && kept > 0 {
			t.Fatalf("%x: kept %d entries of what is no snapshot", b, kept)
		}
		all := v.totals()
		if int(all.positive.entries) != kept || all.negative.entries != 0 || all.positive.bytes > all.positive.limit {
			t.Fatalf("%x: got %+v, want %d positives", b, all, kept)
		}
		for i := range v.shards {
			var e Entry
			for r := packed(v.shards[i].appendPositives(nil)); len(r) > 0; r = r[r.size():] {
				r.read(&e)
				v.wantSound(&e, now)
			}
		}
		var again bytes.Buffer
		if n, err := v.WriteSnapshot(&again, now); n != kept || err != nil {
			t.Fatalf("%x: got %d entries written again, %v, want %d", b, n, err, kept)
		}
	})
}

// wantSound checks what is true of every entry that may be used at now, and sends it out.
func (w *world) wantSound(e *Entry, now time.Time) {
	w.Helper()
	end := wire.HeaderLen + len(e.qname())
	q := wire.Query{Name: e.qname(), Type: binary.BigEndian.Uint16(e.data[end:])}
	q.EDNS.Present, q.EDNS.DO = true, e.flags&flagDO != 0
	k := w.Key(nil, q.Name, q.Type, q.EDNS.DO, e.flags&flagCD != 0)
	if got := w.Peek(k, now); !same(got, e) || e.Kind() != wire.Positive || e.Lifetime() > w.config.Load().MaxTTL {
		w.Fatalf("%v, %v: got %v for its own question at %v", e, e.Lifetime(), got, now)
	}
	reply := w.AppendReply(nil, e, &q, wire.MaxMessage, now)
	if r := new(wire.Reply); wire.ParseReply(reply, k.Name, k.Type, r) != nil && len(reply) > len(k.Name)+wire.HeaderLen+4+wire.OPTLen {
		w.Fatalf("%v: got %x sent out, which is no reply", e, reply)
	}
	if m := new(dns.Msg); m.Unpack(reply) == nil && m.Rcode != dns.RcodeSuccess {
		w.Fatalf("%v: got %v sent out, want NOERROR", e, m)
	}
}
