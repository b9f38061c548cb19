package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// goal is how many times as long as with both upstreams the p99 may be with one, after the first second.
const goal = 1.2

// straggle is how long after the last question an answer is waited for: what a stub waits. It stands for the latency of a
// question that has none.
const straggle = 5 * time.Second

// answer is what came of one question.
type answer struct {
	asked time.Duration // since the beginning
	took  time.Duration // zero: there was none yet
	good  bool          // it has an address
}

// part is what the answers to the questions of some time were like.
type part struct {
	p50, p99, worst time.Duration
	asked           int
	late            int // answered after 2 s or never
	failed          int // without an address, or without an answer
}

// sample is what came of one round: with both upstreams, in the first second of the fault, and after it.
type sample struct{ both, second, one part }

// report is what came of all rounds.
type report struct {
	qps    int
	length time.Duration
	faults []string // in order
	rounds map[string][]sample
}

func (r *report) add(fault string, s sample) {
	if r.rounds == nil {
		r.rounds = make(map[string][]sample)
	}
	if len(r.rounds[fault]) == 0 {
		r.faults = append(r.faults, fault)
	}
	r.rounds[fault] = append(r.rounds[fault], s)
}

// write writes the medians of the rounds as a Markdown table, and how much longer the p99 is: the median of the rounds' ratios.
// It returns an error when that is more than the goal.
func (r *report) write(w io.Writer) error {
	var b strings.Builder
	var missed error
	fmt.Fprintf(&b, "%d questions a second that miss the cache, two upstreams, %v with both and %[2]v with one; medians of %d rounds.\n\n",
		r.qps, r.length, len(r.rounds[r.faults[0]]))
	b.WriteString("| the first upstream        | p50 ms | p99 ms | worst ms | p99 to both alive | later than 2 s | no answer |\n")
	b.WriteString("| ------------------------- | -----: | -----: | -------: | ----------------: | -------------: | --------: |\n")
	for _, fault := range r.faults {
		rounds := r.rounds[fault]
		for _, row := range []struct {
			name string
			of   func(sample) part
		}{
			{"alive", func(s sample) part { return s.both }},
			{fault + ", first second", func(s sample) part { return s.second }},
			{fault + ", then", func(s sample) part { return s.one }},
		} {
			p := medians(rounds, row.of)
			ratio := medianRatio(rounds, row.of)
			fmt.Fprintf(&b, "| %-25s | %6.2f | %6.2f | %8.2f | %17.2f | %14s | %9d |\n", row.name,
				millis(p.p50), millis(p.p99), millis(p.worst), ratio, percent(p.late, p.asked), p.failed)
			if strings.HasSuffix(row.name, ", then") && ratio > goal {
				missed = fmt.Errorf("with one upstream %s the p99 is %.2f times what it is with both, at most %.1f is wanted", fault, ratio, goal)
			}
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	return missed
}

// between sums up the answers to what was asked from one moment until another.
func between(answers []answer, from, until time.Duration) part {
	var p part
	var took []time.Duration
	for _, a := range answers {
		if a.asked < from || a.asked >= until {
			continue
		}
		p.asked++
		if !a.good {
			p.failed++
		}
		if a.took == 0 {
			a.took = straggle
		}
		if a.took > 2*time.Second {
			p.late++
		}
		took = append(took, a.took)
	}
	if len(took) == 0 {
		return p
	}
	slices.Sort(took)
	p.p50, p.p99, p.worst = rank(took, 0.5), rank(took, 0.99), took[len(took)-1]
	return p
}

// rank is the smallest that at least this part of them does not exceed. They have to be sorted.
func rank(sorted []time.Duration, of float64) time.Duration {
	return sorted[min(int(of*float64(len(sorted))), len(sorted)-1)]
}

// medians is the median of each figure by itself.
func medians(rounds []sample, of func(sample) part) part {
	return part{
		p50:    median(rounds, func(s sample) time.Duration { return of(s).p50 }),
		p99:    median(rounds, func(s sample) time.Duration { return of(s).p99 }),
		worst:  median(rounds, func(s sample) time.Duration { return of(s).worst }),
		asked:  median(rounds, func(s sample) int { return of(s).asked }),
		late:   median(rounds, func(s sample) int { return of(s).late }),
		failed: median(rounds, func(s sample) int { return of(s).failed }),
	}
}

func medianRatio(rounds []sample, of func(sample) part) float64 {
	return median(rounds, func(s sample) float64 { return float64(of(s).p99) / float64(s.both.p99) })
}

func median[T int | float64 | time.Duration](rounds []sample, of func(sample) T) T {
	values := make([]T, len(rounds))
	for i, s := range rounds {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func percent(n, of int) string { return fmt.Sprintf("%.2f %%", 100*float64(n)/float64(max(of, 1))) }
