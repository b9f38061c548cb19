package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
)

const (
	zone   = "bench.example.net."  // every name exists; .test and the like are answered by some forwarders themselves
	absent = "absent.example.net." // no name exists but the apex
)

// questions are what a load asks, in this order.
type questions struct {
	file   string // their file's name; the same for the same questions
	qnames iter.Seq[string]
}

// write makes the file in dir, if it isn't there yet, with a line "QNAME A" for each of them, and returns its path.
func (q questions) write(dir string) (string, error) {
	path := filepath.Join(dir, q.file+".names")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	for qname := range q.qnames {
		io.WriteString(w, qname) // its error is Flush's too
		io.WriteString(w, " A\n")
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	return path, file.Close()
}

// numbered are the names n000000 to n-1 of a group in zone, or every step-th of them.
func numbered(group, zone string, n, step int) questions {
	return questions{
		file: fmt.Sprintf("%s.%s%d-%d", group, zone, n, step),
		qnames: func(yield func(string) bool) {
			for i := 0; i < n; i += step {
				if !yield(nth(group, zone, i)) {
					return
				}
			}
		},
	}
}

func nth(group, zone string, i int) string { return fmt.Sprintf("n%06d.%s.%s", i, group, zone) }

// crowd is a mix of questions: most are for names that many ask for, whose popularity follows Zipf's law, and the
// others for names that nobody has asked for.
type crowd struct {
	names    int     // how many there are to choose from
	exponent float64 // of Zipf's law; above 1
	every    int     // each every-th question is for a new name
	load     int     // how many the load asks
	probe    int     // how many the prober asks
}

// asked are the questions of the load, and of the prober.
func (c crowd) asked() (load, probe questions) {
	return questions{"crowd-load", c.draw(1, c.load)}, questions{"crowd-probe", c.draw(2, c.probe)}
}

// known are the names that both ask for and that are not new, once each.
func (c crowd) known() questions {
	return questions{"crowd-known", func(yield func(string) bool) {
		seen := make(map[int]bool)
		for seed, n := range map[uint64]int{1: c.load, 2: c.probe} {
			for _, i := range c.ranks(seed, n) {
				if !seen[i] && !yield(nth("crowd", zone, i)) {
					return
				}
				seen[i] = true
			}
		}
	}}
}

func (c crowd) draw(seed uint64, n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		ranks := c.ranks(seed, n)
		for i := range n {
			qname := ""
			if i%c.every == c.every-1 {
				qname = nth(fmt.Sprintf("new%d", seed), zone, i)
			} else {
				qname, ranks = nth("crowd", zone, ranks[0]), ranks[1:]
			}
			if !yield(qname) {
				return
			}
		}
	}
}

// ranks are the known names that n questions are for: the same for the same seed.
func (c crowd) ranks(seed uint64, n int) []int {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(seed, 0)), c.exponent, 1, uint64(c.names-1))
	ranks := make([]int, n-n/c.every)
	for i := range ranks {
		ranks[i] = int(zipf.Uint64())
	}
	return ranks
}
