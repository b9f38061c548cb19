package main

import (
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

func TestAnswersAreSummedUpByWhenTheyWereAskedFor(t *testing.T) {
	t.Parallel()
	var answers []answer
	for i := range 300 {
		answers = append(answers, answer{asked: time.Duration(i) * 10 * ms, took: time.Duration(i+1) * ms, good: true})
	}
	answers[150].took = 0 // never
	answers[150].good = false
	answers[160].took = 2001 * ms
	answers[170].good = false // SERVFAIL
	for _, tt := range []struct {
		from, until time.Duration
		want        part
	}{
		{0, time.Second, part{p50: 51 * ms, p99: 100 * ms, worst: 100 * ms, asked: 100}},
		{time.Second, 2 * time.Second, part{p50: 152 * ms, p99: straggle, worst: straggle, asked: 100, late: 2, failed: 2}},
		{time.Hour, 2 * time.Hour, part{}},
	} {
		if got := between(answers, tt.from, tt.until); got != tt.want {
			t.Errorf("from %v until %v: got %+v, want %+v", tt.from, tt.until, got, tt.want)
		}
	}
}

func TestReportHasMediansAndTheRatioOfEachRound(t *testing.T) {
	t.Parallel()
	r := report{qps: 1000, length: 5 * time.Second}
	for _, p99 := range []struct{ both, one time.Duration }{{2 * ms, 2 * ms}, {10 * ms, 11 * ms}, {4 * ms, 12 * ms}} {
		r.add("killed", sample{
			both:   part{p50: ms, p99: p99.both, worst: 30 * ms, asked: 5000},
			second: part{p50: ms, p99: 40 * ms, worst: 50 * ms, asked: 1000, late: 5, failed: 1},
			one:    part{p50: ms, p99: p99.one, worst: 30 * ms, asked: 5000},
		})
	}
	want := `1000 questions a second that miss the cache, two upstreams, 5s with both and 5s with one; medians of 3 rounds.

| the first upstream        | p50 ms | p99 ms | worst ms | p99 to both alive | later than 2 s | no answer |
| ------------------------- | -----: | -----: | -------: | ----------------: | -------------: | --------: |
| alive                     |   1.00 |   4.00 |    30.00 |              1.00 |         0.00 % |         0 |
| killed, first second      |   1.00 |  40.00 |    50.00 |             10.00 |         0.50 % |         1 |
| killed, then              |   1.00 |  11.00 |    30.00 |              1.10 |         0.00 % |         0 |
`
	var got strings.Builder
	if err := r.write(&got); err != nil {
		t.Errorf("got %v, want the goal met", err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestMissedGoalIsAnError(t *testing.T) {
	t.Parallel()
	r := report{qps: 1000, length: 5 * time.Second}
	r.add("stopped", sample{both: part{p99: 10 * ms}, second: part{p99: 500 * ms}, one: part{p99: 13 * ms}})
	if err := r.write(new(strings.Builder)); err == nil || !strings.Contains(err.Error(), "stopped the p99 is 1.30 times") {
		t.Errorf("got %v, want an error with the ratio", err)
	}
}
