package main

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	thousand := make([]time.Duration, 1000)
	for i := range thousand {
		thousand[i] = time.Duration(i + 1)
	}
	for _, tt := range []struct {
		name   string
		sorted []time.Duration
		part   float64
		want   time.Duration
	}{
		{"none", nil, 0.5, 0},
		{"one", []time.Duration{7}, 0.999, 7},
		{"median", thousand, 0.5, 500},
		{"p99", thousand, 0.99, 990},
		{"p99.9", thousand, 0.999, 999},
		{"p99.9 of a few is the longest", thousand[:10], 0.999, 10},
		{"the least", thousand, 0, 1},
		{"the longest", thousand, 1, 1000},
	} {
		if got := percentile(tt.sorted, tt.part); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
