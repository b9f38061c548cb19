package cache

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/wire"
)

func TestFloodOfNegativesLeavesThePositives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	positive := w.raw("p00000000.example. A", a("p00000000.example.", 300*s))
	const kept = 5000
	for n := range kept {
		positive.put(0, n)
	}
	negative := w.raw("n00000000.example. A", nxdomain(300*s))
	for n := range 20000 {
		negative.put(0, n)
		k := w.Key(nil, negative.name, 28, false, false)
		w.PutFailure(k, Failure(k, nil), at(0))
	}
	if all := w.totals(); all.positive.entries != kept || all.positive.evictions != 0 || all.negative.evictions == 0 {
		t.Errorf("got %+v, want all %d positives", all, kept)
	}
}

func TestFloodOfPositivesLeavesTheNegatives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	negative := w.raw("n00000000.example. A", nxdomain(300*s))
	const kept = 1000
	for n := range kept {
		negative.put(0, n)
	}
	positive := w.raw("p00000000.example. A", a("p00000000.example.", 300*s))
	for n := range 40000 {
		positive.put(0, n)
	}
	if all := w.totals(); all.negative.entries != kept || all.negative.evictions != 0 || all.positive.evictions == 0 {
		t.Errorf("got %+v, want all %d negatives", all, kept)
	}
}

func TestWhatIsUsedStays(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]answer{
		"positive": a("h00000000.example.", 300*s),
		"negative": nxdomain(300 * s),
	} {
		w := newWorld(t)
		raw := w.raw("h00000000.example. A", reply)
		used, e := raw.put(0, 0)
		idle, _ := raw.put(0, 1)
		for n := 2; n < 30000; n++ {
			raw.put(0, n)
			if !same(w.got(used, at(0)), e) {
				t.Fatalf("%s: what is asked for all the time is gone after %d others", name, n)
			}
		}
		if w.Peek(idle, at(0)) != nil {
			t.Errorf("%s: what nobody asked for is still there", name)
		}
	}
}

func TestBytesStayWithinTheLimit(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{0, 1, MinMemory, MinMemory + 12345, 16 << 20} {
		w := newWorld(t, func(c *Config) { c.Memory = memory })
		limit := max(memory, MinMemory)
		positive := w.raw("h00000000.example. A", a("h00000000.example.", 300*s))
		negative := w.raw("n00000000.example. A", behindCNAME("n00000000.example.", "g00000000.example."))
		for n := range 3 * limit / 1000 {
			positive.put(0, int(n))
			negative.put(0, int(n))
		}
		all := w.totals()
		if sum := all.positive.limit + all.negative.limit; sum > limit || sum < limit-int64(len(w.shards)) {
			t.Errorf("memory %d: got limits %d and %d, want %d in all", memory, all.positive.limit, all.negative.limit, limit)
		}
		for i := range w.shards {
			w.shards[i].positive.wantSound(t)
			w.shards[i].negative.wantSound(t)
		}
	}
}

func TestWhatDoesNotFitIsAnsweredButNotKept(t *testing.T) {
	t.Parallel()
	big := nxdomain(300 * s)
	big.additional = strings.Repeat("big.example. 300 TXT "+strings.Repeat("x", 250)+"\n", 150)
	for _, tt := range []struct {
		name   string
		others answer
		reply  func(w *world) *wire.Reply
	}{
		{"negative", nxdomain(300 * s), func(w *world) *wire.Reply { return w.reply("www.example. NULL", big) }},
		// The more entries there have been, the larger the map.
		{"positive", a("h00000000.example.", 300*s), smallRecords},
	} {
		w := newWorld(t)
		raw := w.raw("h00000000.example. A", tt.others)
		k := w.key("www.example. NULL")
		shard := w.shard(k.hash)
		for n := 0; shard.positive.evictions+shard.negative.evictions < 100; n++ {
			raw.put(0, n)
		}
		before := w.totals()
		r := tt.reply(w)
		e := w.Put(k, r, at(0))
		if w.Peek(k, at(0)) != nil {
			t.Errorf("%s: one of %d bytes was kept", tt.name, size(e))
		}
		if after := w.totals(); after != before {
			t.Errorf("%s: got %+v, want %+v: nothing makes room for what doesn't fit", tt.name, after, before)
		}
		if m := w.read(0, "www.example. NULL", e); len(m.Answer)+len(m.Extra) != r.Answers+r.Additional {
			t.Errorf("%s: got %d records, want %d", tt.name, len(m.Answer)+len(m.Extra), r.Answers+r.Additional)
		}
		w.wantIndex()
	}
}

// smallRecords is the reply to "www.example. NULL" that takes the most memory: each TTL's offset takes some too.
func smallRecords(w *world) *wire.Reply {
	const count = 5900
	k := w.key("www.example. NULL")
	msg := append([]byte{0, 0, 0x80, 0, 0, 1, count >> 8, count & 0xFF, 0, 0, 0, 0}, k.Name...)
	msg = append(msg, 0, byte(dns.TypeNULL), 0, 1)
	msg = append(msg, 0xC0, wire.HeaderLen, 0, byte(dns.TypeNULL), 0, 1, 0, 0, 1, 0, 0, 0)
	for range count - 1 {
		msg = append(msg, 0, 0, byte(dns.TypeNULL), 0, 1, 0, 0, 1, 0, 0, 0) // of the root
	}
	r := new(wire.Reply)
	if err := wire.ParseReply(msg, k.Name, k.Type, r); err != nil {
		w.Fatal(err)
	}
	return r
}
