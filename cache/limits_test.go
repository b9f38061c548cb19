package cache

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestSmallerMemoryKeepsWhatWasUsedLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Memory = 32 << 20 })
	positive := w.raw("p00000000.example. A", a("p00000000.example.", 300*s))
	negative := w.raw("n00000000.example. A", behindCNAME("n00000000.example.", "g00000000.example."))
	const many = 40_000
	var lastPositive, lastNegative Key
	for n := range many {
		lastPositive, _ = positive.put(0, n)
		lastNegative, _ = negative.put(0, n)
	}
	config := *w.config.Load()
	config.Memory = MinMemory
	w.SetLimits(config)
	all := w.totals()
	if all.positive.limit+all.negative.limit != MinMemory || all.positive.bytes > all.positive.limit || all.negative.bytes > all.negative.limit {
		t.Errorf("got %+v, want at most %d bytes", all, MinMemory)
	}
	if all.positive.bytes < all.positive.limit*9/10 || all.positive.entries+int64(all.positive.evictions) != many {
		t.Errorf("got %+v, want the room used and what was lost counted", all)
	}
	for name, k := range map[string]Key{"positive": lastPositive, "negative": lastNegative} {
		if w.Peek(k, at(0)) == nil {
			t.Errorf("%s: what came last is gone", name)
		}
	}
	if n := w.DropNegatives(lastNegative.Name); n != 1 || w.Peek(lastNegative, at(0)) != nil {
		t.Errorf("got %d negatives dropped by name, want 1", n)
	}
	w.wantIndexed(t)
	for n := range many { // the limits hold from now on
		positive.put(0, many+n)
	}
	if all := w.totals(); all.positive.bytes > all.positive.limit {
		t.Errorf("got %+v, want at most %d bytes", all, MinMemory)
	}
}

// wantIndexed checks that negatives are found by name, and that nothing else is.
func (w *world) wantIndexed(t *testing.T) {
	t.Helper()
	var want, got int
	for i := range w.shards {
		s := &w.shards[i]
		for _, key := range s.negative.keys() {
			want++
			if _, ok := s.negative.peek(key).denied(); ok {
				want++
			}
		}
		for _, keys := range s.byName {
			got += len(keys)
		}
	}
	if got != want {
		t.Errorf("got %d negatives to be found by name, want %d", got, want)
	}
}

func TestLargerMemoryLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	positive := w.raw("p00000000.example. A", a("p00000000.example.", 300*s))
	var keys []Key
	for n := range 1000 {
		k, _ := positive.put(0, n)
		keys = append(keys, k)
	}
	config := *w.config.Load()
	config.Memory = 64 << 20
	w.SetLimits(config)
	for _, k := range keys {
		if w.Peek(k, at(0)) == nil {
			t.Fatalf("an entry is gone")
		}
	}
	if all := w.totals(); all.positive.limit != 48<<20 || all.negative.limit != 16<<20 {
		t.Errorf("got %+v, want limits of 48 and 16 MiB", all)
	}
}

func TestWhatLivesTooLongForTheNewLimitsGoes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                         string
		change                       func(*Config)
		long, short, missing, failed bool // are still there
	}{
		{"the same", func(*Config) {}, true, true, true, true},
		{"more", func(c *Config) { c.MaxTTL, c.MaxNegativeTTL = 48*time.Hour, time.Hour }, true, true, true, true},
		{"max_ttl", func(c *Config) { c.MaxTTL = time.Minute }, false, true, true, true},
		{"max_negative_ttl", func(c *Config) { c.MaxNegativeTTL = 0 }, true, true, false, true},
	} {
		w := newWorld(t)
		long, short := w.key("long.example. A"), w.key("short.example. A")
		missing, failed := w.key("missing.example. A"), w.key("failed.example. A")
		w.Put(long, w.reply("long.example. A", a("long.example.", 3600*s)), at(0))
		w.Put(short, w.reply("short.example. A", a("short.example.", 60*s)), at(0))
		w.Put(missing, w.reply("missing.example. A", nxdomain(300*s)), at(0))
		w.PutFailure(failed, Failure(failed, nil), at(0))
		config := *w.config.Load()
		tt.change(&config)
		w.SetLimits(config)
		for k, want := range map[*Key]bool{&long: tt.long, &short: tt.short, &missing: tt.missing, &failed: tt.failed} {
			if got := w.Peek(*k, at(0)) != nil; got != want {
				t.Errorf("%s: %s: got it in the cache %v, want %v", tt.name, k.Name, got, want)
			}
		}
		// And from now on.
		e := w.Put(long, w.reply("long.example. A", a("long.example.", 7200*s)), at(0))
		if got, want := e.Lifetime(), min(2*time.Hour, config.MaxTTL); got != want {
			t.Errorf("%s: a new positive: got lifetime %v, want %v", tt.name, got, want)
		}
	}
}

func TestFailuresCanBeDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	missing, failed := w.key("missing.example. A"), w.key("failed.example. A")
	w.Put(missing, w.reply("missing.example. A", nxdomain(300*s)), at(0))
	w.PutFailure(failed, Failure(failed, nil), at(0))
	if got := w.DropFailures(); got != 1 {
		t.Errorf("got %d dropped, want 1", got)
	}
	if w.Peek(failed, at(0)) != nil || w.Peek(missing, at(0)) == nil {
		t.Error("got the failure in the cache or the denial out of it")
	}
	w.wantIndexed(t)
}

func TestLimitsChangeWhileInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const each = 10_000 // more than there is room for at times
	var users sync.WaitGroup
	var ended atomic.Bool
	for i := range 2 {
		positive := w.raw("p00000000.example. A", a("p00000000.example.", 300*s))
		negative := w.raw("n00000000.example. A", behindCNAME("n00000000.example.", "g00000000.example."))
		users.Go(func() {
			for n := range each {
				positive.put(0, 2*n+i)
				k, _ := negative.put(0, 2*n+i)
				w.got(k, at(0))
			}
			ended.Store(true)
		})
	}
	config := *w.config.Load()
	for i := 0; !ended.Load(); i++ {
		config.Memory = MinMemory << (i % 4)
		config.MaxTTL, config.MaxNegativeTTL = time.Duration(1+i%3)*time.Hour, time.Duration(1+i%2)*time.Minute
		w.SetLimits(config)
	}
	config.Memory = MinMemory
	w.SetLimits(config)
	users.Wait()
	w.wantIndexed(t)
	if all := w.totals(); all.positive.bytes > all.positive.limit || all.negative.bytes > all.negative.limit {
		t.Errorf("got %+v, want at most %d bytes", all, MinMemory)
	}
}
