package main

import (
	"slices"
	"testing"
)

func TestAgainstNamesTheRatiosThatGotWorse(t *testing.T) {
	t.Parallel()
	before := []result{
		took("hit", "notyet", cpuMicros, 2), took("hit", "unbound", cpuMicros, 3), took("hit", "dnsdist", cpuMicros, 3),
		took("tcp", "notyet", queriesPerSec, 100), took("tcp", "unbound", queriesPerSec, 50),
		took("fill1m", "notyet", bytesPerEntry, 400),
	}
	now := []result{
		// The machine is half as fast, and notyet is slower than that beside unbound.
		took("hit", "notyet", cpuMicros, 4), took("hit", "unbound", cpuMicros, 5), took("hit", "dnsdist", cpuMicros, 5.8),
		took("hit", "bind", cpuMicros, 9), // was not there
		took("tcp", "notyet", queriesPerSec, 100), took("tcp", "unbound", queriesPerSec, 60),
		took("fill1m", "notyet", bytesPerEntry, 440),
	}
	goals := []goal{
		{"hit to dnsdist", figure{"hit", "notyet", cpuMicros}, figures("hit", cpuMicros, []string{"dnsdist"}), 1},
		{"bytes", figure{"fill1m", "notyet", bytesPerEntry}, nil, 450},
	}
	want := []string{
		"hit, unbound, CPU µs/query: was 1.50 of notyet's, is 1.25 (20 % worse)",
		"tcp, unbound, queries/s: was 0.50 of notyet's, is 0.60 (20 % worse)",
		"bytes: was 400.00, is 440.00 (10 % worse)",
	}
	if got := against(before, now, goals); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if got := against(before, before, goals); len(got) != 0 {
		t.Errorf("got %q of the same run, want nothing", got)
	}
}
