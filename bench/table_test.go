package main

import (
	"strings"
	"testing"
)

func TestTables(t *testing.T) {
	t.Parallel()
	results := []result{
		{Workload: "hit", Program: "notyet", Samples: []sample{
			{cpuMicros: 2, queriesPerSec: 200_000.4, residentMiB: 30},
			{cpuMicros: 2, queriesPerSec: 200_000.4, residentMiB: 30},
			{cpuMicros: 2, queriesPerSec: 200_000.4, residentMiB: 30},
		}},
		{Workload: "hit", Program: "unbound", Samples: []sample{
			{cpuMicros: 3, queriesPerSec: 140_000, residentMiB: 50},
			{cpuMicros: 90, queriesPerSec: 10_000, residentMiB: 60},
			{cpuMicros: 2.9, queriesPerSec: 150_000, residentMiB: 40},
		}},
		{Workload: "tcp", Program: "unbound", Samples: []sample{{cpuMicros: 18, queriesPerSec: 30_000}}},
		{Workload: "gc", Program: "notyet", Samples: []sample{{p999Micros: 300, gcRatio: 1.5}}},
	}
	columns := func(workload string) []metric {
		if workload == "gc" {
			return []metric{p999Micros, gcRatio}
		}
		return []metric{cpuMicros, queriesPerSec, residentMiB}
	}
	want := `| workload | program | CPU µs/query |     queries/s | resident MiB |
| -------- | ------- | -----------: | ------------: | -----------: |
| hit      | notyet  |         2.00 |        200000 |           30 |
| hit      | unbound |  3.00 (1.50) | 140000 (0.70) |    50 (1.67) |
| tcp      | unbound |        18.00 |         30000 |            – |

| workload | program | p99.9 µs | of without |
| -------- | ------- | -------: | ---------: |
| gc       | notyet  |      300 |       1.50 |
`
	var got strings.Builder
	if err := writeTables(&got, results, columns); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
