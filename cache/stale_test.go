package cache

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

func staleFor(d time.Duration) func(*Config) { return func(c *Config) { c.Stale = d } }

// edesOf are all extended errors of the reply.
func edesOf(m *dns.Msg) string {
	var all []string
	for _, option := range m.IsEdns0().Option {
		if ede, ok := option.(*dns.EDNS0_EDE); ok {
			all = append(all, edeOf(&dns.Msg{Extra: []dns.RR{&dns.OPT{Hdr: dns.RR_Header{Rrtype: dns.TypeOPT}, Option: []dns.EDNS0{ede}}}}))
		}
	}
	return strings.Join(all, ", ")
}

// standsIn makes the answer to the question stale and lets the upstreams fail.
func (w *world) standsIn(now time.Duration, question string) *Entry {
	w.Helper()
	k := w.key(question)
	return w.PutFailure(k, Failure(k, wire.AppendEDE(nil, 22, "timeout")), at(now))
}

func TestStaleAnswerStandsInWhenTheUpstreamsFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	full := answer{
		answer:     "www.example. 300 CNAME web.example.\nweb.example. 5 A 192.0.2.1",
		authority:  "example. 3600 NS ns.example.",
		additional: "ns.example. 60 A 192.0.2.53", ad: true, ede: "of the upstream",
	}
	w.put(0, "www.example. A do", full)
	if got := w.get(5*s, "www.example. A do"); got != nil {
		t.Errorf("before the upstreams were asked: got %v, want a miss", got)
	}
	e := w.standsIn(10*s, "wwW.example. A do")
	w.wantLifetime(10*s, "www.example. A do", e, 30*s)

	for _, now := range []time.Duration{10 * s, 25 * s, 40*s - 1} {
		m := w.read(now, "www.example. A do ad", e)
		if got, want := edesOf(m), "3 notyet: past its TTL, 22 timeout"; got != want {
			t.Errorf("at %v: got extended errors %q, want %q", now, got, want)
		}
		for _, ttl := range ttls(slices.Concat(m.Answer, m.Ns, m.Extra)) {
			if ttl != 30 {
				t.Errorf("at %v: got TTL %d, want 30", now, ttl)
			}
		}
		want := words(records(t, "www.example. 30 CNAME web.example.\nweb.example. 30 A 192.0.2.1\nexample. 30 NS ns.example.\nns.example. 30 A 192.0.2.53"))
		if got := words(slices.Concat(m.Answer, m.Ns, m.Extra)); m.Rcode != dns.RcodeSuccess || got != want {
			t.Errorf("at %v: got %s, want NOERROR and %s", now, got, want)
		}
		if m.AuthenticatedData {
			t.Errorf("at %v: got AD, want none past the TTL", now)
		}
	}
	if m := w.read(10*s, "www.example. A", e); m.IsEdns0() != nil || len(m.Answer) != 2 {
		t.Errorf("without EDNS: got %v, want the answer and no OPT", m)
	}
	if got := w.get(10*s, "www.example. A"); got != nil {
		t.Errorf("without DO: got %v, want a miss", got)
	}
}

func TestStaleAnswerIsAnnouncedWithinMaxTTL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour), func(c *Config) { c.MaxTTL = 7 * s })
	w.put(0, "www.example. A", a("www.example.", 300*s))
	if got := w.read(7*s, "www.example. A", w.standsIn(7*s, "www.example. A")).Answer[0].Header().Ttl; got != 7 {
		t.Errorf("max_ttl 7 s: got TTL %d, want 7", got)
	}
}

func TestHowLongStaleAnswersMayStandIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		stale  time.Duration
		ttl    time.Duration
		at     time.Duration
		served bool
		want   time.Duration // lifetime of what stands in, or of the failure
	}{
		{name: "just expired", stale: time.Hour, ttl: 60 * s, at: 60 * s, served: true, want: 30 * s},
		{name: "30 s before the end", stale: time.Hour, ttl: 60 * s, at: 60*s + time.Hour - 30*s, served: true, want: 30 * s},
		{name: "10 s before the end", stale: time.Hour, ttl: 60 * s, at: 60*s + time.Hour - 10*s, served: true, want: 10 * s},
		{name: "at the end", stale: time.Hour, ttl: 60 * s, at: 60*s + time.Hour, want: 1 * s},
		{name: "stale 2 s", stale: 2 * s, ttl: 60 * s, at: 61 * s, served: true, want: 1 * s},
		{name: "stale 0", ttl: 60 * s, at: 60 * s, want: 1 * s},
		{name: "TTL 0, which was not kept", stale: time.Hour, at: 1 * s, want: 1 * s},
	} {
		w := newWorld(t, staleFor(tt.stale))
		w.put(0, "www.example. A", a("www.example.", tt.ttl))
		if e, stale := w.PeekStale(w.key("www.example. A"), at(tt.at)); e != nil || stale != tt.served {
			t.Errorf("%s: got %v and stale %v, want nil and %v", tt.name, e, stale, tt.served)
		}
		e := w.standsIn(tt.at, "www.example. A")
		if e.Stale() != tt.served || (e.Kind() == wire.Positive) != tt.served {
			t.Errorf("%s: got %v, stale %v, want stale %v", tt.name, e.Kind(), e.Stale(), tt.served)
		}
		w.wantLifetime(tt.at, "www.example. A", e, tt.want)
		if t.Failed() {
			t.Fatalf("that was %q", tt.name)
		}
	}
}

func TestFailureWhileThePositiveIsFreshStandsInFromItsExpiryOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	positive := w.put(0, "www.example. A", a("www.example.", 60*s))
	if got := w.standsIn(50*s, "www.example. A"); !same(got, positive) {
		t.Errorf("got %v, want what is fresh", got)
	}
	if got := w.get(60*s-1, "www.example. A"); !same(got, positive) {
		t.Errorf("just before the expiry: got %v, want what is fresh", got)
	}
	if got := w.get(60*s, "www.example. A"); got == nil || !got.Stale() {
		t.Errorf("at the expiry: got %v, want what stands in", got)
	}
	if got := w.get(80*s, "www.example. A"); got != nil {
		t.Errorf("30 s after the failure: got %v, want a miss", got)
	}
}

func TestFailureWhileThePositiveIsFreshIsKeptWhereNothingStandsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", a("www.example.", 60*s))
	w.fail(60*s-500*ms, "www.example. A")
	if got := w.get(60*s, "www.example. A"); got == nil || got.Kind() != wire.Failure {
		t.Errorf("got %v, want the failure (RFC 9520)", got)
	}
}

func TestWhatStandsInIsRenewedAtEveryFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	w.put(0, "www.example. A", a("www.example.", 60*s))
	for _, now := range []time.Duration{60 * s, 61 * s, 75 * s, 200 * s} {
		w.standsIn(now, "www.example. A")
	}
	w.wantLifetime(200*s, "www.example. A", w.get(200*s, "www.example. A"), 30*s)
}

