package cache

import (
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// watch gives the cache the answer to a question under watch.
func (w *world) watch(now time.Duration, question string, a answer, limits Watched) *Entry {
	w.Helper()
	return w.PutWatched(w.key(question), w.reply(question, a), limits, at(now))
}

// usual are the limits of a watch that says nothing of them.
func usual() Watched { return Watched{NXDOMAIN: 2 * s, NODATA: 30 * s} }

func TestWatchedNegativeLifetime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		answer      answer
		limits      Watched
		maxNegative time.Duration // 15 min
		missing     time.Duration // how long it has been seen missing
		want        time.Duration
	}{
		{name: "nxdomain first seen", answer: nxdomain(300 * s), limits: usual(), want: 1 * s},
		{name: "nodata first seen", answer: nodata(300 * s), limits: usual(), want: 1 * s},
		{name: "nxdomain on the ramp", answer: nxdomain(300 * s), limits: usual(), missing: 1500 * ms, want: 1500 * ms},
		{name: "nxdomain up to its limit", answer: nxdomain(300 * s), limits: usual(), missing: 50 * s, want: 2 * s},
		{name: "nodata on the ramp", answer: nodata(300 * s), limits: usual(), missing: 20 * s, want: 20 * s},
		{name: "nodata up to its limit", answer: nodata(300 * s), limits: usual(), missing: 50 * s, want: 30 * s},
		{name: "the negative TTL is lower", answer: nxdomain(1 * s), limits: usual(), missing: 50 * s, want: 1 * s},
		{name: "nodata, the negative TTL is lower", answer: nodata(7 * s), limits: usual(), missing: 50 * s, want: 7 * s},
		{name: "negative TTL 0", answer: nxdomain(0), limits: usual(), want: 0},
		{name: "max_negative_ttl is lower", answer: nodata(300 * s), limits: usual(), maxNegative: 5 * s, missing: 50 * s, want: 5 * s},
		{name: "max_negative_ttl 0", answer: nxdomain(300 * s), limits: usual(), maxNegative: -1, want: 0},
		{name: "max_negative_ttl 0, nodata", answer: nodata(300 * s), limits: usual(), maxNegative: -1, want: 0},
		{name: "half a second", answer: nxdomain(300 * s), limits: Watched{NXDOMAIN: 500 * ms}, missing: 50 * s, want: 500 * ms},
		{name: "nodata, seconds and a half", answer: nodata(300 * s), limits: Watched{NODATA: 2500 * ms}, missing: 50 * s, want: 2500 * ms},
		{name: "0", answer: nxdomain(300 * s), limits: Watched{NODATA: 30 * s}, want: 0},
		{name: "nodata 0", answer: nodata(300 * s), limits: Watched{NXDOMAIN: 2 * s}, want: 0},
		{name: "less than nothing", answer: nxdomain(300 * s), limits: Watched{NXDOMAIN: -1 * s}, want: 0},
		{name: "MaxTTL is of positives", answer: nodata(300 * s), limits: Watched{NODATA: 30 * s, MaxTTL: 1 * s}, missing: 50 * s, want: 30 * s},
		{name: "longer than without a watch", answer: nxdomain(300 * s), limits: Watched{NXDOMAIN: time.Hour}, missing: 50 * s, want: 50 * s},
		{
			name:   "nxdomain behind cname: the chain's own TTL",
			answer: answer{rcode: dns.RcodeNameError, answer: "www.example. 1 CNAME gone.example.", authority: soa(300*s, 300*s)},
			limits: usual(), missing: 50 * s, want: 1 * s,
		},
		{name: "nxdomain without soa", answer: answer{rcode: dns.RcodeNameError}, limits: usual(), want: 0},
		{name: "servfail", answer: answer{rcode: dns.RcodeServerFailure}, limits: usual(), want: 0},
	} {
		w := newWorld(t, func(c *Config) {
			if tt.maxNegative != 0 {
				c.MaxNegativeTTL = max(tt.maxNegative, 0)
			}
		})
		if tt.missing > 0 {
			w.watch(0, "www.example. A", tt.answer, tt.limits)
		}
		e := w.watch(tt.missing, "www.example. A", tt.answer, tt.limits)
		w.wantLifetime(tt.missing, "www.example. A", e, tt.want)
		if t.Failed() {
			t.Fatalf("that was %q", tt.name)
		}
	}
}

