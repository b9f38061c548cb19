//go:build !race

package cache

import (
	"testing"
	"time"

	"notyet/wire"
)

// It runs alone: AllocsPerRun counts those of the whole process.
func TestHitAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 300*s))
	w.put(0, "www.example. A do", answer{answer: "www.example. 300 A 192.0.2.1", ad: true, ede: "stale"})
	w.put(0, "gone.example. A", nxdomain(300*s))
	w.put(0, "none.example. A", nodata(300*s))
	w.put(0, "alias.example. A", behindCNAME("alias.example.", "far.example."))
	w.fail(0, "bad.example. A")
	limits, _ := pending()
	w.watch(0, "pending.example. A", nxdomain(300*s), limits)
	var name [wire.MaxName]byte
	var reply [wire.UDPSize]byte
	var e Entry
	for _, question := range []string{
		"www.example. A rd", "wWw.example. A rd do keepalive", "gone.example. A rd", "gone.example. A rd edns",
		"none.example. A rd", "alias.example. A rd", "bad.example. A rd edns", "pending.example. A rd edns",
	} {
		q := w.query(question)
		n := testing.AllocsPerRun(100, func() {
			k := w.Key(name[:0], q.Name, q.Type, q.EDNS.DO, q.Flags.Has(wire.CD))
			if !w.Get(&e, k, at(500*ms)) {
				t.Fatalf("%s: got a miss", question)
			}
			w.AppendReply(reply[:0], &e, q, q.Limit(), at(500*ms))
		})
		if n != 0 {
			t.Errorf("%s: got %v allocations, want none", question, n)
		}
	}

	q := w.query("no.example. A rd")
	if n := testing.AllocsPerRun(100, func() {
		w.Get(&e, w.Key(name[:0], q.Name, q.Type, false, false), at(0))
	}); n != 0 {
		t.Errorf("a miss: got %v allocations, want none", n)
	}
}

func TestStaleHitAllocatesNothing(t *testing.T) {
	w := newWorld(t, staleFor(time.Hour), func(c *Config) { c.Refresh = func(Key) bool { return true } })
	w.put(0, "www.example. A", a("www.example.", 300*s))
	w.fail(300*s, "www.example. A")
	q := w.query("www.example. A rd edns")
	var name [wire.MaxName]byte
	var reply [wire.UDPSize]byte
	var e Entry
	if n := testing.AllocsPerRun(100, func() {
		if !w.Get(&e, w.Key(name[:0], q.Name, q.Type, false, false), at(302*s)) || !e.Stale() {
			t.Fatalf("got %v, want what stands in", e)
		}
		w.AppendReply(reply[:0], &e, q, q.Limit(), at(302*s))
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// It has the same names again and again, so that the maps don't grow.
func TestPutAllocates(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name     string
		question string
		answer   answer
		want     float64
	}{
		{"A", "h00000000.example. A", a("h00000000.example.", 300*s), 2},        // entry, bytes
		{"NXDOMAIN", "n00000000.example. A", nxdomain(300 * s), 4},              // and its list of negatives by name
		{"kept by nobody", "f00000000.example. A", answer{rcode: 5}, 2},         // entry, bytes
		{"A with TTL 0", "z00000000.example. A", a("z00000000.example.", 0), 2}, // entry, bytes
	} {
		raw := w.raw(tt.question, tt.answer)
		k := w.Key(nil, raw.name, raw.qtype, false, false)
		if err := wire.ParseReply(raw.msg, raw.name, raw.qtype, &raw.reply); err != nil {
			t.Fatal(err)
		}
		if got := testing.AllocsPerRun(100, func() { w.Put(k, &raw.reply, at(0)) }); got > tt.want {
			t.Errorf("%s: got %v allocations, want at most %v", tt.name, got, tt.want)
		}
	}
}
