package cache

import (
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

func TestPositiveLivesAsLongAsItsLowestTTL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer answer
		maxTTL time.Duration
		want   time.Duration
	}{
		{name: "one record", answer: a("www.example.", 300*s), want: 300 * s},
		{name: "TTL 1", answer: a("www.example.", 1*s), want: 1 * s},
		{name: "TTL 0", answer: a("www.example.", 0), want: 0},
		{
			name:   "the lowest is the last",
			answer: answer{answer: "www.example. 300 A 192.0.2.1\nwww.example. 60 A 192.0.2.2"},
			want:   60 * s,
		},
		{
			name:   "the lowest is the cname's",
			answer: answer{answer: "www.example. 30 CNAME web.example.\nweb.example. 60 A 192.0.2.2"},
			want:   30 * s,
		},
		{
			name:   "one of two is 0",
			answer: answer{answer: "www.example. 0 CNAME web.example.\nweb.example. 60 A 192.0.2.2"},
			want:   0,
		},
		{
			name:   "the top bit is set",
			answer: answer{answer: "www.example. 2147483649 A 192.0.2.1"},
			want:   0,
		},
		{
			name:   "authority and additional don't count",
			answer: answer{answer: "www.example. 300 A 192.0.2.1", authority: "example. 5 NS ns.example.", additional: "ns.example. 0 A 192.0.2.53"},
			want:   300 * s,
		},
		{name: "longer than max_ttl", answer: a("www.example.", 300*s), maxTTL: 60 * s, want: 60 * s},
		{name: "as long as max_ttl", answer: a("www.example.", 60*s), maxTTL: 60 * s, want: 60 * s},
		{name: "the longest there is", answer: a("www.example.", (1<<31-1)*s), want: 24 * time.Hour},
	} {
		w := newWorld(t, func(c *Config) {
			if tt.maxTTL > 0 {
				c.MaxTTL = tt.maxTTL
			}
		})
		e := w.put(5*s, "www.example. A", tt.answer)
		w.wantLifetime(5*s, "www.example. A", e, tt.want)
		if e.Kind() != wire.Positive || e.Rcode() != dns.RcodeSuccess {
			t.Errorf("%s: got %v, rcode %d", tt.name, e.Kind(), e.Rcode())
		}
		if t.Failed() {
			t.Fatalf("that was %q", tt.name)
		}
	}
}

func TestEveryTTLAgesOnItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", answer{
		answer:     "www.example. 300 CNAME web.example.\nweb.example. 60 A 192.0.2.1\nweb.example. 61 A 192.0.2.2",
		authority:  "example. 3600 NS ns.example.\nexample. 20 NS ns2.example.",
		additional: "ns.example. 86400 A 192.0.2.53\nns2.example. 10 A 192.0.2.54",
	})
	for _, tt := range []struct {
		at   time.Duration
		want []uint32
	}{
		{0, []uint32{300, 60, 61, 3600, 20, 86400, 10}},
		{10 * s, []uint32{290, 50, 51, 3590, 10, 86390, 0}},
		{30 * s, []uint32{270, 30, 31, 3570, 0, 86370, 0}},
		{60*s - 1, []uint32{240, 0, 1, 3540, 0, 86340, 0}},
	} {
		m := w.ask(tt.at, "www.example. A")
		if m == nil {
			t.Fatalf("after %v: got a miss", tt.at)
		}
		if got := ttls(slices.Concat(m.Answer, m.Ns, m.Extra)); !slices.Equal(got, tt.want) {
			t.Errorf("after %v: got TTLs %v, want %v", tt.at, got, tt.want)
		}
	}
}

func TestAgeRoundsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.put(10*s, "www.example. A", a("www.example.", 60*s))
	for _, tt := range []struct {
		at   time.Duration
		want uint32
	}{
		{9 * s, 60}, // by a clock that was read before
		{10 * s, 60},
		{10*s + 1, 59},
		{10*s + 999*ms, 59},
		{11 * s, 59},
		{11*s + 1, 58},
		{70*s - 1, 0},
		{70 * s, 0},
		{80 * s, 0},
	} {
		// What is announced now must end before the entry does.
		if got := w.read(tt.at, "www.example. A", e).Answer[0].Header().Ttl; got != tt.want {
			t.Errorf("put at 10 s, read at %v: got TTL %d, want %d", tt.at, got, tt.want)
		}
	}
}

func TestMaxTTLCapsWhatIsAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.MaxTTL = 60 * s })
	e := w.put(0, "www.example. A", answer{
		answer:     "www.example. 300 CNAME web.example.\nweb.example. 59 A 192.0.2.1\nweb.example. 2147483647 A 192.0.2.2\nweb.example. 4294967295 A 192.0.2.3",
		authority:  "example. 3600 NS ns.example.",
		additional: "ns.example. 61 A 192.0.2.53",
	})
	m := w.read(0, "www.example. A", e)
	if got, want := ttls(slices.Concat(m.Answer, m.Ns, m.Extra)), []uint32{60, 59, 60, 0, 60, 60}; !slices.Equal(got, want) {
		t.Errorf("got TTLs %v, want %v", got, want)
	}
}

func TestMaxTTLZeroKeepsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.MaxTTL = 0 })
	e := w.put(0, "www.example. A", a("www.example.", 300*s))
	w.wantLifetime(0, "www.example. A", e, 0)
	if got := w.read(0, "www.example. A", e).Answer[0].Header().Ttl; got != 0 {
		t.Errorf("got TTL %d, want 0", got)
	}
}

func TestWhatIsNotKeptIsStillAnswered(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]answer{
		"TTL 0":               a("www.example.", 0),
		"nxdomain, no soa":    {rcode: dns.RcodeNameError},
		"nodata, no soa":      {},
		"referral":            {authority: "example. 300 NS ns.example.", additional: "ns.example. 300 A 192.0.2.53"},
		"servfail":            {rcode: dns.RcodeServerFailure, authority: soa(300*s, 300*s)},
		"refused":             {rcode: dns.RcodeRefused},
		"yxdomain":            {rcode: dns.RcodeYXDomain, answer: "www.example. 300 TXT text"},
		"refused with answer": {rcode: dns.RcodeRefused, answer: "www.example. 300 A 192.0.2.1"},
	} {
		w := newWorld(t)
		e := w.put(0, "www.example. A", reply)
		if e.Lifetime() != 0 || w.get(0, "www.example. A") != nil {
			t.Errorf("%s: got lifetime %v, want it forgotten", name, e.Lifetime())
		}
		want := records(t, reply.answer+"\n"+reply.authority+"\n"+reply.additional)
		m := w.read(0, "www.example. A", e)
		if got := slices.Concat(m.Answer, m.Ns, m.Extra); m.Rcode != reply.rcode || words(got) != words(want) {
			t.Errorf("%s: got %v, want rcode %d, %v", name, m, reply.rcode, want)
		}
	}
}

func TestPositiveReplacesWhatWasThere(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]answer{"positive": a("www.example.", 300*s), "nxdomain": nxdomain(300 * s), "nodata": nodata(300 * s)} {
		for _, ttl := range []time.Duration{0, 30 * s} {
			w := newWorld(t)
			w.put(0, "www.example. A", before)
			e := w.put(1, "www.example. A", a("www.example.", ttl))
			w.wantLifetime(1, "www.example. A", e, ttl)
			if t.Failed() {
				t.Fatalf("that was TTL %v after %s", ttl, name)
			}
		}
	}
}

func TestDroppedEntryCanStillBeSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.put(0, "www.example. A", a("www.example.", 300*s))
	before := w.bytes(1*s, "www.example. A", e, wire.MaxMessage)
	w.put(1*s, "www.example. A", answer{answer: "www.example. 300 A 192.0.2.2"})
	if got := w.bytes(1*s, "www.example. A", e, wire.MaxMessage); !slices.Equal(got, before) {
		t.Errorf("got %x, want %x", got, before)
	}
}

func TestPutCopiesTheReply(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k, r := w.key("www.example. A"), w.reply("www.example. A", a("www.example.", 300*s))
	e := w.Put(k, r, at(0))
	clear(r.Message)
	clear(r.TTLs)
	clear(k.Name)
	if got, want := words(w.read(0, "www.example. A", e).Answer), "www.example. 300 A 192.0.2.1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPeekLeavesNoTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for question, e := range map[string]*Entry{
		"www.example. A":  w.put(0, "www.example. A", a("www.example.", 300*s)),
		"gone.example. A": w.put(0, "gone.example. A", nxdomain(300*s)),
		"bad.example. A":  w.fail(0, "bad.example. A"),
		"no.example. A":   nil,
	} {
		before := w.totals()
		if got := w.Peek(w.key(question), at(1)); !same(got, e) {
			t.Errorf("%s: got %v, want %v", question, got, e)
		}
		if got := w.Peek(w.key(question), at(300*s)); got != nil {
			t.Errorf("%s when expired: got %v, want nil", question, got)
		}
		if after := w.totals(); after != before {
			t.Errorf("%s: got %+v, want %+v as before", question, after, before)
		}
	}

	// The order of eviction stays: the entry that is peeked at is still the first to go.
	w = newWorld(t) // in which nothing older is in that shard
	raw := w.raw("h00000000.example. A", a("h00000000.example.", 300*s))
	first, _ := raw.put(0, 0)
	shard := w.shard(first.hash)
	for n := 1; shard.positive.evictions == 0; n++ {
		w.Peek(first, at(0))
		raw.put(0, n)
	}
	if w.Peek(first, at(0)) != nil {
		t.Error("another entry went before the one that was only peeked at")
	}
}
