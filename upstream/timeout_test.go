package upstream

import (
	"errors"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

func TestTimeoutComesAtTheDeadline(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	under := newUnder(t)
	for _, tcp := range []bool{false, true} {
		u := under.upstream(t, s.Addr, tcp)
		got := ask(t, u, "www.example.com.", soon)
		if !errors.Is(got.err, ErrTimeout) || got.took < soon || got.took > soon+atOnce {
			t.Errorf("%v: got %q and %v after %v, want %v after %v", u, got.reply, got.err, got.took, ErrTimeout, soon)
		}
		counted(t, "timeout", u.meter.timeout, 1)
	}
}

func TestDeadlineThatHasPassed(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	under := newUnder(t)
	for _, tcp := range []bool{false, true} {
		u := under.upstream(t, s.Addr, tcp)
		if got := ask(t, u, "www.example.com.", -time.Second); !errors.Is(got.err, ErrTimeout) || got.took > atOnce {
			t.Errorf("%v: got %v after %v, want %v at once", u, got.err, got.took, ErrTimeout)
		}
	}
}

func TestAttemptTakesTwoSecondsAtMost(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := []struct {
		deadline, want time.Duration // from now
	}{
		{5 * time.Second, 2 * time.Second},
		{2 * time.Second, 2 * time.Second},
		{time.Second, time.Second},
		{-time.Second, -time.Second},
	}
	for _, tt := range tests {
		x := &Exchange{Deadline: now.Add(tt.deadline)}
		if got := x.limit(now).Sub(now); got != tt.want {
			t.Errorf("deadline in %v: got an attempt of %v, want %v", tt.deadline, got, tt.want)
		}
	}
}

func TestLateReplyIsIgnored(t *testing.T) {
	t.Parallel()
	queries := make(chan *upstreamtest.Query, 1)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		if q.Message().Question[0].Name == "late.example.com." {
			queries <- q
			return
		}
		q.Deny()
	})
	u := newUpstream(t, s.Addr)
	source, send := sourceOf(t, u)
	late := send("late.example.com.")
	a := attemptOf(t, source)
	a.expire()
	if got := finished(t, late); !errors.Is(got.err, ErrTimeout) {
		t.Errorf("got %v, want %v", got.err, ErrTimeout)
	}
	u.config.Deadlines.remove(a.exchange)
	(<-queries).Answer("60 A 192.0.2.1")
	finished(t, send("www.example.com.")) // comes behind it
	if len(late) > 0 {
		t.Errorf("Done was called again with %q", (<-late).records())
	}
	counted(t, "ignored", u.meter.ignored, 1)
}

// attemptOf returns the only attempt that is under way at the source.
func attemptOf(t *testing.T, s *source) attempt {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) != 1 {
		t.Fatalf("got %d exchanges under way, want 1", len(s.pending))
	}
	for id, x := range s.pending {
		return attempt{exchange: x, source: s, id: id, seq: x.seq}
	}
	return attempt{}
}

// The wheel may have taken an attempt out and be about to end it, when the reply comes and the exchange is used again:
// here, under the same id even.
func TestTimeoutOfAFormerAttemptDoesNotEndTheNext(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {})
	u := newUpstream(t, s.Addr)
	source, _ := sourceOf(t, u)
	x := question(t, "www.example.com.", dns.TypeA, patience)
	done := make(chan error, 2)
	x.Done = func(_ []byte, err error) { done <- err }
	x.upstream, x.started = u, time.Now()
	var former attempt
	for i := range 2 {
		if err := source.send(x); err != nil {
			t.Fatal(err)
		}
		a := attemptOf(t, source)
		if i == 0 {
			former = a
			source.Receive(nil, upstreamtest.Answer(x.Query), nil)
			if err := <-done; err != nil {
				t.Fatalf("got %v, want a reply", err)
			}
			continue
		}
		source.mu.Lock()
		delete(source.pending, a.id)
		source.pending[former.id] = x
		source.mu.Unlock()
	}
	former.expire()
	if len(done) > 0 {
		t.Errorf("got %v from the former attempt's timeout, want nothing", <-done)
	}
}
