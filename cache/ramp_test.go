package cache

import (
	"math"
	"strings"
	"testing"
	"time"
)

// step is what the upstream says at a moment, and how long that is kept.
type step struct {
	at   time.Duration
	says string
	want time.Duration
}

func (w *world) walk(question string, negativeTTL time.Duration, steps []step) {
	w.Helper()
	for _, st := range steps {
		var e *Entry
		switch st.says {
		case "nxdomain":
			e = w.put(st.at, question, nxdomain(negativeTTL))
		case "nodata":
			e = w.put(st.at, question, nodata(negativeTTL))
		case "no soa":
			e = w.put(st.at, question, answer{})
		case "servfail":
			e = w.fail(st.at, question)
		case "positive":
			e = w.put(st.at, question, a(strings.Fields(question)[0], 5*s))
		case "positive of another type":
			e = w.put(st.at, "www.example. TXT", answer{answer: "www.example. 5 TXT text"})
		case "flush":
			w.DropNegatives(w.key(question).Name)
			continue
		default:
			w.Fatalf("what is %q?", st.says)
		}
		if e.Lifetime() != st.want {
			w.Errorf("%s at %v, %s: got lifetime %v, want %v", question, st.at, st.says, e.Lifetime(), st.want)
		}
	}
}

func TestRamp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		negativeTTL time.Duration // 1 h
		steps       []step
	}{
		{name: "asked for all the time", steps: []step{
			{0, "nxdomain", 1 * s},
			{1 * s, "nxdomain", 1 * s},
			{2 * s, "nxdomain", 2 * s},
			{4 * s, "nxdomain", 4 * s},
			{8 * s, "nxdomain", 8 * s},
			{16 * s, "nxdomain", 16 * s},
			{32 * s, "nxdomain", 32 * s},
			{64 * s, "nxdomain", 64 * s},
			{128 * s, "nxdomain", 128 * s},
			{256 * s, "nxdomain", 256 * s},
			{512 * s, "nxdomain", 512 * s},
			{1024 * s, "nxdomain", 900 * s}, // max_negative_ttl
			{1924 * s, "nxdomain", 900 * s},
		}},
		{name: "asked for late", steps: []step{
			{0, "nxdomain", 1 * s},
			{1500 * ms, "nxdomain", 1500 * ms},
			{10 * s, "nxdomain", 10 * s},
			{50 * s, "nxdomain", 50 * s},
		}},
		{name: "asked for at half seconds", steps: []step{
			{500 * ms, "nodata", 1 * s},
			{2 * s, "nodata", 1500 * ms},
			{4250 * ms, "nodata", 3750 * ms},
		}},
		{name: "up to the negative TTL", negativeTTL: 5 * s, steps: []step{
			{0, "nxdomain", 1 * s},
			{1 * s, "nxdomain", 1 * s},
			{3 * s, "nxdomain", 3 * s},
			{6 * s, "nxdomain", 5 * s},
			{11 * s, "nxdomain", 5 * s},
			{16 * s, "nxdomain", 5 * s},
		}},
		{name: "nxdomain becomes nodata", steps: []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{16 * s, "nodata", 16 * s},
			{32 * s, "nxdomain", 32 * s},
		}},
		{name: "60 s after expiry", steps: []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{76 * s, "nxdomain", 76 * s},
		}},
		{name: "more than 60 s after expiry", steps: []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{76*s + ms, "nxdomain", 1 * s},
			{78 * s, "nxdomain", 2*s - ms},
		}},
		{name: "a positive in between", steps: []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{16 * s, "positive", 5 * s},
			{21 * s, "nxdomain", 1 * s},
			{25 * s, "nxdomain", 4 * s},
		}},
		{name: "a positive of another type, after nxdomain", steps: []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{9 * s, "positive of another type", 5 * s},
			{9 * s, "nodata", 1 * s},
		}},
		{name: "a positive of another type, after nodata", steps: []step{
			{0, "nodata", 1 * s},
			{8 * s, "nodata", 8 * s},
			{9 * s, "positive of another type", 5 * s},
			{16 * s, "nodata", 16 * s},
		}},
		{name: "dropped", steps: []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{9 * s, "flush", 0},
			{9 * s, "nxdomain", 1 * s},
		}},
		{name: "a failure in between", steps: []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{16 * s, "servfail", 1 * s},
			{17 * s, "servfail", 2 * s},
			{20 * s, "nxdomain", 20 * s},
		}},
		{name: "a failure right after it was first seen", steps: []step{
			{0, "nxdomain", 1 * s},
			{1 * s, "servfail", 1 * s},
			{2 * s, "nxdomain", 2 * s},
		}},
		{name: "a failure, then nobody for more than 60 s", steps: []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{16 * s, "servfail", 1 * s},
			{77*s + ms, "nxdomain", 1 * s},
		}},
		{name: "failures from the start don't count", steps: []step{
			{0, "servfail", 1 * s},
			{1 * s, "servfail", 2 * s},
			{3 * s, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 5 * s},
		}},
		{name: "a denial without SOA in between", steps: []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{16 * s, "no soa", 0},
			{20 * s, "nxdomain", 20 * s},
		}},
		{name: "negative TTL 0", negativeTTL: -1, steps: []step{
			{0, "nxdomain", 0},
			{8 * s, "nxdomain", 0},
		}},
		{name: "a clock that was read before", steps: []step{
			{10 * s, "nxdomain", 1 * s},
			{9 * s, "nxdomain", 1 * s},
			{11 * s, "nxdomain", 2 * s},
		}},
	} {
		w := newWorld(t)
		if tt.negativeTTL == 0 {
			tt.negativeTTL = time.Hour
		}
		w.walk("www.example. A", max(tt.negativeTTL, 0), tt.steps)
		if t.Failed() {
			t.Fatalf("that was %q", tt.name)
		}
	}
}

