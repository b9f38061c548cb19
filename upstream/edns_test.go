package upstream

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

func hasEDNS(q *upstreamtest.Query) bool   { return q.Message().IsEdns0() != nil }
func hasCookie(q *upstreamtest.Query) bool { return q.Cookie() != nil }

// withoutOPT replies with an rcode as a server does that has never heard of EDNS.
func withoutOPT(q *upstreamtest.Query, rcode int) {
	m := upstreamtest.Reply(q.Wire)
	m.Rcode, m.Extra = rcode, nil
	q.Send(upstreamtest.Pack(m))
}

func TestUpstreamThatRefusesAFormIsAskedInAnother(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		to     func(*upstreamtest.Query) bool // what it refuses
		refuse func(*upstreamtest.Query)
		want   form
	}{
		{"FORMERR without OPT", hasEDNS, func(q *upstreamtest.Query) { withoutOPT(q, dns.RcodeFormatError) }, basic},
		{"FORMERR with OPT", hasEDNS, func(q *upstreamtest.Query) { q.Rcode(dns.RcodeFormatError) }, basic},
		{"NOTIMP", hasEDNS, func(q *upstreamtest.Query) { withoutOPT(q, dns.RcodeNotImplemented) }, basic},
		{"BADVERS", hasEDNS, func(q *upstreamtest.Query) { q.Rcode(dns.RcodeBadVers) }, basic},
		{"FORMERR to a cookie", hasCookie, func(q *upstreamtest.Query) { q.Rcode(dns.RcodeFormatError) }, extended},
		{"FORMERR without OPT to a cookie", hasCookie, func(q *upstreamtest.Query) { withoutOPT(q, dns.RcodeFormatError) }, extended},
	}
	for _, tcp := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, tcp %v", tt.name, tcp), func(t *testing.T) {
				t.Parallel()
				s := upstreamtest.New(t, func(q *upstreamtest.Query) {
					if tt.to(q) {
						tt.refuse(q)
						return
					}
					q.Answer("60 A 192.0.2.1")
				})
				u, log := newUnder(t).logged(t, s.Addr, tcp)
				wantRecord(t, u, "192.0.2.1")
				first := int(tt.want-cookied) + 1
				if tcp {
					first = int(tt.want-extended) + 1 // there are no cookies over TCP
				}
				if n := s.Queries(); n != first {
					t.Errorf("got %d queries for the first question, want %d", n, first)
				}
				for range 3 {
					wantRecord(t, u, "192.0.2.1")
				}
				if n := s.Queries() - first; n != 3 {
					t.Errorf("got %d queries for three questions more, want 3", n)
				}
				if tt.want == basic {
					log.told(t, "does not answer queries with EDNS")
				} else {
					log.told(t)
				}
				counted(t, "answered", u.meter.answered, 4)
				counted(t, "failed", u.meter.failed, 0)
			})
		}
	}
}

func TestRefusalOverTCPOfATruncatedReplyIsAskedWithoutEDNS(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		switch {
		case !q.TCP:
			q.Truncate()
		case hasEDNS(q):
			withoutOPT(q, dns.RcodeFormatError)
		default:
			q.Answer("60 A 192.0.2.1")
		}
	})
	u := newUpstream(t, s.Addr)
	wantRecord(t, u, "192.0.2.1")
	if udp, tcp := s.QueriesUDP(), s.QueriesTCP(); udp != 1 || tcp != 2 {
		t.Errorf("got %d queries over UDP and %d over TCP, want 1 and 2", udp, tcp)
	}
}

func TestRefusalOfTheQuestionIsNotOneOfItsForm(t *testing.T) {
	t.Parallel()
	for _, rcode := range []int{dns.RcodeFormatError, dns.RcodeNotImplemented} {
		s := upstreamtest.New(t, func(q *upstreamtest.Query) {
			if q.Message().Question[0].Name == "odd.example.com." {
				q.Rcode(rcode)
				return
			}
			bake(q, "192.0.2.1", "8 octets", unchanged)
		})
		u, log := newUnder(t).logged(t, s.Addr, false)
		got := ask(t, u, "odd.example.com.", patience)
		m := new(dns.Msg)
		if err := m.Unpack(got.reply); err != nil || m.Rcode != rcode {
			t.Errorf("got %v and %v, want %s", m, err, dns.RcodeToString[rcode])
		}
		before := s.Queries()
		wantRecord(t, u, "192.0.2.1")
		if n := s.Queries() - before; n != 1 || form(u.habits.edns.form.Load()) != cookied {
			t.Errorf("%s: got %d queries for the next question in form %d, want 1 with a cookie", dns.RcodeToString[rcode], n, u.habits.edns.form.Load())
		}
		log.told(t)
	}
}