// TestRampGoesOnWhenAWatchEnds has a name that stops being under watch, and one that comes under it.
func TestRampGoesOnWhenAWatchEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watch(0, "www.example. A", nxdomain(300*s), usual())
	w.watch(8*s, "www.example. A", nxdomain(300*s), usual())
	if e := w.put(16*s, "www.example. A", nxdomain(300*s)); e.Lifetime() != 16*s {
		t.Errorf("no longer under watch: got lifetime %v, want 16s", e.Lifetime())
	}
	if e := w.watch(17*s, "www.example. A", nodata(300*s), usual()); e.Lifetime() != 17*s {
		t.Errorf("under watch again: got lifetime %v, want 17s", e.Lifetime())
	}
}

func TestWatchedNegativeThatIsNotKept(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]answer{
		"nothing":  {rcode: dns.RcodeRefused},
		"positive": a("www.example.", 300*s),
		"nxdomain": nxdomain(300 * s),
		"nodata":   nodata(300 * s),
	} {
		for question, minimum := range map[string]uint32{"www.example. A rd": 0, "www.example. A ad": 300, "www.example. A do": 300} {
			for _, now := range []answer{nxdomain(300 * s), nodata(300 * s)} {
				w := newWorld(t)
				w.put(0, question, before)
				e := w.watch(0, question, now, Watched{})
				w.wantLifetime(0, question, e, 0)
				m := w.read(0, question, e)
				if soa := m.Ns[0].(*dns.SOA); m.Rcode != now.rcode || soa.Hdr.Ttl != 0 || soa.Minttl != minimum {
					t.Errorf("%s: got rcode %d, TTL %d, MINIMUM %d, want %d, 0, %d", question, m.Rcode, soa.Hdr.Ttl, soa.Minttl, now.rcode, minimum)
				}
				w.wantIndex()
				if t.Failed() {
					t.Fatalf("that was after %s", name)
				}
			}
		}
	}
}

func TestWatchedNegativeIsAnnouncedForWhatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits := Watched{NXDOMAIN: 2500 * ms}
	w.watch(0, "www.example. A", nxdomain(300*s), limits)
	w.watch(8*s, "www.example. A", nxdomain(300*s), limits)
	for now, want := range map[time.Duration]uint32{8 * s: 2, 8500 * ms: 2, 8500*ms + 1: 1, 9500*ms + 1: 0, 10500*ms - 1: 0} {
		soa := w.ask(now, "www.example. A").Ns[0].(*dns.SOA)
		if soa.Hdr.Ttl != want || soa.Minttl != want {
			t.Errorf("at %v: got TTL %d, MINIMUM %d, want %d", now, soa.Hdr.Ttl, soa.Minttl, want)
		}
	}
}

func TestWatchedMaxTTL(t *testing.T) {
	t.Parallel()
	long := answer{
		answer:    "www.example. 300 CNAME web.example.\nweb.example. 59 A 192.0.2.1\nweb.example. 2147483647 A 192.0.2.2",
		authority: "example. 3600 NS ns.example.", additional: "ns.example. 20 A 192.0.2.53",
	}
	for _, tt := range []struct {
		name     string
		max      time.Duration
		lifetime time.Duration
		ttls     []uint32
	}{
		{"none but the cache's own", 0, 59 * s, []uint32{300, 59, 3000, 3000, 20}},
		{"higher than the cache's own", time.Hour, 59 * s, []uint32{300, 59, 3000, 3000, 20}},
		{"30 s", 30 * s, 30 * s, []uint32{30, 30, 30, 30, 20}},
		{"100 s", 100 * s, 59 * s, []uint32{100, 59, 100, 100, 20}},
		{"1.5 s", 1500 * ms, 1500 * ms, []uint32{1, 1, 1, 1, 1}},
		{"0.5 s", 500 * ms, 500 * ms, []uint32{0, 0, 0, 0, 0}},
	} {
		w := newWorld(t, func(c *Config) { c.MaxTTL = 3000 * s })
		e := w.watch(0, "www.example. A", long, Watched{MaxTTL: tt.max})
		m := w.read(0, "www.example. A", e)
		if got := ttls(slices.Concat(m.Answer, m.Ns, m.Extra)); !slices.Equal(got, tt.ttls) {
			t.Errorf("%s: got TTLs %v, want %v", tt.name, got, tt.ttls)
		}
		w.wantLifetime(0, "www.example. A", e, tt.lifetime)
		if t.Failed() {
			t.Fatalf("that was %q", tt.name)
		}
	}
}

