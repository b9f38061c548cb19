package upstream

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"notyet/upstream/upstreamtest"
)

func TestConnectionThatTheServerClosesIsReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(q *upstreamtest.Query)
	}{
		{"before the reply", func(q *upstreamtest.Query) { q.Hangup() }},
		{"inside the reply", func(q *upstreamtest.Query) { q.SendRaw([]byte{0, 100, 1, 2, 3}); q.Hangup() }},
		{"inside the length", func(q *upstreamtest.Query) { q.SendRaw([]byte{0}); q.Hangup() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := upstreamtest.New(t, func(q *upstreamtest.Query) {
				if q.Message().Question[0].Name == "end.example.com." && q.Nth == 2 {
					tt.end(q)
					return
				}
				q.Answer("60 A 192.0.2.1")
			})
			u := newUpstreamTCP(t, s.Addr)
			wantAddress(t, u, "www.example.com.", patience)
			wantAddress(t, u, "end.example.com.", atOnce)
			if s.QueriesTCP() != 3 || s.Connections() != 2 {
				t.Errorf("got %d queries over %d connections, want 3 over 2", s.QueriesTCP(), s.Connections())
			}
			counted(t, "answered", u.meter.answered, 2)
			counted(t, "unreachable", u.meter.unreachable, 0)
		})
	}
}

func TestConnectionClosedWhileIdleIsReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		q.Answer("60 A 192.0.2.1")
		q.Hangup()
	})
	u := newUpstreamTCP(t, s.Addr)
	for range 20 {
		wantAddress(t, u, "www.example.com.", patience)
	}
}

func TestExchangeIsRepeatedOnlyOnce(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { q.Hangup() })
	u := newUpstreamTCP(t, s.Addr)
	if got := ask(t, u, "www.example.com.", patience); !errors.Is(got.err, errHungUp) || got.took > atOnce {
		t.Errorf("got %v after %v, want %v at once", got.err, got.took, errHungUp)
	}
	if s.QueriesTCP() != 2 || s.Connections() != 2 {
		t.Errorf("got %d queries over %d connections, want 2 over 2", s.QueriesTCP(), s.Connections())
	}
	counted(t, "unreachable", u.meter.unreachable, 1)
}

// A whole connection's exchanges move to a new one.
func TestAllExchangesOfAClosedConnectionAreRepeated(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		switch {
		case q.Nth > streamFill:
			q.Answer("60 A 192.0.2.1")
		case q.Nth == streamFill:
			q.Hangup()
		}
	})
	u := newUpstreamTCP(t, s.Addr)
	var all []<-chan result
	for range streamFill {
		all = append(all, start(t, u, "www.example.com.", patience))
	}
	for i, done := range all {
		if got := finished(t, done); got.records() != "A 192.0.2.1" {
			t.Errorf("exchange %d: got %q, want A 192.0.2.1", i, got.records())
		}
	}
	if s.Connections() != 2 {
		t.Errorf("got %d connections, want 2", s.Connections())
	}
}

// The others may be as old as the one that was closed, and about to be closed too.
func TestExchangeOfAClosedConnectionGoesToANewOne(t *testing.T) {
	t.Parallel()
	queries := make(chan *upstreamtest.Query, 2*streamFill)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { queries <- q })
	u := newUpstreamTCP(t, s.Addr)
	var all []<-chan result
	for range streamFill + 1 {
		all = append(all, start(t, u, "www.example.com.", patience))
	}
	conns := make(map[netip.AddrPort][]*upstreamtest.Query)
	for range streamFill + 1 {
		q := <-queries
		conns[q.Client] = append(conns[q.Client], q)
	}
	for _, came := range conns {
		if len(came) == 1 {
			continue
		}
		for _, q := range came[1:] {
			q.Deny()
		}
		came[0].Hangup()
	}
	again := <-queries
	if _, old := conns[again.Client]; old || s.Connections() != 3 {
		t.Errorf("got it over an old connection: %v, with %d in all, want it over a third", old, s.Connections())
	}
	u.Close()
	for _, done := range all {
		finished(t, done)
	}
}

func TestDeadConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	overPipes(t, func(q *upstreamtest.Query, conn int) {
		if conn > 1 || q.Message().Question[0].Name == "first.example.com." {
			q.Answer("60 A 192.0.2.1")
		}
	}, func(t *testing.T, u *Upstream, s *server) {
		wantAddress(t, u, "first.example.com.", patience)
		one := start(t, u, "one.example.com.", patience)
		time.Sleep(time.Second)
		two := start(t, u, "two.example.com.", patience)
		if got := finished(t, one); !errors.Is(got.err, ErrTimeout) || got.took > tryTimeout+2*tick {
			t.Errorf("got %v after %v, want %v", got.err, got.took, ErrTimeout)
		}
		if got := finished(t, two); got.records() != "A 192.0.2.1" || got.took > time.Second+2*tick {
			t.Errorf("got %q after %v, want A 192.0.2.1 as soon as the connection is given up", got.records(), got.took)
		}
		if got := s.state(); got[0] != '2' {
			t.Errorf("got %s, want 2 connections", got)
		}
	})
}

func TestConnectionOnWhichOthersAreAnsweredIsKept(t *testing.T) {
	t.Parallel()
	overPipes(t, func(q *upstreamtest.Query, conn int) {
		if q.Message().Question[0].Name != "slow.example.com." {
			q.Answer("60 A 192.0.2.1")
		}
	}, func(t *testing.T, u *Upstream, s *server) {
		slow := start(t, u, "slow.example.com.", patience)
		time.Sleep(time.Second)
		wantAddress(t, u, "www.example.com.", patience)
		if got := finished(t, slow); !errors.Is(got.err, ErrTimeout) {
			t.Errorf("got %v, want %v", got.err, ErrTimeout)
		}
		wantAddress(t, u, "www.example.com.", patience)
		if got := s.state(); got != "1 []" {
			t.Errorf("got %s, want one connection, still open", got)
		}
	})
}

func TestDeadlineThatIsNearCondemnsNoConnection(t *testing.T) {
	t.Parallel()
	overPipes(t, func(q *upstreamtest.Query, _ int) {
		time.Sleep(500 * time.Millisecond)
		q.Answer("60 A 192.0.2.1")
	}, func(t *testing.T, u *Upstream, s *server) {
		if got := ask(t, u, "www.example.com.", soon); !errors.Is(got.err, ErrTimeout) {
			t.Errorf("got %v, want %v", got.err, ErrTimeout)
		}
		wantAddress(t, u, "www.example.com.", patience)
		if got := s.state(); got != "1 []" {
			t.Errorf("got %s, want one connection, still open", got)
		}
	})
}
