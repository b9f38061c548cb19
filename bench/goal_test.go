package main

import (
	"reflect"
	"strings"
	"testing"
)

// took is a result of three rounds.
func took(workload, program string, m metric, values ...float64) result {
	r := result{Workload: workload, Program: program}
	for _, v := range values {
		r.Samples = append(r.Samples, sample{m: v})
	}
	return r
}

func TestGoalIsComparedWithTheBestOverAllTurns(t *testing.T) {
	t.Parallel()
	g := goal{"hit to the best", figure{"hit", "notyet", cpuMicros}, figures("hit", cpuMicros, []string{"a", "b", "absent"}), 1}
	results := []result{
		took("hit", "notyet", cpuMicros, 3, 6, 3),
		took("hit", "a", cpuMicros, 2, 6, 4),
		took("hit", "b", cpuMicros, 4, 5, 2),
		took("miss", "a", cpuMicros, 1, 1, 1),
	}
	// To a: 3/2, 6/6 and 3/4; to b: 3/4, 6/5 and 3/2; to the better one of each turn it would be 1.5.
	if got, ok := g.reached(results); !ok || got != (reached{value: 1.2, from: .75, to: 1.5}) {
		t.Errorf("got %v, %v, want 1.2, from 0.75 to 1.5", got, ok)
	}
	if got, want := g.fault(results), "hit to the best: 1.20, at most 1.00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVerdictIsOpenWhereTheRunCannotTell(t *testing.T) {
	t.Parallel()
	g := goal{"bytes", figure{"fill1m", "notyet", bytesPerEntry}, nil, 450}
	for want, values := range map[string][]float64{
		"met":    {440, 900, 450},
		"open":   {440, 900, 451},
		"missed": {452, 900, 451},
	} {
		r, _ := g.reached([]result{took("fill1m", "notyet", bytesPerEntry, values...)})
		if got := g.verdict(r); got != want {
			t.Errorf("%v: got %q, want %q", values, got, want)
		}
	}
}

func TestGoalThatStandsByItself(t *testing.T) {
	t.Parallel()
	g := goal{"bytes", figure{"fill1m", "notyet", bytesPerEntry}, nil, 450}
	if got := g.fault([]result{took("fill1m", "notyet", bytesPerEntry, 440, 900, 450)}); got != "" {
		t.Errorf("got %q, want none, as the median is at the limit", got)
	}
}

func TestWhatWasNotMeasuredIsNotMet(t *testing.T) {
	t.Parallel()
	results := []result{took("hit", "notyet", cpuMicros, 3), took("hit", "unbound", cpuMicros)}
	for _, g := range goals([]string{"unbound"}) {
		if got := g.fault(results); !strings.HasSuffix(got, "not measured") {
			t.Errorf("%s: got %q, want that it was not measured", g.name, got)
		}
	}
	if got := goalRows(goals(nil), results); got != nil {
		t.Errorf("got %q, want no table", got)
	}
}

func TestGoalTableHasWhatWasMeasured(t *testing.T) {
	t.Parallel()
	results := []result{
		took("hit", "notyet", cpuMicros, 3), took("hit", "floor", cpuMicros, 2.5),
		took("start", "notyet", firstAnswerMs, 51),
	}
	want := [][]string{
		{"goal", "", "is", "from", "to", "at most"},
		{"hit to floor", "met", "1.20", "1.20", "1.20", "1.25"},
		{"ms to the first answer", "missed", "51.00", "51.00", "51.00", "50.00"},
	}
	if got := goalRows(goals(nil), results); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The workload floor is hit for fewer programs.
func TestGoalsOfHitAreThoseOfFloorWhereHitWasNotMeasured(t *testing.T) {
	t.Parallel()
	floor := []result{
		took("floor", "notyet", cpuMicros, 6), took("floor", "constant", cpuMicros, 5), took("floor", "floor", cpuMicros, 4),
	}
	want := [][]string{
		{"goal", "", "is", "from", "to", "at most"},
		{"constant to floor", "missed", "1.25", "1.25", "1.25", "1.15"},
		{"hit to floor", "missed", "1.50", "1.50", "1.50", "1.25"},
		{"hit to constant", "missed", "1.20", "1.20", "1.20", "1.15"},
	}
	if got := goalRows(goals([]string{"unbound"}), floor); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	both := append(floor, took("hit", "notyet", cpuMicros, 5), took("hit", "floor", cpuMicros, 4))
	want = [][]string{want[0], {"hit to floor", "met", "1.25", "1.25", "1.25", "1.25"}}
	if got := goalRows(goals([]string{"unbound"}), both); !reflect.DeepEqual(got, want) {
		t.Errorf("with hit: got %q, want %q", got, want)
	}
}
