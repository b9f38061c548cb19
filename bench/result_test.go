package main

import (
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		name    string
		samples []sample
		want    float64
	}{
		{name: "none", want: 0},
		{name: "one", samples: []sample{{cpuMicros: 3}}, want: 3},
		{name: "odd, one far off", samples: []sample{{cpuMicros: 90}, {cpuMicros: 2}, {cpuMicros: 3}}, want: 3},
		{name: "even", samples: []sample{{cpuMicros: 4}, {cpuMicros: 1}, {cpuMicros: 3}, {cpuMicros: 2}}, want: 2.5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (result{samples: tt.samples}).median(cpuMicros); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	results := []result{
		{program: "notyet", workload: "hit", samples: []sample{
			{cpuMicros: 2, qps: 200_000.4, latency: 700 * time.Microsecond, resident: 30 << 20},
		}},
		{program: "unbound", workload: "hit", samples: []sample{
			{cpuMicros: 3, qps: 140_000, latency: 900 * time.Microsecond, resident: 50 << 20},
			{cpuMicros: 90, qps: 10_000, latency: 5 * time.Millisecond, resident: 60 << 20},
			{cpuMicros: 2.9, qps: 150_000, latency: 800 * time.Microsecond, resident: 40 << 20},
		}},
		{program: "unbound", workload: "miss", samples: []sample{
			{cpuMicros: 18, qps: 30_000, latency: 6 * time.Millisecond, resident: 80 << 20},
		}},
	}
	want := `| workload | program  | CPU µs/query | to notyet | queries/s | latency µs | resident MiB |
| -------- | -------- | -----------: | --------: | --------: | ---------: | -----------: |
| hit      | notyet   |         2.00 |      1.00 |    200000 |        700 |           30 |
| hit      | unbound  |         3.00 |      1.50 |    140000 |        900 |           50 |
| miss     | unbound  |        18.00 |         – |     30000 |       6000 |           80 |
`
	var got strings.Builder
	if err := writeTable(&got, results); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
