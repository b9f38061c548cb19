package main

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// ours is the name of the program that the others are compared with.
const ours = "notyet"

// sample is what one measurement of one program under one workload found.
type sample map[metric]float64

// result holds the samples of all turns of all rounds, in their order.
type result struct {
	Workload string   `json:"workload"`
	Program  string   `json:"program"`
	Samples  []sample `json:"samples"`
}

// values returns what the turns found for m, in their order; nil when it was not measured in all of them.
func (r result) values(m metric) []float64 {
	var values []float64
	for _, s := range r.Samples {
		if v, ok := s[m]; ok {
			values = append(values, v)
		}
	}
	if len(values) < len(r.Samples) {
		return nil
	}
	return values
}

// find returns the result of program under workload; an empty one when there is none.
func find(results []result, workload, program string) result {
	for _, r := range results {
		if r.Workload == workload && r.Program == program {
			return r
		}
	}
	return result{}
}

// unmeasured are the workloads under which notyet could not be measured.
func unmeasured(results []result) []string {
	var workloads []string
	for _, r := range results {
		if r.Program == ours && slices.ContainsFunc(r.Samples, func(s sample) bool { return len(s) == 0 }) {
			workloads = append(workloads, r.Workload)
		}
	}
	return workloads
}

// median of an even number of values is the mean of the middle two. ok is false when there are none.
func median(values []float64) (m float64, ok bool) {
	if len(values) == 0 {
		return 0, false
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2, true
}

// spread is where the median of more turns would be, two times out of three: between the order statistics that are half the root
// of their number from the middle. Of three it is between the least and the largest. There must be at least one.
func spread(values []float64) (from, to float64) {
	values = slices.Sorted(slices.Values(values))
	last := len(values) - 1
	off := int(math.Ceil(math.Sqrt(float64(len(values))) / 2))
	return values[max(last/2-off, 0)], values[min(last-last/2+off, last)]
}

// ratio is the median of the ratios.
func ratio(of, to []float64) (r float64, ok bool) { return median(ratios(of, to)) }

// ratios are what of is as a multiple of to in each turn: what slows the machine down for a while slows both. nil: a turn
// lacks one of them.
func ratios(of, to []float64) []float64 {
	if len(of) != len(to) {
		return nil
	}
	each := make([]float64, len(of))
	for i := range of {
		if to[i] == 0 {
			return nil
		}
		each[i] = of[i] / to[i]
	}
	return each
}

// text lists the sample's metrics in the order of columns, for people.
func (s sample) text(columns []metric) string {
	var parts []string
	for _, m := range columns {
		if v, ok := s[m]; ok {
			h := m.heading()
			parts = append(parts, strconv.FormatFloat(v, 'f', h.decimals, 64)+" "+h.text)
		}
	}
	return strings.Join(parts, ", ")
}