func TestWatchedPositiveTakesTheNXDOMAINOfItsNameAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watch(0, "www.example. AAAA", nxdomain(300*s), usual())
	w.watch(0, "alias.example. A", behindCNAME("alias.example.", "www.example."), usual())
	w.watch(0, "www.example. A", a("www.example.", 300*s), usual())
	for _, question := range []string{"www.example. AAAA", "alias.example. A"} {
		if w.get(0, question) != nil {
			t.Errorf("%s: it is still denied", question)
		}
	}
	w.wantIndex()
}

func TestExtendedErrorOfAWatchedNegative(t *testing.T) {
	t.Parallel()
	withEDE := func(a answer) answer {
		a.ede = "the upstream's"
		return a
	}
	const never = -1
	for _, tt := range []struct {
		name   string
		answer answer
		limits Watched
		says   string        // "": nothing
		told   time.Duration // at 8 s, missing since 0
		want   string
	}{
		{name: "nxdomain", answer: nxdomain(300 * s), limits: usual(), says: "ours", told: 2 * s, want: "29 ours"},
		{name: "instead of the upstream's", answer: withEDE(nxdomain(300 * s)), limits: usual(), says: "ours", told: 2 * s, want: "29 ours"},
		{name: "nothing instead of the upstream's", answer: withEDE(nxdomain(300 * s)), limits: usual(), told: 2 * s},
		{name: "nodata", answer: withEDE(nodata(300 * s)), limits: usual(), says: "ours", told: 8 * s, want: "29 ours"},
		{name: "the negative TTL is lower", answer: nodata(5 * s), limits: usual(), says: "ours", told: 5 * s, want: "29 ours"},
		{name: "behind cname", answer: withEDE(behindCNAME("www.example.", "gone.example.")), limits: usual(), says: "ours", told: 2 * s, want: "29 ours"},
		{name: "not kept", answer: withEDE(nxdomain(300 * s)), says: "ours", told: 0, want: "29 ours"},
		{name: "no soa", answer: withEDE(answer{}), limits: usual(), says: "ours", told: 0, want: "29 ours"},
		{name: "positive", answer: withEDE(a("www.example.", 300*s)), limits: usual(), says: "ours", told: never, want: "22 the upstream's"},
		{name: "servfail", answer: withEDE(answer{rcode: dns.RcodeServerFailure}), limits: usual(), says: "ours", told: never, want: "22 the upstream's"},
	} {
		w := newWorld(t)
		w.watch(0, "www.example. A do", tt.answer, tt.limits)
		calls, told := 0, time.Duration(never)
		tt.limits.EDE = func(kept time.Duration) []byte {
			calls, told = calls+1, kept
			if tt.says == "" {
				return nil
			}
			return wire.AppendEDE(nil, 29, tt.says)
		}
		e := w.watch(8*s, "www.example. A do", tt.answer, tt.limits)
		if told != tt.told || calls > 1 || told != never && told != e.Lifetime() {
			t.Errorf("%s: told %v in %d calls, lifetime %v, want %v", tt.name, told, calls, e.Lifetime(), tt.told)
		}
		if got := edeOf(w.read(8*s, "www.example. A do", e)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if m := w.ask(8*s, "www.example. A do"); e.Lifetime() > 0 && edeOf(m) != tt.want {
			t.Errorf("%s: got %q from the cache, want %q", tt.name, edeOf(m), tt.want)
		}
		w.wantIndex()
	}
}

// TestExtendedErrorIsMadeWithoutALock has names dropped by whoever writes it.
func TestExtendedErrorIsMadeWithoutALock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits := usual()
	limits.EDE = func(time.Duration) []byte {
		w.DropNegativesBelow(w.key(". A").Name)
		w.Touch(new(Asked), at(0))
		w.get(8*s, "www.example. A")
		return nil
	}
	w.put(0, "www.example. A", nodata(300*s))
	e := w.watch(8*s, "www.example. A", nodata(300*s), limits)
	w.wantLifetime(8*s, "www.example. A", e, 1*s) // what was dropped meanwhile ends the ramp
}
