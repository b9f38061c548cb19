package resolver

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/upstream"
	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

// loopsBack is an upstream that forwards to the resolver itself and gives its answer, or none within 2 s.
func (b *bed) loopsBack(x *upstream.Exchange) {
	var ended atomic.Bool
	done := func(reply []byte, err error) {
		if !ended.Swap(true) {
			x.Done(reply, err)
		}
	}
	query := slices.Clone(x.Query)
	key := b.cache.Key(nil, slices.Clone(x.Name), x.Type, false, false)
	timeout := time.AfterFunc(min(2*time.Second, time.Until(x.Deadline)), func() { done(nil, upstream.ErrTimeout) })
	b.Serve(&Query{Key: key, RD: true, Done: func(e *cache.Entry) {
		timeout.Stop()
		done(upstreamtest.Rcode(query, e.Rcode()), nil)
	}})
}

const looping = `SERVFAIL 0 "notyet: up: questions sent to it come back here: a loop"`

func newLoop(t *testing.T) (*bed, *fake) {
	up := newFake("up", nil)
	b := newBed(t, up)
	up.answer = b.loopsBack
	return b, up
}

func TestLoopIsFoundAtTheStart(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, up := newLoop(t)
		b.Probe()
		synctest.Wait()
		b.want("www.example.com. A", looping, 0)
		if up.count() != 0 {
			t.Errorf("got %d questions, want none", up.count())
		}
		lines := b.log.lines()
		if len(lines) != 1 || !strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], "upstream=up") || !strings.Contains(lines[0], "remedy=") {
			t.Errorf("got log %q, want one line with the upstream and the remedy", lines)
		}
	})
}

// The loop may begin later. A question then waits for itself, until the attempt ends.
func TestLoopIsFoundAfterATimeout(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, up := newLoop(t)
		b.want("www.example.com. A", looping, 2*time.Second)
		b.want("other.example.com. A", looping, 0)
		if up.asks() != "0s" || up.probes() != "2s" {
			t.Errorf("got questions at %q and probes at %q, want %q and %q", up.asks(), up.probes(), "0s", "2s")
		}
	})
}

func TestOtherUpstreamIsAskedInsteadOfOneThatLoops(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up, other := newFake("up", nil), newFake("other", records("60 A 192.0.2.1"))
		b := newBed(t, up, other)
		up.answer = b.loopsBack
		b.Probe()
		synctest.Wait()
		b.want("www.example.com. A", "NOERROR A 192.0.2.1", 0)
		if up.count() != 0 {
			t.Errorf("got %d questions at the one that loops, want none", up.count())
		}
	})
}

func TestLoopIsProbedEveryTenSecondsWhileAskedForAndEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, up := newLoop(t)
		b.Probe()
		asked := 0
		ask := func() answer {
			asked++
			return b.ask(fmt.Sprintf("n%d.example.com. A", asked))
		}
		for range 65 {
			time.Sleep(time.Second)
			if got := ask(); got.text != looping || got.took != 0 {
				t.Errorf("after %v: got %s after %v, want %s at once", time.Since(b.began), got.text, got.took, looping)
			}
		}
		if got, want := up.probes(), "0s 10s 20s 30s 40s 50s 1m0s"; got != want {
			t.Errorf("asked every second: got probes at %q, want %q", got, want)
		}
		time.Sleep(time.Hour) // nobody asks
		if got := len(up.probed); got != 7 {
			t.Errorf("not asked for: got %d more probes, want none", got-7)
		}
		if n := up.count(); n != 0 {
			t.Errorf("got %d questions sent into the loop, want none", n)
		}
		if lines := b.log.lines(); len(lines) != 1 {
			t.Errorf("got log %q, want one line", lines)
		}

		up.change(records("60 A 192.0.2.1")) // the loop is no more
		if got := ask(); got.text != looping {
			t.Errorf("the question that brings the probe: got %s, want %s", got.text, looping)
		}
		synctest.Wait()
		if got := ask(); got.text != "NOERROR A 192.0.2.1" {
			t.Errorf("once the probe is answered: got %s, want A 192.0.2.1", got.text)
		}
		if lines := b.log.lines(); len(lines) != 2 || !strings.Contains(lines[1], "ended") || !strings.Contains(lines[1], "upstream=up") {
			t.Errorf("got log %q, want a second line that the loop ended", lines)
		}

		up.change(b.loopsBack) // and is again
		time.Sleep(probeInterval)
		ask()
		if got := ask(); got.text != looping {
			t.Errorf("when it begins again: got %s, want %s", got.text, looping)
		}
		if lines := b.log.lines(); len(lines) != 3 {
			t.Errorf("got log %q, want a third line", lines)
		}
	})
}

// Silence says nothing about a loop: it is what a loop looks like.
func TestLoopDoesNotEndWithoutAReply(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*upstream.Exchange){"dead": dead, "unreachable": unreachable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b, up := newLoop(t)
				b.Probe()
				synctest.Wait()
				up.change(answer)
				for i := range 30 {
					time.Sleep(time.Second)
					b.want(fmt.Sprintf("n%d.example.com. A", i), looping, 0)
				}
			})
		})
	}
}

