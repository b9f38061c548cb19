package main

import (
	"slices"
	"strconv"
	"strings"
)

// ours is the name of the program that the others are compared with.
const ours = "notyet"

// sample is what one measurement of one program under one workload found.
type sample map[metric]float64

// result holds the samples of all rounds, in their order.
type result struct {
	Workload string   `json:"workload"`
	Program  string   `json:"program"`
	Samples  []sample `json:"samples"`
}

// values returns what the rounds found for m, in their order; nil when it was not measured in all of them.
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

// medians has the median of each figure that all of samples have.
func medians(samples []sample) sample {
	all, of := result{Samples: samples}, sample{}
	for m := range samples[0] {
		if v, ok := median(all.values(m)); ok {
			of[m] = v
		}
	}
	return of
}

// ratio is the median of what of is as a multiple of to in each round: what slows the machine down for a while slows
// both. ok is false when a round lacks one of them.
func ratio(of, to []float64) (r float64, ok bool) {
	if len(of) != len(to) {
		return 0, false
	}
	ratios := make([]float64, len(of))
	for i := range of {
		if to[i] == 0 {
			return 0, false
		}
		ratios[i] = of[i] / to[i]
	}
	return median(ratios)
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
