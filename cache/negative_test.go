package cache

import (
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// The lifetimes that are shorter than the ramp's first second end it; seen hits and longer ones are in ramp_test.go.
func TestNegativeLifetime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		answer      answer
		maxNegative time.Duration
		missing     time.Duration // how long it has been seen missing
		want        time.Duration
	}{
		{name: "nxdomain first seen", answer: nxdomain(3600 * s), want: 1 * s},
		{name: "nodata first seen", answer: nodata(3600 * s), want: 1 * s},
		{name: "negative TTL 1", answer: nxdomain(1 * s), want: 1 * s},
		{name: "negative TTL 0", answer: nxdomain(0), want: 0},
		{name: "the SOA's TTL is 0", answer: answer{rcode: dns.RcodeNameError, authority: soa(0, 300*s)}, want: 0},
		{name: "MINIMUM is 0", answer: answer{rcode: dns.RcodeNameError, authority: soa(300*s, 0)}, want: 0},
		{name: "the SOA's TTL is lower", answer: answer{rcode: dns.RcodeNameError, authority: soa(7*s, 300*s)}, missing: 50 * s, want: 7 * s},
		{name: "MINIMUM is lower", answer: answer{rcode: dns.RcodeNameError, authority: soa(300*s, 7*s)}, missing: 50 * s, want: 7 * s},
		{name: "nodata, MINIMUM is lower", answer: answer{authority: soa(300*s, 7*s)}, missing: 50 * s, want: 7 * s},
		{name: "the top bit of the SOA's TTL is set", answer: answer{rcode: dns.RcodeNameError, authority: "example. 2147483700 SOA . . 1 2 3 4 300"}, missing: 50 * s, want: 0},
		{name: "max_negative_ttl is lower", answer: nxdomain(300 * s), maxNegative: 5 * s, missing: 50 * s, want: 5 * s},
		{name: "max_negative_ttl 0", answer: nxdomain(300 * s), maxNegative: -1, want: 0},
		{name: "max_negative_ttl 0, nodata", answer: nodata(300 * s), maxNegative: -1, want: 0},
		{
			name:    "nxdomain behind cname: the chain's own TTL",
			answer:  answer{rcode: dns.RcodeNameError, answer: "www.example. 9 CNAME gone.example.", authority: soa(300*s, 300*s)},
			missing: 50 * s, want: 9 * s,
		},
		{
			name:    "nodata behind cname: the lowest of the chain",
			answer:  answer{answer: "www.example. 9 CNAME a.example.\na.example. 8 CNAME b.example.", authority: soa(300*s, 300*s)},
			missing: 50 * s, want: 8 * s,
		},
		{
			name:    "nodata behind cname: the negative TTL is lower",
			answer:  answer{answer: "www.example. 300 CNAME a.example.", authority: soa(300*s, 7*s)},
			missing: 50 * s, want: 7 * s,
		},
		{
			name:   "nxdomain behind a cname with TTL 0",
			answer: answer{rcode: dns.RcodeNameError, answer: "www.example. 0 CNAME gone.example.", authority: soa(300*s, 300*s)},
			want:   0,
		},
	} {
		w := newWorld(t, func(c *Config) {
			if tt.maxNegative != 0 {
				c.MaxNegativeTTL = max(tt.maxNegative, 0)
			}
		})
		if tt.missing > 0 {
			w.put(0, "www.example. A", tt.answer)
		}
		e := w.put(tt.missing, "www.example. A", tt.answer)
		w.wantLifetime(tt.missing, "www.example. A", e, tt.want)
		if t.Failed() {
			t.Fatalf("that was %q", tt.name)
		}
	}
}

func TestNXDOMAINWithoutSOAIsNotCached(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]answer{
		"nxdomain":              {rcode: dns.RcodeNameError},
		"nodata":                {},
		"nxdomain behind cname": {rcode: dns.RcodeNameError, answer: "www.example. 300 CNAME gone.example."},
		"nodata behind cname":   {answer: "www.example. 300 CNAME web.example."},
		"nodata with ns":        {answer: "www.example. 300 CNAME web.example.", authority: "example. 77 NS ns.example."},
		"soa in the answer":     {rcode: dns.RcodeNameError, answer: "www." + soa(300*s, 300*s)},
		"soa in the additional": {rcode: dns.RcodeNameError, additional: soa(300*s, 300*s)},
	} {
		w := newWorld(t)
		e := w.put(0, "www.example. A", reply)
		w.wantLifetime(0, "www.example. A", e, 0)

		// It is announced as it came.
		m := w.read(0, "www.example. A", e)
		want := records(t, reply.answer+"\n"+reply.authority+"\n"+reply.additional)
		if got := slices.Concat(m.Answer, m.Ns, m.Extra); m.Rcode != reply.rcode || words(got) != words(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		if t.Failed() {
			t.Fatalf("that was %q", name)
		}
	}
}

