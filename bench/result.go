package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// sample is what one measurement of one program under one workload found.
type sample struct {
	cpuMicros float64 // CPU microseconds the program used, per answered query
	qps       float64
	latency   time.Duration // average, as dnsperf saw it
	resident  int64         // bytes, at the end
}

// result holds the samples of all rounds.
type result struct {
	program  string
	workload string
	samples  []sample
}

// median returns the median of what of reads from the samples; of an even number of them the
// mean of the middle two, and 0 when there are none.
func (r result) median(of func(sample) float64) float64 {
	if len(r.samples) == 0 {
		return 0
	}
	values := make([]float64, 0, len(r.samples))
	for _, s := range r.samples {
		values = append(values, of(s))
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func cpuMicros(s sample) float64 { return s.cpuMicros }

// writeTable writes the medians as a Markdown table, in the order of results.
func writeTable(w io.Writer, results []result) error {
	var table strings.Builder
	table.WriteString("| workload | program  | CPU µs/query | to notyet | queries/s | latency µs | resident MiB |\n")
	table.WriteString("| -------- | -------- | -----------: | --------: | --------: | ---------: | -----------: |\n")
	for _, r := range results {
		fmt.Fprintf(&table, "| %-8s | %-8s | %12.2f | %9s | %9.0f | %10.0f | %12.0f |\n",
			r.workload, r.program,
			r.median(cpuMicros),
			ratio(r, results),
			r.median(func(s sample) float64 { return s.qps }),
			r.median(func(s sample) float64 { return micros(s.latency) }),
			r.median(func(s sample) float64 { return float64(s.resident) / (1 << 20) }),
		)
	}
	_, err := io.WriteString(w, table.String())
	return err
}

// ratio says how much CPU r takes for a query as a multiple of what notyet takes in the same
// run; a dash when notyet is not among the results.
func ratio(r result, results []result) string {
	for _, own := range results {
		if own.program == "notyet" && own.workload == r.workload && own.median(cpuMicros) > 0 {
			return fmt.Sprintf("%.2f", r.median(cpuMicros)/own.median(cpuMicros))
		}
	}
	return "–"
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
