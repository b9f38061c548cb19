package main

import (
	"fmt"
	"slices"
	"strings"
)

// worsened is by what factor a ratio may change before it is worth a line.
const worsened = 1.05

// against compares two runs by their ratios, as microseconds depend on the machine. It returns a line for each that got
// worse for notyet.
func against(before, now []result, goals []goal) []string {
	var lines []string
	for _, r := range now {
		if r.Program == ours {
			continue
		}
		for _, m := range metricsOf(r) {
			was, ok := toOurs(before, r, m)
			is, also := toOurs(now, r, m)
			if h := m.heading(); ok && also && !h.plain && worse(was, is, h.upward) > worsened {
				lines = append(lines, fmt.Sprintf("%s, %s, %s: was %.2f of notyet's, is %.2f (%s)",
					r.Workload, r.Program, h.text, was, is, percent(worse(was, is, h.upward))))
			}
		}
	}
	for _, g := range goals {
		was, ok := g.reached(before)
		is, also := g.reached(now)
		if ok && also && was.value > 0 && is.value/was.value > worsened {
			lines = append(lines, fmt.Sprintf("%s: was %.2f, is %.2f (%s)", g.name, was.value, is.value, percent(is.value/was.value)))
		}
	}
	return lines
}

// toOurs is what r's program has for m as a multiple of notyet's, in results.
func toOurs(results []result, r result, m metric) (float64, bool) {
	return ratio(find(results, r.Workload, r.Program).values(m), find(results, r.Workload, ours).values(m))
}

// worse is by what factor it got worse for notyet that another program's figure was one multiple of its own and is another.
func worse(was, is float64, upward bool) float64 {
	if upward {
		was, is = is, was
	}
	if is == 0 {
		return 1
	}
	return was / is
}

func percent(factor float64) string { return fmt.Sprintf("%.0f %% worse", 100*(factor-1)) }

// metricsOf are those of r in all turns, in a fixed order.
func metricsOf(r result) []metric {
	var all []metric
	if len(r.Samples) == 0 {
		return nil
	}
	for m := range r.Samples[0] {
		if r.values(m) != nil {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(string(a), string(b)) })
	return all
}
