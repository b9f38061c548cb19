package upstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

func TestTCPUpstreamIsAskedOverTCPOnly(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") })
	u := newUpstreamTCP(t, s.Addr)
	if got := ask(t, u, "www.example.com.", patience); got.records() != "A 192.0.2.1" {
		t.Errorf("got %q, want A 192.0.2.1", got.records())
	}
	if s.QueriesUDP() != 0 || s.QueriesTCP() != 1 {
		t.Errorf("got %d queries over UDP and %d over TCP, want 0 and 1", s.QueriesUDP(), s.QueriesTCP())
	}
	if want := "tcp://" + s.Addr.String(); u.String() != want {
		t.Errorf("name: got %q, want %q", u, want)
	}
}

func TestLongestMessageOverTCP(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		m := upstreamtest.Reply(q.Wire)
		for m.Len() < 65000 {
			m.Answer = append(m.Answer, upstreamtest.RR(`www.example.com. 60 TXT "`+strings.Repeat("x", 250)+`"`))
		}
		q.Send(append(upstreamtest.Pack(m), make([]byte, 65535-m.Len())...)) // what it says is not looked at here
	})
	u := newUpstreamTCP(t, s.Addr)
	if got := ask(t, u, "www.example.com.", patience); got.err != nil || len(got.reply) != 65535 {
		t.Errorf("got %d bytes and %v, want 65535", len(got.reply), got.err)
	}
}

func TestBadTCPConnectionFailsAtOnceInWordsPeopleUnderstand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		handle func(*upstreamtest.Query)
		want   string
	}{
		{"closed without a reply", func(q *upstreamtest.Query) { q.Hangup() }, "closed the connection"},
		{"closed inside the length", func(q *upstreamtest.Query) { q.SendRaw([]byte{0}); q.Hangup() }, "closed the connection"},
		{"closed behind the length", func(q *upstreamtest.Query) { q.SendRaw([]byte{1, 0}); q.Hangup() }, "closed the connection"},
		{"closed inside the message", func(q *upstreamtest.Query) {
			m := upstreamtest.Answer(q.Wire, "60 A 192.0.2.1")
			q.SendRaw(append(binary.BigEndian.AppendUint16(nil, uint16(len(m)+1)), m...))
			q.Hangup()
		}, "closed the connection"},
		{"closed behind another question's reply", func(q *upstreamtest.Query) {
			q.Send(upstreamtest.Answer(setID(q.Wire, binary.BigEndian.Uint16(q.Wire)+1)))
			q.Hangup()
		}, "closed the connection"},
		{"truncated", func(q *upstreamtest.Query) { q.Truncate() }, "truncated"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := upstreamtest.New(t, tt.handle)
			u := newUpstreamTCP(t, s.Addr)
			got := ask(t, u, "www.example.com.", patience)
			if got.err == nil || !strings.Contains(got.err.Error(), tt.want) || got.took > atOnce {
				t.Errorf("got %q and %v after %v, want an error with %q at once", got.reply, got.err, got.took, tt.want)
			}
			counted(t, "unreachable", u.meter.unreachable, 1)
		})
	}
}

func TestRefusedConnectionFailsAtOnce(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	s.Close()
	u := newUpstreamTCP(t, s.Addr)
	if got := ask(t, u, "www.example.com.", patience); !errors.Is(got.err, syscall.ECONNREFUSED) || got.took > atOnce {
		t.Errorf("got %v after %v, want %v at once", got.err, got.took, syscall.ECONNREFUSED)
	}
}

func TestTCPConnectionThatStallsTimesOut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		handle func(*upstreamtest.Query)
	}{
		{"behind the length", func(q *upstreamtest.Query) { q.SendRaw([]byte{0xFF, 0xFF}) }},
		{"inside the message", func(q *upstreamtest.Query) {
			q.SendRaw(append([]byte{0xFF, 0xFF}, upstreamtest.Answer(q.Wire)...))
		}},
		{"with replies to other questions", func(q *upstreamtest.Query) {
			for range 100 {
				q.Send(upstreamtest.Answer(setID(q.Wire, binary.BigEndian.Uint16(q.Wire)+1)))
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := upstreamtest.New(t, tt.handle)
			u := newUpstreamTCP(t, s.Addr)
			if got := ask(t, u, "www.example.com.", soon); !errors.Is(got.err, ErrTimeout) || got.took < soon {
				t.Errorf("got %v after %v, want %v after %v", got.err, got.took, ErrTimeout, soon)
			}
		})
	}
}

func TestExchangesOverTCPAreBounded(t *testing.T) {
	t.Parallel()
	queries := make(chan *upstreamtest.Query, maxTCP)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) { queries <- q })
	u := newUpstreamTCP(t, s.Addr)
	var all []<-chan result
	for i := range maxTCP {
		x := question(t, fmt.Sprintf("n%d.example.com.", i), dns.TypeA, time.Minute)
		done := make(chan result, 1)
		x.Done = func(_ []byte, err error) { done <- result{err: err} }
		u.Ask(x)
		all = append(all, done)
	}
	if got := ask(t, u, "www.example.com.", patience); !errors.Is(got.err, ErrBusy) || got.took > atOnce {
		t.Errorf("with %d under way: got %v after %v, want %v at once", maxTCP, got.err, got.took, ErrBusy)
	}
	counted(t, "busy", u.meter.busy, 1)
	for range maxTCP {
		(<-queries).Deny()
	}
	for _, done := range all {
		if got := finished(t, done); got.err != nil {
			t.Errorf("got %v, want a reply", got.err)
		}
	}
	done := start(t, u, "www.example.com.", patience)
	(<-queries).Deny()
	if got := finished(t, done); got.err != nil {
		t.Errorf("once all are done: got %v, want a reply", got.err)
	}
}
