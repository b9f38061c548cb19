//go:build !race

package cache

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"notyet/wire"
)

// heap is what is allocated and still in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what had a finalizer too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSizeOfAnEntry is there because 65 bytes would take 80.
func TestSizeOfAnEntry(t *testing.T) {
	if got := reflect.TypeFor[Entry]().Size(); got > 64 {
		t.Errorf("got %d bytes, want at most 64", got)
	}
}

// inRAM is how much of the memory that is not of the heap is in RAM, in bytes.
func (w *world) inRAM() (n int64) {
	for i := range w.shards {
		for _, st := range []*store{&w.shards[i].positive, &w.shards[i].negative} {
			n += int64(inRAM(w, st.ring.memory))
		}
	}
	return n + int64(inRAM(w, w.shards[0].positive.lots.tables)) + int64(inRAM(w, w.shards[0].negative.lots.tables))
}

// TestMemoryStaysWithinItsBound runs alone, since it measures the heap, and without the race detector, with which it takes long.
func TestMemoryStaysWithinItsBound(t *testing.T) {
	const h = "h00000000.example."
	positive := a(h, 300*s)
	negative := nxdomain(300 * s)
	dangling := behindCNAME("c"+h[1:], "g"+h[1:])
	large := func(bytes int) answer {
		return answer{answer: strings.Repeat(h+" 300 TXT "+strings.Repeat("x", 250)+"\n", bytes/263)}
	}
	chain := answer{answer: h + " 300 CNAME a.example.\na.example. 300 CNAME b.example.\nb.example. 300 A 192.0.2.1\nb.example. 300 A 192.0.2.2"}
	type flood struct {
		question string
		answer   answer
		watched  bool
	}
	for _, tt := range []struct {
		name   string
		floods []flood // one after the other
		part   float64 // of the memory, that they may have
		least  float64 // of that, so that the constants are not too high
	}{
		{"A", []flood{{question: h + " A", answer: positive}}, .75, .85},
		{"chains", []flood{{question: h + " A", answer: chain}}, .75, .85},
		{"NXDOMAIN", []flood{{question: h + " A", answer: negative}}, .25, .75},
		{"NXDOMAIN behind cname", []flood{{question: "c" + h[1:] + " A", answer: dangling}}, .25, .7},
		{"NXDOMAIN under watch", []flood{{question: h + " A", answer: negative, watched: true}}, .25, .75},
		{"A and NXDOMAIN", []flood{{question: h + " A", answer: positive}, {question: h + " AAAA", answer: negative}}, 1, .8},
		{"TXT of 1,000 bytes", []flood{{question: h + " TXT", answer: large(1000)}}, .75, .9},
		{"A, then TXT of 4,000 bytes", []flood{{question: h + " A", answer: positive}, {question: h + " TXT", answer: large(4000)}}, .75, .85},
		{"NXDOMAIN, then NXDOMAIN behind cname", []flood{{question: h + " A", answer: negative}, {question: "c" + h[1:] + " A", answer: dangling}}, .25, .6},
	} {
		for _, memory := range []int64{MinMemory, 12 << 20, 16 << 20} {
			before := heap()
			w := newWorld(t, func(c *Config) { c.Memory = memory })
			for _, f := range tt.floods {
				raw := w.raw(f.question, f.answer)
				size := len(raw.msg) + packedLen
				for n := range 3 * int(memory) / size {
					if !f.watched {
						raw.put(0, n)
						continue
					}
					k := raw.number(n)
					limits, _ := pending() // that is soon forgotten but by the negative
					limits.EDE = func(time.Duration) []byte {
						return wire.AppendEDE(nil, 29, "notyet: NXDOMAIN, kept 1s instead of 300s")
					}
					w.PutWatched(k, &raw.reply, limits, at(0))
				}
			}
			grown := heap() - before + w.inRAM()
			all := w.totals()
			runtime.KeepAlive(w)
			bound := tt.part * float64(memory)
			said := fmt.Sprintf("%s, %d MiB: %d entries, memory %.1f%% of the bound, %.1f%% of what the cache says it has",
				tt.name, memory>>20, all.positive.entries+all.negative.entries, 100*float64(grown)/bound, 100*float64(grown)/float64(all.positive.bytes+all.negative.bytes))
			t.Log(said)
			if all.positive.evictions+all.negative.evictions == 0 {
				t.Errorf("%s: nothing was evicted", said)
			}
			if float64(grown) > 1.05*bound {
				t.Errorf("%s, want at most 105%%", said)
			}
			if memory > MinMemory && float64(grown) < tt.least*bound {
				t.Errorf("%s, want at least %.0f%%", said, 100*tt.least)
			}
		}
	}
}
