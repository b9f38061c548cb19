package main

import (
	"math"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		values []float64
		want   float64
		ok     bool
	}{
		{name: "none"},
		{name: "one", values: []float64{3}, want: 3, ok: true},
		{name: "odd, one far off", values: []float64{90, 2, 3}, want: 3, ok: true},
		{name: "even", values: []float64{4, 1, 3, 2}, want: 2.5, ok: true},
	} {
		before := slices.Clone(tt.values)
		if got, ok := median(tt.values); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %v, %v, want %v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
		if !slices.Equal(tt.values, before) {
			t.Errorf("%s: the values were put into another order: %v", tt.name, tt.values)
		}
	}
}

func TestRatioIsOfTurns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		of, to []float64
		want   float64
		ok     bool
	}{
		// The medians alone would say 3.
		{name: "a slow turn slows both", of: []float64{3, 30, 3.3}, to: []float64{2, 20, 1.1}, want: 1.5, ok: true},
		{name: "none"},
		{name: "a turn is missing", of: []float64{1, 2}, to: []float64{1}},
		{name: "nothing was used", of: []float64{1}, to: []float64{0}},
	} {
		if got, ok := ratio(tt.of, tt.to); math.Abs(got-tt.want) > 1e-9 || ok != tt.ok {
			t.Errorf("%s: got %v, %v, want %v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestValuesAreOfAllTurnsOrNone(t *testing.T) {
	t.Parallel()
	r := result{Samples: []sample{{cpuMicros: 3, p50Micros: 40}, {cpuMicros: 2}}}
	if got := r.values(cpuMicros); !slices.Equal(got, []float64{3, 2}) {
		t.Errorf("got %v, want 3 and 2", got)
	}
	if got := r.values(p50Micros); got != nil {
		t.Errorf("got %v, want none, as a turn has none", got)
	}
}

func TestUnmeasuredAreNotyetsOnly(t *testing.T) {
	t.Parallel()
	results := []result{
		{Workload: "hit", Program: "notyet", Samples: []sample{{cpuMicros: 3}}},
		{Workload: "hit", Program: "bind", Samples: []sample{{}}},
		{Workload: "miss", Program: "notyet", Samples: []sample{{cpuMicros: 9}, {}}},
	}
	if got := unmeasured(results); !slices.Equal(got, []string{"miss"}) {
		t.Errorf("got %q, want miss", got)
	}
}

func TestSpreadIsNarrowerTheMoreTurnsThereAre(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ n, from, to int }{{1, 0, 0}, {3, 0, 2}, {4, 0, 3}, {9, 2, 6}, {75, 32, 42}} {
		values := make([]float64, tt.n)
		for i := range values {
			values[i] = float64(tt.n - 1 - i)
		}
		if from, to := spread(values); from != float64(tt.from) || to != float64(tt.to) {
			t.Errorf("of %d: got %v to %v, want %d to %d", tt.n, from, to, tt.from, tt.to)
		}
	}
}