func TestRampIsOfOneQuestion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", nxdomain(300*s))
	w.put(30*s, "www.example. A", nxdomain(300*s))
	for _, question := range []string{"www.example. AAAA", "www.example. A do", "www.example. A cd", "web.example. A"} {
		if e := w.put(30*s, question, nxdomain(300*s)); e.Lifetime() != 1*s {
			t.Errorf("%s: got lifetime %v, want 1s", question, e.Lifetime())
		}
	}
}

func TestEvictionEndsTheRamp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", nxdomain(300*s))
	w.put(30*s, "www.example. A", nxdomain(300*s))
	raw := w.raw("h00000000.example. A", nxdomain(300*s))
	k := w.key("www.example. A")
	for n := 0; w.shard(k.hash).negative.evictions == 0; n++ {
		raw.put(31*s, n)
	}
	if e := w.put(31*s, "www.example. A", nxdomain(300*s)); e.Lifetime() != 1*s {
		t.Errorf("got lifetime %v, want 1s", e.Lifetime())
	}
}

// TestRampBoundsTheHarm asks every 100 ms for a name that appears after some time.
func TestRampBoundsTheHarm(t *testing.T) {
	t.Parallel()
	for _, appears := range []time.Duration{0, 300 * ms, 1 * s, 3 * s, 7 * s, 20 * s, 64 * s, 200 * s, 500 * s} {
		w := newWorld(t)
		exchanges := 0
		var seen time.Duration
		for now := time.Duration(0); seen == 0; now += 100 * ms {
			if e := w.get(now, "www.example. A"); e != nil {
				continue
			}
			exchanges++
			if now > appears {
				w.put(now, "www.example. A", a("www.example.", 300*s))
				seen = now
			} else {
				w.put(now, "www.example. A", nxdomain(time.Hour))
			}
		}
		if delay := seen - appears; delay > max(1*s, appears) {
			t.Errorf("a name that appears after %v: seen %v later, want at most %v", appears, delay, max(1*s, appears))
		}
		// The first question, one a doubling from 1 s on, and the positive answer.
		if most := 3 + int(math.Log2(max(appears.Seconds(), 1))); exchanges > most {
			t.Errorf("a name that appears after %v: %d exchanges, want at most %d", appears, exchanges, most)
		}
	}
}
