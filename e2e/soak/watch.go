//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"notyet/e2e/testbed"
)

const (
	sampleEvery    = 10 * time.Second
	fewestSamples  = 12  // three in each quarter, however short the run
	moreGoroutines = 20  // that may come after the first quarter
	moreMemory     = 1.1 // last quarter's over the second's; but
	settling       = 4.0 // MiB more say nothing: so much comes and goes in the first minute, of code and of the collector
	mayUnanswered  = 0.001
)

// A watch samples what must not grow.
type watch struct {
	notyet  *testbed.Notyet
	load    *load
	owner   testbed.Owner
	samples []sample
	ended   bool // notyet ended by itself
}

type sample struct {
	at         time.Duration // since the start
	rss        float64       // MiB
	goroutines int
}

// run samples until ctx ends and prints a line each time.
func (w *watch) run(ctx context.Context, duration time.Duration) {
	tick := time.NewTicker(min(sampleEvery, duration/fewestSamples))
	defer tick.Stop()
	start, before := time.Now(), int64(0)
	last := start
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.notyet.Done():
			w.ended = true
			return
		case now := <-tick.C:
			answered, asked := w.load.answered.Load(), w.load.asked.Load() // in this order, or more are answered than asked
			s := sample{at: now.Sub(start), rss: w.rss(), goroutines: w.notyet.Goroutines(w.owner)}
			w.samples = append(w.samples, s)
			fmt.Printf("%6.0fs  %6.0f qps  asked %d  under way or lost %d  wrong %d  rss %.1f MiB  goroutines %d\n",
				s.at.Seconds(), float64(asked-before)/now.Sub(last).Seconds(), asked, asked-answered, w.load.wrong.Load(), s.rss, s.goroutines)
			before, last = asked, now
		}
	}
}

// rss is notyet's resident memory in MiB; 0: it has ended.
func (w *watch) rss() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.notyet.PID))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// verdict tells what is wrong after the run.
func (w *watch) verdict() []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if w.ended {
		fault("notyet ended: %s", w.notyet.Stderr())
	}
	asked, unanswered := w.load.asked.Load(), w.load.unanswered.Load()
	fmt.Printf("asked %d  unanswered %d (%.4f %%)  wrong %d\n", asked, unanswered, 100*float64(unanswered)/float64(max(asked, 1)), w.load.wrong.Load())
	if wrong := w.load.wrong.Load(); wrong > 0 {
		fault("got %d wrong answers, want 0", wrong)
	}
	if asked == 0 || float64(unanswered) > mayUnanswered*float64(asked) {
		fault("got %d of %d queries unanswered, want at most %g %%", unanswered, asked, 100*mayUnanswered)
	}
	n := len(w.samples)
	if n < 8 {
		fault("got %d samples, want at least 8", n)
		return faults
	}
	second, fourth := w.samples[n/4:n/2], w.samples[3*n/4:]
	level := second[0].goroutines
	for _, s := range fourth {
		if s.goroutines > level+moreGoroutines {
			fault("got %d goroutines after %v, want at most %d more than the %d after %v", s.goroutines, s.at, moreGoroutines, level, second[0].at)
			break
		}
	}
	early, late := meanRSS(second), meanRSS(fourth)
	fmt.Printf("rss in the second quarter %.1f MiB, in the last %.1f MiB\n", early, late)
	if most := max(early*moreMemory, early+settling); late > most {
		fault("got %.1f MiB of memory in the last quarter, want at most %.1f after the %.1f of the second", late, most, early)
	}
	return faults
}

func meanRSS(samples []sample) float64 {
	sum := 0.0
	for _, s := range samples {
		sum += s.rss
	}
	return sum / float64(len(samples))
}
