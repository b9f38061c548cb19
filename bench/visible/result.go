package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	negativeTTL    = 60 * time.Second
	interval       = 250 * time.Millisecond // between two questions for a name
	publishedAfter = 3 * time.Second        // the first question
	limit          = 90 * time.Second       // for all questions together
	names          = 3                      // asked of each program
)

// sample is what came of one name.
type sample struct {
	Seconds    *float64 `json:"seconds"`     // from publishing until the client had the record; null: it never did
	AskedEarly int      `json:"asked_early"` // questions for it that reached the upstream before it was published
}

// result is what came of one program's names.
type result struct {
	Program string   `json:"program"`
	Names   []sample `json:"names"`
}

// report is a whole run.
type report struct {
	Versions []string `json:"versions"`
	Programs []result `json:"programs"`
}

// median returns the median of what of reads from the names, and the largest.
func (r result) median(of func(sample) float64) (median, most float64) {
	values := make([]float64, 0, len(r.Names))
	for _, s := range r.Names {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2], values[len(values)-1]
}

// writeTable writes what was done, and the medians as a Markdown table.
func (r report) writeTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Negative TTL %.0f s, a question every %v, the record published %.0f s after the first; medians of %d names",
		negativeTTL.Seconds(), interval, publishedAfter.Seconds(), names)
	if len(r.Versions) > 0 {
		b.WriteString("; " + strings.Join(r.Versions, ", "))
	}
	b.WriteString(".\n\n")
	b.WriteString("| forwarder                 | visible after | slowest | upstream asked too early |\n")
	b.WriteString("| ------------------------- | ------------: | ------: | -----------------------: |\n")
	for _, p := range r.Programs {
		visible, slowest := p.median(seconds)
		early, _ := p.median(func(s sample) float64 { return float64(s.AskedEarly) })
		fmt.Fprintf(&b, "| %-25s | %13s | %7s | %24s |\n", p.Program, inSeconds(visible), inSeconds(slowest), times(early))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// seconds is infinite for a name that was never visible.
func seconds(s sample) float64 {
	if s.Seconds == nil {
		return math.Inf(1)
	}
	return *s.Seconds
}

func inSeconds(s float64) string {
	if math.IsInf(s, 1) {
		return fmt.Sprintf("> %.0f s", (limit - publishedAfter).Seconds())
	}
	return fmt.Sprintf("%.1f s", s)
}

func times(n float64) string {
	if n == 0 {
		return "never"
	}
	return fmt.Sprintf("%.0f ×", n)
}

func (r report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
