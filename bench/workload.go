//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// workload is what programs are asked and what is measured meanwhile.
type workload struct {
	name    string
	group   string // what it is chosen by
	columns []metric
	takes   takes
	turns   int // of each program in a round, one program after the other
	measure func(ctx context.Context, b *bench, p peer) (sample, error)
}

// takes says which programs a workload is for.
type takes int

const (
	everybody takes = iota
	whoForwards
	whoIsLimit // notyet, and those that answer a constant
	onlyNotyet
)

func (w workload) isFor(p peer) bool {
	switch w.takes {
	case whoForwards:
		return !p.constant
	case whoIsLimit:
		return p.constant || p.name == ours
	case onlyNotyet:
		return p.name == ours
	}
	return true
}

const (
	missNames = 100_000
	million   = 1_000_000
	largeFill = 10 * time.Minute // for a million answers, however slow
	smallFill = 2 * time.Minute

	// denialsLast is how long a load on denials goes on before it is measured. notyet believes a new denial for a second,
	// and one that is confirmed for twice as long; after this they last until the measurement is over.
	denialsLast = 20 * time.Second

	// Workloads that take turns: what waking up costs, which is most of a paced load and a part of every miss, changes by a
	// fifth from one second to the next; and of p99.9 little is seen in one load.
	pacedTurns = 25
	missTurns  = 5
	gcTurns    = 5
)

// served are the columns of workloads that are a load.
var served = []metric{cpuMicros, queriesPerSec, latencyMicros, p50Micros, p99Micros, p999Micros, residentMiB}

// allWorkloads returns every workload; hitNames is how many names hit is about.
func allWorkloads(hitNames int) []workload {
	hit := hits(numbered("hit", zone, hitNames, 1), hitNames)
	at := func(rate int) traffic { t := hit; t.rate, t.length = rate, time.Second; return t }
	nx := hits(numbered("hit", absent, hitNames, 1), hitNames)
	nx.want.rcode, nx.settle = "NXDOMAIN", denialsLast
	watched, tcp, twoCPUs := hit, hit, hit
	watched.watch = true
	tcp.tcp = true
	twoCPUs.twoCPUs = true
	small, large := hits(numbered("hit", zone, 1000, 1), 1000), hits(numbered("fill", zone, million, 1), million)
	fillColumns, startColumns := []metric{bytesPerEntry, idleMiB, residentMiB}, []metric{firstAnswerMs, cpuAtStartMs, idleMiB}

	return []workload{
		{"hit", "hit", served, everybody, 1, hit.measure},
		{quick, quick, served, whoIsLimit, 1, hit.measure},
		{"nx", "nx", served, whoForwards, 1, nx.measure},
		{"watch", "watch", served, onlyNotyet, 1, watched.measure},
		{"hit2k", "hit2k", served, everybody, pacedTurns, at(2000).measure},
		{"hit20k", "hit20k", served, everybody, pacedTurns, at(20_000).measure},
		{"tcp", "tcp", served, whoForwards, 1, tcp.measure},
		{"zipf", "zipf", served, whoForwards, 1, zipf().measure},
		{"miss", "miss", served, whoForwards, missTurns, misses().measure},
		{"size1k", "size", served, whoForwards, 1, small.measure},
		{"size1m", "size", served, whoForwards, 1, large.measure},
		{"cores1", "cores", served, onlyNotyet, 1, hit.measure},
		{"cores2", "cores", served, onlyNotyet, 1, twoCPUs.measure},
		{"fill100k", "fill", fillColumns, whoForwards, 1, fill{missNames, smallFill}.measure},
		{"fill1m", "fill", fillColumns, whoForwards, 1, fill{million, largeFill}.measure},
		{"gc", "gc", []metric{p999Micros, p999GCMicros, gcRatio, residentMiB}, onlyNotyet, gcTurns, pauses},
		{"start", "start", startColumns, whoForwards, 1, startUp},
	}
}

// hits are queries for names that are all in the cache.
func hits(names questions, n int) traffic {
	t := traffic{warm: names, load: names, probe: names, entries: n, want: expected{rcode: "NOERROR"}, warmLimit: smallFill}
	if n >= million {
		t.warmLimit = largeFill
	}
	return t
}

// misses are queries for names that nobody has asked for. 1,000 others warm sockets and code.
func misses() traffic {
	return traffic{
		warm:      numbered("other", zone, 1000, 1),
		warmLimit: smallFill,
		load:      numbered("miss", zone, missNames, 1),
		probe:     numbered("probe", zone, missNames, 1), // more than are asked within the time
		once:      true,
		entries:   2 * missNames,
		want:      expected{rcode: "NOERROR", misses: 1, names: missNames},
	}
}

// zipf is what a crowd asks: 95 % are hits.
func zipf() traffic {
	const oneIn, load = 20, 400_000
	c := crowd{names: million, exponent: 1.05, every: oneIn, load: load, probe: 100_000}
	t := traffic{
		warm:      c.known(),
		warmLimit: smallFill,
		once:      true,
		entries:   load,
		want:      expected{rcode: "NOERROR", misses: 1.0 / oneIn, names: load},
	}
	t.load, t.probe = c.asked()
	return t
}

// groupNames are what workloads are chosen by.
func groupNames() []string {
	var names []string
	for _, w := range allWorkloads(1) {
		if !slices.Contains(names, w.group) {
			names = append(names, w.group)
		}
	}
	return names
}

// chooseWorkloads returns the workloads of the groups called names.
func chooseWorkloads(names []string, hitNames int) ([]workload, error) {
	var chosen []workload
	for _, name := range names {
		before := len(chosen)
		for _, w := range allWorkloads(hitNames) {
			if w.group == name {
				chosen = append(chosen, w)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("-workloads %q: there is no such workload: choose from %s", name, strings.Join(groupNames(), ", "))
		}
	}
	return chosen, nil
}

// columnsOf returns what is measured under the workload with this name.
func columnsOf(workload string) []metric {
	for _, w := range allWorkloads(1) {
		if w.name == workload {
			return w.columns
		}
	}
	return nil
}
