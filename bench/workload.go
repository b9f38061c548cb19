package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	zone      = "bench.example.net." // .test and the like are answered by some forwarders themselves
	missNames = 100_000
	onceLimit = time.Minute // for a load that asks every name once
)

// workload is what the programs are asked.
type workload struct {
	name   string
	names  string // file of "QNAME QTYPE" lines, asked in this order
	warm   string // the same, asked once before the clock starts
	once   bool   // every name once; otherwise over and over until the time is up
	cached bool   // answers come from the cache; otherwise every query goes to the authority
}

// makeWorkloads writes the files of every workload to dir. All the names exist: the zone has
// a wildcard.
func makeWorkloads(dir string, hitNames int) ([]workload, error) {
	hit, err := writeNames(dir, "hit", hitNames)
	if err != nil {
		return nil, err
	}
	miss, err := writeNames(dir, "miss", missNames)
	if err != nil {
		return nil, err
	}
	other, err := writeNames(dir, "other", 1000)
	if err != nil {
		return nil, err
	}
	return []workload{
		{name: "hit", names: hit, warm: hit, cached: true},
		{name: "miss", names: miss, warm: other, once: true}, // warms sockets and code, not the cache
	}, nil
}

// chooseWorkloads returns the workloads called names, with their files in dir.
func chooseWorkloads(names []string, dir string, hitNames int) ([]workload, error) {
	all, err := makeWorkloads(dir, hitNames)
	if err != nil {
		return nil, err
	}
	var chosen []workload
	for _, name := range names {
		i := slices.IndexFunc(all, func(w workload) bool { return w.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-workloads %q: there is no such workload", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// writeNames writes n questions for A records below group to a file in dir.
func writeNames(dir, group string, n int) (string, error) {
	file, err := os.Create(filepath.Join(dir, group+".names"))
	if err != nil {
		return "", err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	for i := range n {
		fmt.Fprintf(w, "n%06d.%s.%s A\n", i, group, zone)
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	return file.Name(), file.Close()
}

// check says whether l was what w is meant to be, so that no program looks fast by losing
// queries, by refusing them, or by asking the authority less or more than w supposes.
// asked counts the queries that reached the authority meanwhile.
func (w workload) check(l load, asked int) error {
	atMost := l.sent / 100
	switch {
	case l.completed == 0:
		return fmt.Errorf("none of %d queries was answered", l.sent)
	case l.sent-l.completed > atMost:
		return fmt.Errorf("%d of %d queries were not answered", l.sent-l.completed, l.sent)
	case l.completed-l.noerror > atMost:
		return fmt.Errorf("%d of %d answers were not NOERROR", l.completed-l.noerror, l.completed)
	case w.cached && asked > atMost:
		return fmt.Errorf("%d of %d queries went to the authority, not to the cache", asked, l.sent)
	case !w.cached && asked < l.completed-atMost:
		return fmt.Errorf("only %d of %d queries went to the authority", asked, l.sent)
	case w.once && l.sent < missNames:
		return fmt.Errorf("only %d of %d names were asked in %v", l.sent, missNames, onceLimit)
	}
	return nil
}
