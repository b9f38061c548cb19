package resolver

import (
	"testing"
	"time"

	"notyet/upstream"
)

func TestSetRoutesTakesTheNextQuestionsAndLeavesThoseUnderWay(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		old, next := newFake("old", slow(time.Second, records("60 A 192.0.2.1"))), newFake("next", records("60 A 192.0.2.2"))
		b := newBed(t, old)
		underWay := b.start("www.example.com. A")
		b.SetRoutes([]Route{{Zone: zone(t, "."), Upstreams: []Upstream{next}}})
		b.want("other.example.com. A", "NOERROR A 192.0.2.2", 0)
		if got := b.wait(underWay); got.text != "NOERROR A 192.0.2.1" || got.took != time.Second {
			t.Errorf("under way: got %s after %v, want the old upstream's answer after 1s", got.text, got.took)
		}
		if got := next.probes(); got != "0s" {
			t.Errorf("the new upstream was probed at %q, want 0s", got)
		}
	})
}

func TestQuestionThatIsAskedAgainGoesByTheNewRoutes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, newFake("unreachable", dead))
		first := b.start("www.example.com. A")
		time.Sleep(time.Second)
		b.SetRoutes([]Route{{Zone: zone(t, "."), Upstreams: []Upstream{newFake("next", records("60 A 192.0.2.2"))}}})
		b.want("www.example.com. A", "NOERROR A 192.0.2.2", 0)
		if got := b.wait(first); got.text != "NOERROR A 192.0.2.2" || got.took != time.Second {
			t.Errorf("who asked before: got %s after %v, want the same answer after 1s", got.text, got.took)
		}
		time.Sleep(10 * time.Second) // what was under way fails
		if len(first) != 0 {
			t.Error("the first query was answered twice")
		}
		b.want("www.example.com. A", "cached NOERROR A 192.0.2.2", 0)
		b.idle()
	})
}

func TestSetRoutesChangesZonesAndPolicy(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		all, local := newFake("all", records("60 A 192.0.2.1")), newFake("local", records("60 A 192.0.2.2"))
		b := newBed(t, all)
		b.SetRoutes([]Route{
			{Zone: zone(t, "."), Upstreams: []Upstream{all, local}, Policy: Random},
			{Zone: zone(t, "cluster.local."), Upstreams: []Upstream{local}},
		})
		b.want("db.cluster.local. A", "NOERROR A 192.0.2.2", 0)
		for range 100 {
			b.Forward(b.cache.Key(nil, zone(t, "www.example.com."), 1, false, false), true, func(Outcome) {})
		}
		if all.count() == 0 || local.count() < 2 {
			t.Errorf("got %d and %d questions by the policy random, want some at each", all.count(), local.count())
		}
		if got := all.probes(); got != "0s" {
			t.Errorf("the upstream that stays was probed at %q, want once", got)
		}
	})
}

func TestUpstreamThatIsNoMoreDoesNotLoop(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		var b *bed
		loops := newFake("loops", func(x *upstream.Exchange) {
			b.loops.isProbe(x.Name)
			dead(x)
		})
		b = newBed(t, loops)
		b.Probe()
		if !b.loops.looping(loops) {
			t.Fatal("got no loop to begin with")
		}
		good := newFake("good", records("60 A 192.0.2.1"))
		b.SetRoutes([]Route{{Zone: zone(t, "."), Upstreams: []Upstream{good}}})
		b.want("www.example.com. A", "NOERROR A 192.0.2.1", 0)
		time.Sleep(5 * time.Second) // its last probe ends
		b.loops.mu.Lock()
		defer b.loops.mu.Unlock()
		if n := b.loops.count.Load(); n != 0 || len(b.loops.states) != 1 {
			t.Errorf("got %d upstreams that loop and %d remembered, want 0 and 1", n, len(b.loops.states))
		}
	})
}