func TestOtherFailuresSayNothingOfEDNS(t *testing.T) {
	t.Parallel()
	for _, rcode := range []int{dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNameError, dns.RcodeSuccess} {
		s := upstreamtest.New(t, func(q *upstreamtest.Query) { q.Rcode(rcode) })
		u := newUpstream(t, s.Addr)
		if got := ask(t, u, "www.example.com.", patience); got.err != nil {
			t.Errorf("got %v, want %s", got.err, dns.RcodeToString[rcode])
		}
		if n := s.Queries(); n != 1 {
			t.Errorf("%s: got %d queries, want 1", dns.RcodeToString[rcode], n)
		}
	}
}

func TestUpstreamIsSparedAFormForAnHour(t *testing.T) {
	t.Parallel()
	for _, f := range []form{extended, basic} {
		h := newHabits(nil, "192.0.2.53:53")
		e := &h.edns
		now := time.Now()
		if got := e.choose(now, true); got != cookied {
			t.Errorf("got form %d at first, want %d", got, cookied)
		}
		e.lower(f)
		for _, tt := range []struct {
			after time.Duration
			want  form
		}{{0, f}, {formMemory - time.Second, f}, {formMemory + time.Second, cookied}, {0, cookied}} {
			if got := e.choose(now.Add(tt.after), true); got != tt.want {
				t.Errorf("lowered to form %d: got form %d after %v, want %d", f, got, tt.after, tt.want)
			}
		}
	}
}

// askSilent asks and lets an attempt with EDNS time out at once, which the server does not answer.
func askSilent(t *testing.T, u *Upstream) result {
	t.Helper()
	x := question(t, "www.example.com.", dns.TypeA, patience)
	done := make(chan result, 1)
	x.Done = func(reply []byte, err error) { done <- result{reply: append([]byte(nil), reply...), err: err} }
	x.upstream, x.started = u, time.Now().Add(-minSilence)
	x.setOut()
	f := x.form
	u.askUDP(x)
	if f != basic {
		attemptAt(t, u).expire()
		u.config.Deadlines.remove(x)
	}
	return finished(t, done)
}

// attemptAt returns the only attempt that is under way over UDP.
func attemptAt(t *testing.T, u *Upstream) attempt {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	for s := range u.open {
		s.mu.Lock()
		for id, x := range s.pending {
			defer s.mu.Unlock()
			return attempt{exchange: x, source: s, id: id, seq: x.seq}
		}
		s.mu.Unlock()
	}
	t.Fatal("got nothing under way, want an attempt")
	return attempt{}
}

func TestUpstreamThatDropsAFormIsAskedInAnother(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		drops  func(*upstreamtest.Query) bool
		spoke  bool // it has used EDNS before
		want   form
		within int // questions
	}{
		// Rounds of one question without EDNS and one with it: three until it is without a cookie, and one more.
		{"EDNS", hasEDNS, false, basic, 1 + 2*(maxSilentRounds+1)},
		{"EDNS, after it has used it", hasEDNS, true, basic, maxSilences + 2*(maxSilentRounds+1)},
		{"cookies", hasCookie, false, extended, 1 + 2*maxSilentRounds},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := upstreamtest.New(t, func(q *upstreamtest.Query) {
				if !tt.drops(q) {
					q.Answer("60 A 192.0.2.1")
				}
			})
			u, log := newUnder(t).logged(t, s.Addr, false)
			e := &u.habits.edns
			e.spoke.Store(tt.spoke)
			asked := 0
			for ; form(e.form.Load()) != tt.want && asked < 100; asked++ {
				askSilent(t, u)
			}
			if asked > tt.within {
				t.Errorf("got %d questions until that was known, want at most %d", asked, tt.within)
			}
			for range 5 {
				wantRecord(t, u, "192.0.2.1")
			}
			if tt.want == basic {
				log.told(t, "does not answer queries with EDNS")
			} else {
				log.told(t)
			}
		})
	}
}