func TestTimeoutsBringAProbeNoMoreOftenThanEveryTenSeconds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", dead)
		b := newBed(t, up)
		var all []<-chan answer
		for i := range 100 {
			all = append(all, b.start(fmt.Sprintf("n%d.example.com. A", i)))
			time.Sleep(300 * time.Millisecond)
		}
		for _, done := range all {
			b.wait(done)
		}
		// A timeout comes every 300 ms from 2 s on, and the first after 10 s brings the next probe. The others come
		// because the third, at 2.6 s, takes the upstream down.
		if got, want := up.probes(), "2s 3.6s 7.6s 12.1s 13.6s 22.1s 23.6s 32.2s"; got != want {
			t.Errorf("got probes at %q, want %q", got, want)
		}
		b.loops.mu.Lock()
		defer b.loops.mu.Unlock()
		if n := len(b.loops.under); n != 0 {
			t.Errorf("got %d probes under way, want none", n)
		}
	})
}

func TestEveryUpstreamOfEveryRouteIsProbed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		names := make(map[string]int)
		var mu sync.Mutex
		probed := func(x *upstream.Exchange) {
			mu.Lock()
			names[wire.String(x.Name[1+tokenLen+numberLen:])]++
			mu.Unlock()
			if x.Type != dns.TypeTXT || len(x.Query) == 0 || x.Deadline.Before(time.Now()) {
				t.Errorf("got the probe %+v, want a question that may take a while", x)
			}
			nxdomain(x)
		}
		one, two, three := newFake("one", probed), newFake("two", probed), newFake("three", probed)
		b := newBedOf(t, Config{Routes: []Route{
			{Zone: zone(t, "."), Upstreams: []Upstream{one, two}},
			{Zone: zone(t, "cluster.local."), Upstreams: []Upstream{three, one}}, // one has been probed
		}})
		b.Probe()
		synctest.Wait()
		if one.probes() != "0s" || two.probes() != "0s" || three.probes() != "0s" {
			t.Errorf("got probes at %q, %q and %q, want each at once", one.probes(), two.probes(), three.probes())
		}
		if names["notyet-loop."] != 2 || names["notyet-loop.cluster.local."] != 1 {
			t.Errorf("got probes for %v, want names below their routes' zones", names)
		}
	})
}

func TestZoneWithoutRoomForAProbeIsNotProbed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", records("60 A 192.0.2.1"))
		long := zone(t, strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456.", 4))
		b := newBedOf(t, Config{Routes: []Route{
			{Zone: zone(t, "."), Upstreams: []Upstream{newFake("root", nxdomain)}},
			{Zone: long, Upstreams: []Upstream{up}},
		}})
		b.Probe()
		synctest.Wait()
		if up.probes() != "" {
			t.Errorf("got probes at %q, want none", up.probes())
		}
		b.want(wire.String(long)+" A", "NOERROR A 192.0.2.1", 0)
	})
}

const cameBack = `SERVFAIL 0 "notyet: this question came back to where it was first asked: a loop"`

func TestProbeThatComesBackLateIsNoLoop(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", nil)
		b := newBed(t, up)
		var name []byte
		up.answer = func(x *upstream.Exchange) {
			if strings.Contains(string(x.Name), probeLabel) {
				name = slices.Clone(x.Name)
				dead(x)
				return
			}
			records("60 A 192.0.2.1")(x)
		}
		b.Probe()
		time.Sleep(3 * time.Second) // it has been given up
		b.want(wire.String(name)+" TXT", cameBack, 0)
		b.want("www.example.com. A", "NOERROR A 192.0.2.1", 0)
		if lines := b.log.lines(); lines[0] != "" {
			t.Errorf("got log %q, want nothing", lines)
		}
	})
}

func TestOnlyOurProbesAreProbes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		up := newFake("up", dead)
		b := newBed(t, up)
		b.Probe()
		time.Sleep(time.Second) // one is under way
		up.change(records("60 A 192.0.2.1"))
		token := string(b.loops.token[:])
		other := strings.Repeat("0123456789abcdef", 2)[:tokenLen]
		if other == token {
			t.Fatal("the token is not random")
		}
		tests := []struct {
			qname string
			want  string
		}{
			{token + "ffffffff.notyet-loop.", cameBack}, // a number that is not under way
			{other + "00000001.notyet-loop.", "NOERROR A 192.0.2.1"},
			{token + "0000001.notyet-loop.", "NOERROR A 192.0.2.1"},
			{token + "000000001.notyet-loop.", "NOERROR A 192.0.2.1"},
			{token + "0000000g.notyet-loop.", "NOERROR A 192.0.2.1"},
			{token + ".00000001.notyet-loop.", "NOERROR A 192.0.2.1"},
			{"x." + token + "00000001.notyet-loop.", "NOERROR A 192.0.2.1"},
			{"00000001" + token + ".notyet-loop.", "NOERROR A 192.0.2.1"},
			{"notyet-loop.", "NOERROR A 192.0.2.1"},
			{".", "NOERROR A 192.0.2.1"},
		}
		for _, tt := range tests {
			b.want(tt.qname+" A", tt.want, 0)
		}
		if b.loops.looping(up) {
			t.Error("got a loop, want none")
		}
		// The genuine one in another spelling, as an upstream sends it that draws upper and lower case.
		if len(b.loops.under) != 1 {
			t.Fatalf("got %d probes under way, want 1", len(b.loops.under))
		}
		for number := range b.loops.under {
			b.want(strings.ToUpper(fmt.Sprintf("%s%08x.notyet-loop.", token, number))+" TXT", cameBack, 0)
		}
		if !b.loops.looping(up) {
			t.Error("got no loop, want one")
		}
	})
}

func TestTokensDiffer(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 100 {
		seen[string(newBed(t, newFake("up", nil)).loops.token[:])] = true
	}
	if len(seen) != 100 {
		t.Errorf("got %d different tokens of 100", len(seen))
	}
}
