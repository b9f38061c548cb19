package cache

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// inspected is what there is of a name, as in "A positive 3s/297s", sorted.
func (w *world) inspected(now time.Duration, name string) string {
	var all []string
	for _, e := range w.Inspect(w.key(name+" A").Name, at(now)) {
		text := dns.Type(e.Key.Type).String()
		if e.Key.DO {
			text += " do"
		}
		if e.Key.CD {
			text += " cd"
		}
		text += " " + e.Kind().String() + " " + e.Age.String() + "/" + e.Left.String()
		if e.Stale() {
			text += " stale"
		}
		if !e.matches(e.Key) {
			text += " with the key of another"
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestInspectShowsAllThatIsKeptOfAName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Stale = time.Hour })
	w.put(0, "www.example.net. A", a("www.example.net.", 300*s))
	w.put(0, "www.example.net. A do", a("www.example.net.", 300*s))
	w.put(0, "www.example.net. MX", nodata(300*s))
	w.put(0, "www.example.net. AAAA do cd", nodata(300*s))
	w.fail(0, "www.example.net. TXT")
	w.put(0, "xwww.example.net. A", a("xwww.example.net.", 300*s))
	w.put(0, "example.net. A", a("example.net.", 300*s))
	w.put(0, "alias.example.net. A", behindCNAME("alias.example.net.", "www.example.net."))
	hits, misses := w.Stats().Hits, w.Stats().Misses
	for _, tt := range []struct {
		now  time.Duration
		name string
		want string
	}{
		{0, "www.example.net.", "A do positive 0s/5m0s, A positive 0s/5m0s, AAAA do cd nodata 0s/1s, MX nodata 0s/1s, TXT failure 0s/1s"},
		{1 * s, "www.example.net.", "A do positive 1s/4m59s, A positive 1s/4m59s"},
		{300 * s, "www.example.net.", "A do positive 5m0s/0s, A positive 5m0s/0s"},
		{300*s + time.Hour, "www.example.net.", ""},
		{0, "nothing.example.net.", ""},
		{0, "net.", ""},
		{0, "alias.example.net.", "A nxdomain 0s/1s"},
	} {
		if got := w.inspected(tt.now, tt.name); got != tt.want {
			t.Errorf("%s at %v: got %q, want %q", tt.name, tt.now, got, tt.want)
		}
	}
	if got := w.Stats(); got.Hits != hits || got.Misses != misses {
		t.Errorf("got hits and misses counted, want none")
	}
}

func TestInspectShowsWhatStandsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Stale = time.Hour })
	w.put(0, "www.example.net. A", a("www.example.net.", 300*s))
	w.fail(301*s, "www.example.net. A")
	if got, want := w.inspected(302*s, "www.example.net."), "A positive 1s/29s stale, A positive 5m2s/0s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDropTakesOutOneName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	goes := []string{"www.example.net. A", "www.example.net. A do", "www.example.net. MX", "in.example. A"}
	stays := []string{"example.net. A", "a.www.example.net. A", "out.example. A"}
	fill := func() {
		w.put(0, "wWw.example.net. A", a("www.example.net.", 300*s))
		w.put(0, "www.example.net. A do", a("www.example.net.", 300*s))
		w.put(0, "www.example.net. MX", nodata(300*s))
		w.put(0, "in.example. A", behindCNAME("in.example.", "www.example.net."))
		w.put(0, "example.net. A", a("example.net.", 300*s))
		w.put(0, "a.www.example.net. A", nxdomain(300*s))
		w.put(0, "out.example. A", behindCNAME("out.example.", "gone.example."))
	}
	fill()
	w.wantDropped(w.Drop(w.key("www.example.net. A").Name), goes, stays)
	fill()
	w.wantDropped(w.DropNegatives(w.key("www.example.net. A").Name), goes[2:], append(stays, goes[:2]...))
}

func (w *world) wantDropped(got int, goes, stays []string) {
	w.Helper()
	if got != len(goes) {
		w.Errorf("got %d dropped, want %d", got, len(goes))
	}
	for _, question := range goes {
		if w.get(0, question) != nil {
			w.Errorf("%s: it is still there", question)
		}
	}
	for _, question := range stays {
		if w.get(0, question) == nil {
			w.Errorf("%s: it went too", question)
		}
	}
	w.wantIndex()
}

func TestDropBelowTakesPositivesAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "example.net. A", a("example.net.", 300*s))
	w.put(0, "www.example.net. A", a("www.example.net.", 300*s))
	w.put(0, "no.example.net. A", nxdomain(300*s))
	w.put(0, "in.example. A", behindCNAME("in.example.", "gone.example.net."))
	w.put(0, "net. A", a("net.", 300*s))
	w.put(0, "myexample.net. A", a("myexample.net.", 300*s))
	w.put(0, "www.example. A", nxdomain(300*s))
	w.wantDropped(w.DropBelow(w.key("Example.NET. A").Name),
		[]string{"example.net. A", "www.example.net. A", "no.example.net. A", "in.example. A"},
		[]string{"net. A", "myexample.net. A", "www.example. A"})
	for n := range 200 {
		name := "n" + strconv.Itoa(n) + ".example.net."
		w.put(0, name+" A", a(name, 300*s))
	}
	if n := w.DropBelow(w.key("example.net. A").Name); n != 200 {
		t.Errorf("got %d dropped in all shards, want 200", n)
	}
}

func TestStatsAreThoseOfTheMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example.net. A", a("www.example.net.", 300*s))
	w.put(0, "no.example.net. A", nxdomain(300*s))
	w.fail(0, "no.example.net. AAAA")
	for _, question := range []string{"www.example.net. A", "no.example.net. A", "no.example.net. AAAA", "other.example.net. A"} {
		w.get(0, question)
	}
	got := w.Stats()
	if got.Hits != 3 || got.Misses != 1 || got.Positive.Entries != 1 || got.Negative.Entries != 2 {
		t.Errorf("got %+v, want 3 hits, 1 miss, 1 positive and 2 negatives", got)
	}
	if got.Positive.Bytes <= 0 || got.Positive.Limit != 3*got.Negative.Limit || got.Positive.Evictions != 0 {
		t.Errorf("got %+v, want some bytes, and a limit of three quarters", got)
	}
	if e := w.Inspect(w.key("no.example.net. AAAA").Name, at(0)); len(e) != 2 || e[0].Kind() == wire.Positive {
		t.Errorf("got %d entries, want two negatives", len(e))
	}
}

func TestInspectedEntryStaysAsItIsWhenTheCacheMovesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example.net. A", a("www.example.net.", 300*s))
	found := w.Inspect(w.key("www.example.net. A").Name, at(0))
	if len(found) != 1 {
		t.Fatalf("got %d entries, want 1", len(found))
	}
	before := bytes.Clone(found[0].data)
	for i := range 60000 { // more than there is room for
		name := "n" + strconv.Itoa(i) + ".example.org."
		w.put(0, name+" A", a(name, 300*s))
	}
	if !bytes.Equal(found[0].data, before) {
		t.Errorf("got %q, want %q", found[0].data, before)
	}
}
