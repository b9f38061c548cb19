package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestFileHasQuestionsInTheZone(t *testing.T) {
	t.Parallel()
	path, err := numbered("hit", absent, 1000, 10).write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		qname, qtype, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !dns.IsSubDomain(absent, qname) || qtype != "A" {
			t.Fatalf("got the line %q, want a name in %s and A", line, absent)
		}
		seen[qname] = true
	}
	if len(seen) != 100 || !seen["n000990.hit."+absent] {
		t.Errorf("got %d names, want every tenth of 1000", len(seen))
	}
}

func TestFileIsWrittenOnce(t *testing.T) {
	t.Parallel()
	dir, times := t.TempDir(), 0
	q := questions{file: "once", qnames: func(func(string) bool) { times++ }}
	for range 2 {
		if _, err := q.write(dir); err != nil {
			t.Fatal(err)
		}
	}
	if times != 1 {
		t.Errorf("got %d times, want once", times)
	}
}

func TestCrowdAsksForKnownNamesAndSomeNewOnes(t *testing.T) {
	t.Parallel()
	c := crowd{names: 1000, exponent: 1.1, every: 20, load: 20_000, probe: 2000}
	known := make(map[string]bool)
	for qname := range c.known().qnames {
		if known[qname] {
			t.Errorf("%s is there twice", qname)
		}
		known[qname] = true
	}
	load, probe := c.asked()
	asked := make(map[string]int)
	unknown := 0
	for _, q := range []questions{load, probe} {
		for qname := range q.qnames {
			if asked[qname]++; !known[qname] {
				unknown++
				if asked[qname] > 1 {
					t.Errorf("%s is new and asked for twice", qname)
				}
			}
		}
	}
	if want := (c.load + c.probe) / c.every; unknown != want {
		t.Errorf("got %d questions for new names, want %d", unknown, want)
	}
	if first, tenth := asked[nth("crowd", zone, 0)], asked[nth("crowd", zone, 9)]; first < 4*tenth || tenth == 0 {
		t.Errorf("the most popular name was asked for %d times, the tenth %d times, want about ten times as often", first, tenth)
	}
	if again := slices.Collect(load.qnames); len(again) != c.load || !slices.Equal(again, slices.Collect(load.qnames)) {
		t.Errorf("the load differs from one time to the next")
	}
}
