package cache

import (
	"math/rand/v2"
	"testing"

	"notyet/wire"
)

func BenchmarkGet(b *testing.B) {
	for name, reply := range map[string]answer{"positive": a("h00000000.example.", 300*s), "negative": nxdomain(300 * s)} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, func(c *Config) {
				c.Memory = 64 << 20
				c.Refresh = func(Key) bool { return true } // so that it is looked whether that is due
			})
			raw := w.raw("h00000000.example. A", reply)
			names := make([][]byte, 10000)
			for n := range names {
				k, _ := raw.put(0, n)
				names[n] = append([]byte(nil), k.Name...)
			}
			// At random, as memory that is read in the order in which it was written is there before it is asked for.
			rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			b.ReportAllocs()
			var buf [wire.MaxName]byte
			var e Entry
			now, n := at(500*ms), 0
			for b.Loop() {
				if n++; n == len(names) {
					n = 0
				}
				if !w.Get(&e, w.Key(buf[:0], names[n], raw.qtype, false, false), now) {
					b.Fatal("a miss")
				}
			}
		})
	}
}

func BenchmarkAppendReply(b *testing.B) {
	w := newWorld(b)
	for _, bb := range []struct {
		name, question string
		answer         answer
	}{
		{"A", "www.example. A rd", a("www.example.", 300*s)},
		{"chain", "www.example. A rd edns", answer{answer: "www.example. 300 CNAME web.example.\nweb.example. 60 A 192.0.2.1\nweb.example. 60 A 192.0.2.2"}},
		{"NXDOMAIN", "gone.example. A rd edns", nxdomain(300 * s)},
	} {
		e, q := w.put(0, bb.question, bb.answer), w.query(bb.question)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var reply [wire.UDPSize]byte
			now := at(500 * ms)
			for b.Loop() {
				w.AppendReply(reply[:0], e, q, q.Limit(), now)
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	for _, bb := range []struct {
		name, question string
		answer         answer
	}{
		{"A", "h00000000.example. A", a("h00000000.example.", 300*s)},
		{"chain", "h00000000.example. A", answer{answer: "h00000000.example. 300 CNAME w00000000.example.\nw00000000.example. 60 A 192.0.2.1"}},
		{"NXDOMAIN", "h00000000.example. A", nxdomain(300 * s)},
		{"NXDOMAIN behind cname", "h00000000.example. A", behindCNAME("h00000000.example.", "gone.example.")},
	} {
		b.Run(bb.name, func(b *testing.B) {
			w := newWorld(b, func(c *Config) { c.Memory = 16 << 20 })
			raw := w.raw(bb.question, bb.answer)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				raw.put(0, n) // parses too, see BenchmarkParseReply
			}
		})
	}
}