// In the wild it is nearly always the server that is down, or the packet that is lost.
func TestSilenceOfOtherCausesIsNoReasonToAskWithoutEDNS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		life func(e *edns, reply []byte)
	}{
		{"dead", func(e *edns, _ []byte) {
			for range 1000 {
				e.timedOut(cookied)
			}
		}},
		{"dead, and back", func(e *edns, reply []byte) {
			for range 1000 {
				e.timedOut(cookied)
			}
			for range 1000 {
				e.saw(basic, reply)
			}
			e.saw(cookied, reply)
			e.timedOut(cookied)
		}},
		{"every other packet lost", func(e *edns, reply []byte) {
			for range 1000 {
				e.timedOut(cookied)
				e.saw(basic, reply)
				e.timedOut(cookied)
				e.saw(cookied, reply)
			}
		}},
		{"what is asked at once is lost at once", func(e *edns, reply []byte) {
			e.saw(basic, reply)
			e.timedOut(cookied)
			e.saw(basic, reply)
			for range 1000 {
				e.timedOut(cookied)
			}
		}},
		{"without EDNS too", func(e *edns, reply []byte) {
			for range 1000 {
				e.timedOut(cookied)
				e.timedOut(basic)
			}
		}},
	}
	x := question(t, "www.example.com.", dns.TypeA, patience)
	for _, tt := range tests {
		e := &newHabits(nil, "192.0.2.53:53").edns
		tt.life(e, upstreamtest.Answer(x.Query))
		if got := form(e.form.Load()); got != cookied {
			t.Errorf("%s: got form %d, want %d", tt.name, got, cookied)
		}
	}
}

// An answer without signatures is of no use to a client that asks for them.
func TestQuestionWithDOIsNotTriedWithoutEDNS(t *testing.T) {
	t.Parallel()
	e := &newHabits(nil, "192.0.2.53:53").edns
	for range 1000 {
		e.timedOut(cookied)
	}
	tries := 0
	for range 100 {
		if got := e.choose(time.Now(), true); got != cookied {
			t.Fatalf("got form %d with do, want %d", got, cookied)
		}
		if e.choose(time.Now(), false) == basic {
			tries++
		}
	}
	if tries != 50 {
		t.Errorf("got %d of 100 questions tried without EDNS, want every other", tries)
	}
}

// One lost packet is nothing where EDNS has been of use.
func TestUpstreamThatHasUsedEDNSIsTriedWithoutAfterLongSilenceOnly(t *testing.T) {
	t.Parallel()
	x := question(t, "www.example.com.", dns.TypeA, patience)
	e := &newHabits(nil, "192.0.2.53:53").edns
	e.saw(cookied, upstreamtest.Answer(x.Query))
	for range maxSilences {
		for range 2 {
			if got := e.choose(time.Now(), false); got != cookied {
				t.Fatalf("got form %d after %d silences, want %d", got, e.silences.Load(), cookied)
			}
		}
		e.timedOut(cookied)
	}
	if one, other := e.choose(time.Now(), false), e.choose(time.Now(), false); one == other {
		t.Errorf("got form %d twice after %d silences, want one of them %d", one, maxSilences, basic)
	}
}

func TestUpstreamWithoutEDNSIsToldOfOnce(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	u, log := newUnder(t).logged(t, s.Addr, false)
	for range 3 {
		u.habits.edns.lower(basic)
		u.habits.edns.form.Store(int32(cookied)) // as an hour later
	}
	log.told(t, "does not answer queries with EDNS")
}

func TestShortAttemptIsNoSilence(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	u := newUpstream(t, s.Addr)
	ask(t, u, "www.example.com.", soon)
	if n := u.habits.edns.silences.Load(); n != 0 {
		t.Errorf("got %d silences after %v, want 0", n, soon)
	}
}

// Exchanges of all kinds come and go while an upstream changes its habits: each is done once.
func TestUpstreamThatChangesItsHabits(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		switch i := n.Add(1) / 50 % 5; {
		case q.TCP && i == 3:
			q.Hangup()
		case i == 0:
			bake(q, "192.0.2.1", "8 octets", unchanged)
		case i == 1 && hasEDNS(q):
			withoutOPT(q, dns.RcodeFormatError)
		case i == 2 || i == 3:
			q.Answer("60 A 192.0.2.1")
		case i == 4 && q.Cookie() != nil:
			bake(q, "192.0.2.1", fmt.Sprintf("cookie number %d", n.Load()), func(m *dns.Msg) { m.Rcode, m.Answer = dns.RcodeBadCookie, nil })
		default:
			misspell(q)
		}
	})
	u := newUpstream(t, s.Addr)
	for range 100 {
		var all []<-chan result
		for range 20 {
			all = append(all, start(t, u, manyLetters, patience))
		}
		for _, done := range all {
			if got := finished(t, done); got.err != nil {
				t.Errorf("got %v, want a reply", got.err)
			}
			if len(done) > 0 {
				t.Error("Done was called twice, want it once")
			}
		}
		u.habits.edns.form.Store(int32(cookied)) // as an hour later
	}
	if n := u.config.Deadlines.count; n != 0 {
		t.Errorf("got %d exchanges in the wheel, want 0", n)
	}
}