// TestWhatIsAnnouncedOfANegative has one that is kept for 8 s, from 8 s on.
func TestWhatIsAnnouncedOfANegative(t *testing.T) {
	t.Parallel()
	signed := func(minimum time.Duration) answer {
		return answer{
			rcode: dns.RcodeNameError,
			authority: soa(300*s, minimum) +
				"example. 300 RRSIG SOA 13 1 300 20300101000000 20200101000000 1 example. AAAA\n" +
				"a.example. 290 NSEC z.example. A RRSIG NSEC\n" +
				"a.example. 3 RRSIG NSEC 13 2 300 20300101000000 20200101000000 1 example. AAAA\n" +
				"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. 280 NSEC3 1 1 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX\n",
		}
	}
	for _, tt := range []struct {
		question string
		answer   answer
		at       time.Duration
		ttls     []uint32 // of the authority section
		minimum  uint32
	}{
		{"gone.example. A", nxdomain(300 * s), 8 * s, []uint32{8}, 8},
		{"gone.example. A rd edns", nxdomain(300 * s), 8 * s, []uint32{8}, 8},
		{"gone.example. A cd", nxdomain(300 * s), 8 * s, []uint32{8}, 8},
		{"gone.example. A ad", nxdomain(300 * s), 8 * s, []uint32{8}, 300},
		{"gone.example. A do", nxdomain(300 * s), 8 * s, []uint32{8}, 300},
		{"gone.example. A do cd", nxdomain(300 * s), 8 * s, []uint32{8}, 300},

		{"gone.example. A", nxdomain(300 * s), 7 * s, []uint32{8}, 8}, // by a clock that was read before
		{"gone.example. A", nxdomain(300 * s), 8*s + 1, []uint32{7}, 7},
		{"gone.example. A", nxdomain(300 * s), 13 * s, []uint32{3}, 3},
		{"gone.example. A", nxdomain(300 * s), 15*s + 1, []uint32{0}, 0},
		{"gone.example. A", nxdomain(300 * s), 16*s - 1, []uint32{0}, 0},
		{"gone.example. A", nxdomain(300 * s), 20 * s, []uint32{0}, 0},
		{"gone.example. A do", nxdomain(300 * s), 13 * s, []uint32{3}, 300},

		{"gone.example. A", nodata(300 * s), 13 * s, []uint32{3}, 3},
		{"gone.example. A do", nodata(300 * s), 13 * s, []uint32{3}, 300},

		{"gone.example. A do", signed(300 * s), 8 * s, []uint32{8, 8, 8, 3, 8}, 300},
		{"gone.example. A do", signed(300 * s), 10 * s, []uint32{6, 6, 6, 1, 6}, 300},
		{"gone.example. A do", signed(300 * s), 16*s - 1, []uint32{0, 0, 0, 0, 0}, 300},
		{"gone.example. A", signed(300 * s), 10 * s, []uint32{6, 6, 6, 1, 6}, 6},
	} {
		w := newWorld(t)
		w.put(0, tt.question, tt.answer)
		e := w.put(8*s, tt.question, tt.answer)
		m := w.read(tt.at, tt.question, e)
		if got := ttls(m.Ns); !slices.Equal(got, tt.ttls) {
			t.Errorf("%s at %v: got TTLs %v, want %v", tt.question, tt.at, got, tt.ttls)
		}
		if got := m.Ns[0].(*dns.SOA).Minttl; got != tt.minimum {
			t.Errorf("%s at %v: got MINIMUM %d, want %d", tt.question, tt.at, got, tt.minimum)
		}
	}
}

func TestChainOfANegativeAges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reply := answer{
		rcode: dns.RcodeNameError, answer: "www.example. 300 CNAME gone.example.",
		authority: soa(300*s, 300*s), additional: "ns.example. 200 A 192.0.2.53",
	}
	w.put(0, "www.example. A", reply)
	e := w.put(8*s, "www.example. A", reply)
	m := w.read(10*s, "www.example. A", e)
	if got, want := ttls(slices.Concat(m.Answer, m.Ns, m.Extra)), []uint32{298, 6, 198}; !slices.Equal(got, want) || m.Rcode != dns.RcodeNameError {
		t.Errorf("got rcode %d, TTLs %v, want 3, %v", m.Rcode, got, want)
	}
}

func TestNegativeThatIsNotKeptIsAnnouncedWithTTLZero(t *testing.T) {
	t.Parallel()
	for _, question := range []string{"gone.example. A", "gone.example. A do"} {
		w := newWorld(t, func(c *Config) { c.MaxNegativeTTL = 0 })
		e := w.put(0, question, nxdomain(300*s))
		w.wantLifetime(0, question, e, 0)
		soa := w.read(0, question, e).Ns[0].(*dns.SOA)
		minimum := uint32(0)
		if w.query(question).EDNS.DO {
			minimum = 300
		}
		if soa.Hdr.Ttl != 0 || soa.Minttl != minimum {
			t.Errorf("%s: got TTL %d, MINIMUM %d, want 0, %d", question, soa.Hdr.Ttl, soa.Minttl, minimum)
		}
	}
}

func TestNegativeReplacesAPositive(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{0, 300 * s} {
		w := newWorld(t)
		w.put(0, "www.example. A", a("www.example.", 300*s))
		e := w.put(1*s, "www.example. A", nodata(ttl))
		w.wantLifetime(1*s, "www.example. A", e, min(ttl, 1*s))
	}
}

func TestNegativesOfOneTypeSayNothingOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", nxdomain(300*s))
	if w.ask(0, "www.example. AAAA") != nil || w.ask(0, "a.www.example. A") != nil {
		t.Error("got a hit, want the NXDOMAIN to be of its own name and type only")
	}
}

func TestKindOfANegative(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for want, e := range map[wire.Kind]*Entry{
		wire.NXDOMAIN: w.put(0, "a.example. A", nxdomain(300*s)),
		wire.NODATA:   w.put(0, "b.example. A", nodata(300*s)),
		wire.Failure:  w.fail(0, "c.example. A"),
	} {
		rcode := map[wire.Kind]int{wire.NXDOMAIN: dns.RcodeNameError, wire.NODATA: dns.RcodeSuccess, wire.Failure: dns.RcodeServerFailure}[want]
		if e.Kind() != want || e.Rcode() != rcode {
			t.Errorf("got %v, rcode %d, want %v, %d", e.Kind(), e.Rcode(), want, rcode)
		}
	}
}
