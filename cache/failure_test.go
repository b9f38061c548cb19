package cache

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// TestFailureLifetimes is RFC 9520, section 3.2.
func TestFailureLifetimes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"doubles up to 30 s", []step{
			{0, "servfail", 1 * s},
			{1 * s, "servfail", 2 * s},
			{3 * s, "servfail", 4 * s},
			{7 * s, "servfail", 8 * s},
			{15 * s, "servfail", 16 * s},
			{31 * s, "servfail", 30 * s},
			{61 * s, "servfail", 30 * s},
			{91 * s, "servfail", 30 * s},
		}},
		{"not asked for within 60 s of expiry", []step{
			{0, "servfail", 1 * s},
			{1 * s, "servfail", 2 * s},
			{63 * s, "servfail", 4 * s},
			{127*s + 1, "servfail", 1 * s},
		}},
		{"a positive in between", []step{
			{0, "servfail", 1 * s},
			{1 * s, "servfail", 2 * s},
			{3 * s, "positive", 5 * s},
			{8 * s, "servfail", 1 * s},
		}},
		{"a negative in between", []step{
			{0, "servfail", 1 * s},
			{1 * s, "servfail", 2 * s},
			{3 * s, "nxdomain", 1 * s},
			{4 * s, "servfail", 1 * s},
		}},
		{"a denial without SOA in between", []step{
			{0, "servfail", 1 * s},
			{1 * s, "servfail", 2 * s},
			{3 * s, "no soa", 0},
			{4 * s, "servfail", 4 * s},
		}},
		{"dropped", []step{
			{0, "servfail", 1 * s},
			{1 * s, "servfail", 2 * s},
			{2 * s, "flush", 0},
			{2 * s, "servfail", 1 * s},
		}},
		{"while the last one may still be used", []step{
			{0, "servfail", 1 * s},
			{1 * s, "servfail", 2 * s},
			{2 * s, "servfail", 0},
			{3 * s, "servfail", 4 * s},
		}},
		{"while a negative may still be used", []step{
			{0, "nxdomain", 1 * s},
			{8 * s, "nxdomain", 8 * s},
			{9 * s, "servfail", 0},
			{16 * s, "nxdomain", 16 * s},
		}},
	} {
		w := newWorld(t)
		w.walk("www.example. A", time.Hour, tt.steps)
		if t.Failed() {
			t.Fatalf("that was %q", tt.name)
		}
	}
}

func TestFailureIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.key("wWw.example. A")
	e := w.PutFailure(k, Failure(k, wire.AppendEDE(nil, 23, "timeout")), at(5*s))
	w.wantLifetime(5*s, "www.example. A", e, 1*s)

	for question, ede := range map[string]string{"WWW.example. A rd": "", "WWW.example. A rd edns": "23 timeout"} {
		m := w.ask(5*s, question)
		if m.Rcode != dns.RcodeServerFailure || m.Question[0].Name != "WWW.example." || len(m.Answer)+len(m.Ns) > 0 || edeOf(m) != ede {
			t.Errorf("%s: got %v, want SERVFAIL, extended error %q", question, m, ede)
		}
	}
}

func TestFailureThatIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := Failure(w.key("www.example. A"), nil)
	if e.Kind() != wire.Failure || e.Lifetime() != 0 || e.EDE() != nil && len(e.EDE()) > 0 {
		t.Errorf("got %v, lifetime %v, extended error %q", e.Kind(), e.Lifetime(), e.EDE())
	}
	if m := w.read(7*s, "wWw.example. A do", e); m.Rcode != dns.RcodeServerFailure || m.Question[0].Name != "wWw.example." || m.IsEdns0() == nil {
		t.Errorf("got %v", m)
	}
	if w.get(0, "www.example. A") != nil {
		t.Error("it is in the cache")
	}
}

func TestFailureDisplacesNoPositive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.key("www.example. A")
	positive := w.put(0, "www.example. A", a("www.example.", 5*s))
	for _, now := range []time.Duration{1 * s, 3 * s, 10 * s, 20 * s} { // it expires at 5 s
		w.fail(now, "www.example. A")
		if got := w.shard(k.hash).positive.peek(k.hash); !same(got, positive) {
			t.Fatalf("after a failure at %v: got %v, want the positive to stay", now, got)
		}
	}
	if got := w.get(4*s, "www.example. A"); !same(got, positive) {
		t.Errorf("while the positive is fresh: got %v, want it", got)
	}
	if got := w.get(20*s, "www.example. A"); got == nil || got.Kind() != wire.Failure {
		t.Errorf("when the positive has expired: got %v, want the failure", got)
	}
}

func TestFailureDisplacesNoFreshNegative(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(0, "www.example. A", nxdomain(300*s))
	negative := w.put(8*s, "www.example. A", nxdomain(300*s))
	w.fail(10*s, "www.example. A")
	w.wantLifetime(8*s, "www.example. A", negative, 8*s)

	failure := w.fail(16*s, "www.example. A")
	w.wantLifetime(16*s, "www.example. A", failure, 1*s)
}

func TestFailureIsOfOneQuestion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fail(0, "www.example. A")
	for _, question := range []string{"www.example. AAAA", "www.example. A do", "www.example. A cd", "a.www.example. A"} {
		if got := w.get(0, question); got != nil {
			t.Errorf("%s: got %v, want a miss", question, got)
		}
	}
}
