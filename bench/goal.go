package main

import (
	"fmt"
	"strconv"
)

// goal is a figure of notyet's that should not exceed a limit: as a multiple of others in the same run, or by itself.
type goal struct {
	name  string
	of    figure
	to    []figure // the best of them in the run; nil: it stands by itself
	limit float64
}

// figure is what was measured.
type figure struct {
	workload, program string
	metric            metric
}

// quick is hit for those that show what a query costs at least. It is not among the groups that are measured when none are
// named, as its programs are all in hit.
const quick = "floor"

// goals are what notyet wants to be. forwarders are the names of those that it is compared with.
func goals(forwarders []string) []goal {
	own := func(workload string, m metric) figure { return figure{workload, ours, m} }
	cpu := func(workload string, programs ...string) []figure { return figures(workload, cpuMicros, programs) }
	quickest := []string{"unbound", "dnsdist"}
	return []goal{
		{"constant to floor", figure{"hit", "constant", cpuMicros}, cpu("hit", "floor"), 1.15},
		{"hit to floor", own("hit", cpuMicros), cpu("hit", "floor"), 1.25},
		{"hit to constant", own("hit", cpuMicros), cpu("hit", "constant"), 1.15},
		{"hit to the best forwarder", own("hit", cpuMicros), cpu("hit", forwarders...), 0.90},
		{"hit2k to the better of unbound and dnsdist", own("hit2k", cpuMicros), cpu("hit2k", quickest...), 1.10},
		{"hit2k p99 to the better of them", own("hit2k", p99Micros), figures("hit2k", p99Micros, quickest), 1},
		{"hit20k to the better of them", own("hit20k", cpuMicros), cpu("hit20k", quickest...), 1.10},
		{"hit20k p99 to the better of them", own("hit20k", p99Micros), figures("hit20k", p99Micros, quickest), 1},
		{"nx to hit", own("nx", cpuMicros), cpu("hit", ours), 1.05},
		{"watch to hit", own("watch", cpuMicros), cpu("hit", ours), 1.05},
		{"miss to unbound", own("miss", cpuMicros), cpu("miss", "unbound"), 0.50},
		{"miss to dnsdist", own("miss", cpuMicros), cpu("miss", "dnsdist"), 1},
		{"hit with 1,000,000 names to 1,000", own("size1m", cpuMicros), cpu("size1k", ours), 1.30},
		{"two CPUs to one, CPU per query", own("cores2", cpuMicros), cpu("cores1", ours), 1.15},
		{"p99.9 during garbage collection to without", own("gc", p999GCMicros), figures("gc", p999Micros, []string{ours}), 2},
		{"bytes per answer, of 1,000,000", own("fill1m", bytesPerEntry), nil, 450},
		{"ms to the first answer", own("start", firstAnswerMs), nil, 50},
		{"MiB when idle", own("start", idleMiB), nil, 25},
	}
}

func figures(workload string, m metric, programs []string) []figure {
	all := []figure{}
	for _, p := range programs {
		all = append(all, figure{workload, p, m})
	}
	return all
}

// reached is what a goal's figure came to in one run: the median of its turns, and the spread of that.
type reached struct{ value, from, to float64 }

// reached is compared with the best of others, which is the one that it is the largest multiple of over all turns: of two that
// are equal, each is better in some turn, by chance. ok is false when it was not measured.
func (g goal) reached(results []result) (r reached, ok bool) {
	of := g.of.values(results)
	all := [][]float64{of}
	if g.to != nil {
		all = nil
		for _, f := range g.to {
			all = append(all, ratios(of, f.values(results)))
		}
	}
	for _, values := range all {
		if value, measured := median(values); measured && (!ok || value > r.value) {
			r.value, ok = value, true
			r.from, r.to = spread(values)
		}
	}
	return r, ok
}

// verdict is "open" where the run can't tell: the limit is within the spread.
func (g goal) verdict(r reached) string {
	switch {
	case r.value <= g.limit:
		return "met"
	case r.from <= g.limit:
		return "open"
	}
	return "missed"
}

// values are those of the turns. Where hit was not measured, the quick workload stands for it: it is the same load.
func (f figure) values(results []result) []float64 {
	workload := f.workload
	if workload == "hit" && len(find(results, workload, ours).Samples) == 0 {
		workload = quick
	}
	return find(results, workload, f.program).values(f.metric)
}

// fault says that the goal is missed in results, or that it was not measured; "" when it is met.
func (g goal) fault(results []result) string {
	r, ok := g.reached(results)
	switch {
	case !ok:
		return g.name + ": not measured"
	case r.value > g.limit:
		return fmt.Sprintf("%s: %.2f, at most %.2f", g.name, r.value, g.limit)
	}
	return ""
}

// goalRows are the cells of a table of those goals that were measured, the headings first; nil when none was.
func goalRows(goals []goal, results []result) [][]string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
	rows := [][]string{{"goal", "", "is", "from", "to", "at most"}}
	for _, g := range goals {
		r, ok := g.reached(results)
		if !ok {
			continue
		}
		rows = append(rows, []string{g.name, g.verdict(r), number(r.value), number(r.from), number(r.to), number(g.limit)})
	}
	if len(rows) == 1 {
		return nil
	}
	return rows
}
