package main

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func newProbing(t *testing.T, lines string) *probing {
	t.Helper()
	queries, err := readQueries(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	return &probing{queries: queries}
}

// reply is the answer to a query in wire format, with an rcode.
func reply(t *testing.T, query []byte, rcode int) []byte {
	t.Helper()
	var q dns.Msg
	if err := q.Unpack(query); err != nil {
		t.Fatal(err)
	}
	b, err := new(dns.Msg).SetRcode(&q, rcode).Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestProbesTakeFromSendingToAnswer(t *testing.T) {
	t.Parallel()
	p := newProbing(t, "a.example.net. A\nb.example.net. A\n")
	start := time.Unix(1_000_000, 0)
	for i := range 1000 {
		sent := start.Add(time.Duration(i) * time.Millisecond)
		p.answer(reply(t, p.next(sent), dns.RcodeSuccess), sent.Add(time.Duration(i+1)*time.Microsecond))
	}
	want := probes{Sent: 1000, Answered: 1000, P50: 500 * time.Microsecond, P99: 990 * time.Microsecond, P999: 999 * time.Microsecond}
	if got := p.result(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLostProbesCountAsTheTimeout(t *testing.T) {
	t.Parallel()
	p := newProbing(t, "a.example.net. A\n")
	start := time.Unix(1_000_000, 0)
	late := reply(t, p.next(start), dns.RcodeSuccess)
	p.next(start)
	p.answer(late, start.Add(probeTimeout+1))
	if got := p.result(); got.Sent != 2 || got.Answered != 0 || got.P50 != probeTimeout {
		t.Errorf("got %+v, want two sent, none answered and p50 of %v", got, probeTimeout)
	}
}

func TestAnswersToProbesAreChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(reply []byte) []byte
		wrong int
	}{
		{"right", func(b []byte) []byte { return b }, 0},
		{"SERVFAIL", func(b []byte) []byte { b[3] |= dns.RcodeServerFailure; return b }, 1},
		{"another name", func(b []byte) []byte { b[13]++; return b }, 1},
		{"the query itself", func(b []byte) []byte { b[2] &^= 0x80; return b }, 1},
		{"no question", func(b []byte) []byte { return b[:12] }, 1},
		{"no header", func(b []byte) []byte { return b[:11] }, 1},
	} {
		p := newProbing(t, "a.example.net. A\n")
		now := time.Unix(1_000_000, 0)
		p.answer(tt.spoil(reply(t, p.next(now), dns.RcodeSuccess)), now)
		if p.Wrong != tt.wrong {
			t.Errorf("%s: got %d wrong, want %d", tt.name, p.Wrong, tt.wrong)
		}
	}
}

func TestSecondAnswerIsNotCounted(t *testing.T) {
	t.Parallel()
	p := newProbing(t, "a.example.net. A\n")
	now := time.Unix(1_000_000, 0)
	answer := reply(t, p.next(now), dns.RcodeSuccess)
	p.answer(answer, now)
	p.answer(answer, now)
	if p.Answered != 1 {
		t.Errorf("got %d answers, want 1", p.Answered)
	}
}

func TestQueriesNeedQuestions(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", strings.Repeat("x", 64) + ".example.net. A\n"} {
		if got, err := readQueries(strings.NewReader(text)); err == nil {
			t.Errorf("%q: got %q, want an error", text, got)
		}
	}
}