// RFC 8767, section 4: an answer that says NOERROR or NXDOMAIN has refreshed the data, others have not.
func TestWhatEndsStaleAnswers(t *testing.T) {
	t.Parallel()
	watched := func(nxdomain time.Duration) func(*world) {
		return func(w *world) {
			w.PutWatched(w.key("www.example. A"), w.reply("www.example. A", answer{rcode: dns.RcodeNameError, authority: soa(60*s, 60*s)}),
				Watched{NXDOMAIN: nxdomain}, at(70*s))
		}
	}
	put := func(r answer) func(*world) { return func(w *world) { w.put(70*s, "www.example. A", r) } }
	for _, tt := range []struct {
		name string
		by   func(*world)
		ends bool
	}{
		{"NXDOMAIN", put(nxdomain(60 * s)), true},
		{"NODATA", put(nodata(60 * s)), true},
		{"NXDOMAIN that isn't kept", put(nxdomain(0)), true},
		{"NXDOMAIN without SOA", put(answer{rcode: dns.RcodeNameError}), true},
		{"NODATA without SOA", put(answer{}), true},
		{"NXDOMAIN under watch", watched(2 * s), true},
		{"NXDOMAIN under watch that isn't kept", watched(0), true},
		{"a positive with TTL 0", put(a("www.example.", 0)), true},
		{"a referral", put(answer{authority: "example. 300 NS ns.example."}), false},
		{"NOTZONE", put(answer{rcode: dns.RcodeNotZone}), false},
		{"NXDOMAIN of another question", func(w *world) { w.put(70*s, "ftp.example. A", nxdomain(60*s)) }, false},
	} {
		w := newWorld(t, staleFor(time.Hour))
		w.put(0, "www.example. A", a("www.example.", 60*s))
		w.standsIn(65*s, "www.example. A")
		tt.by(w)
		if got := w.get(70*s, "www.example. A"); (got == nil || !got.Stale()) != tt.ends {
			t.Errorf("%s: got %v, want it to end what stands in: %v", tt.name, got, tt.ends)
		}
		if got := w.standsIn(200*s, "www.example. A"); got.Stale() == tt.ends {
			t.Errorf("%s: the next failure brings %v, want it to end stale answers: %v", tt.name, got.Kind(), tt.ends)
		}
	}
}

func TestVerdictOnTheAnswerEndsIt(t *testing.T) {
	t.Parallel()
	for code := range uint16(30) {
		want := code >= 6 && code <= 12 || code >= 15 && code <= 18 // bogus; blocked, censored, filtered, prohibited
		w := newWorld(t, staleFor(time.Hour))
		k := w.key("www.example. A")
		w.put(0, "www.example. A", a("www.example.", 60*s))
		w.standsIn(60*s, "www.example. A")
		e := w.PutFailure(k, Failure(k, wire.AppendEDE(nil, code, "")), at(65*s))
		if e.Stale() == want || !same(w.get(65*s, "www.example. A"), e) {
			t.Errorf("extended error %d: got %v, stale %v, want a failure that is kept: %v", code, e.Kind(), e.Stale(), want)
		}
		if got := w.standsIn(70*s, "www.example. A"); got.Stale() == want {
			t.Errorf("after extended error %d: got %v, want the answer forgotten: %v", code, got.Kind(), want)
		}
	}
}

func TestVerdictLeavesWhatIsFresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	k := w.key("www.example. A")
	positive := w.put(0, "www.example. A", a("www.example.", 60*s))
	w.PutFailure(k, Failure(k, wire.AppendEDE(nil, dns.ExtendedErrorCodeDNSBogus, "")), at(55*s))
	if got := w.get(59*s, "www.example. A"); !same(got, positive) {
		t.Errorf("got %v, want what is fresh", got)
	}
}

func TestAnswerThatIsNotTheUpstreamsNeverStandsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	e := w.PutWatched(w.key("www.example. A do"), w.reply("www.example. A do", answer{answer: "www.example. 60 A 192.0.2.1", ede: "of the upstream"}),
		Watched{NoStale: true}, at(0))
	w.wantLifetime(0, "www.example. A do", e, 60*s)
	if got := edeOf(w.read(0, "www.example. A do", e)); got != "22 of the upstream" {
		t.Errorf("got extended error %q, want the upstream's", got)
	}
	if got := w.standsIn(60*s, "www.example. A do"); got.Kind() != wire.Failure {
		t.Errorf("got %v, want the failure", got.Kind())
	}
}

func TestPositiveReplacesWhatStandsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	w.put(0, "www.example. A", a("www.example.", 60*s))
	w.standsIn(60*s, "www.example. A")
	e := w.put(65*s, "www.example. A", a("www.example.", 7*s))
	w.wantLifetime(65*s, "www.example. A", e, 7*s)
}

// What stands in says that the name existed, so the ramp begins anew.
func TestNameWasNotMissingWhileItsAnswerStoodIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	w.put(0, "www.example. A", a("www.example.", 60*s))
	w.standsIn(60*s, "www.example. A")
	w.wantLifetime(80*s, "www.example. A", w.put(80*s, "www.example. A", nxdomain(300*s)), 1*s)
}

func TestPeekPassesOverWhatStandsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	w.put(0, "www.example. A", a("www.example.", 60*s))
	e := w.standsIn(60*s, "www.example. A")
	if got := w.Peek(w.key("www.example. A"), at(61*s)); got != nil {
		t.Errorf("Peek: got %v, want nil", got)
	}
	if got, _ := w.PeekStale(w.key("www.example. A"), at(61*s)); !same(got, e) {
		t.Errorf("PeekStale: got %v, want what stands in", got)
	}
}

func TestStaleAnswersAreEvictedLikeOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	raw := w.raw("h00000000.example. A", a("h00000000.example.", 60*s))
	first, _ := raw.put(0, 0)
	for n := 1; w.shard(first.hash).positive.evictions == 0; n++ {
		raw.put(0, n)
	}
	if e := w.StandIn(first, nil, at(60*s)); e != nil {
		t.Errorf("got %v, want it evicted", e)
	}
}

func TestWhatStandsInHasItsShareOfTheMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	raw := w.raw("h00000000.example. A", a("h00000000.example.", 60*s))
	for n := range 20_000 {
		k, _ := raw.put(0, n)
		w.StandIn(k, nil, at(60*s))
	}
	if got := w.totals().negative; got.bytes > MinMemory/4 || got.evictions == 0 {
		t.Errorf("got %d bytes and %d evictions, want at most %d, and some", got.bytes, got.evictions, MinMemory/4)
	}
}

// What the cache gives has bytes of its own, also while others take the place of what it was given from.
func TestAnswerStaysAsItWasWhateverComesAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	k := w.key("www.example. A")
	w.put(0, "www.example. A", a("www.example.", 300*s))
	w.put(0, "gone.example. A", nxdomain(300*s))
	given := map[string]*Entry{
		"Get":     w.got(k, at(0)),
		"Get no":  w.got(w.key("gone.example. A"), at(0)),
		"Peek":    w.Peek(k, at(0)),
		"StandIn": w.StandIn(k, nil, at(0)),
	}
	want := make(map[string]*Entry)
	for name, e := range given {
		want[name] = e.Clone()
	}
	positive := w.raw("h00000000.example. A", a("h00000000.example.", 300*s))
	negative := w.raw("n00000000.example. A", nxdomain(300*s))
	for n := range 50_000 {
		positive.put(0, n)
		negative.put(0, n)
	}
	for name, e := range given {
		if !same(e, want[name]) {
			t.Errorf("%s: got % x, want % x as before", name, e.data, want[name].data)
		}
	}
}

// An entry that is used for one Get after the other never writes to what the cache has.
func TestMissLeavesWhatIsThereAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	old, other := w.key("old.example. A"), w.key("www.example. A")
	w.put(0, "old.example. A", a("old.example.", 10*s))
	w.put(0, "www.example. A", a("www.example.", 300*s))
	want, _ := w.PeekStale(old, at(0))
	var e Entry
	if !w.Get(&e, other, at(20*s)) || w.Get(&e, old, at(20*s)) || !w.Get(&e, other, at(20*s)) {
		t.Fatal("got no hit, a miss and a hit")
	}
	shard := w.shard(old.hash)
	if got := shard.positive.peek(old.hash); !same(got, want) {
		t.Errorf("got % x, want % x as before", got.data, want.data)
	}
}
