package main

import (
	"testing"
	"time"
)

func TestParseSchedstat(t *testing.T) {
	t.Parallel()
	got, err := parseSchedstat("1234567890 2345 678\n")
	if want := 1234567890 * time.Nanosecond; err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, text := range []string{"", "1 2\n", "x 2 3\n", "99999999999999999999 2 3\n"} {
		if got, err := parseSchedstat(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestParseResident(t *testing.T) {
	t.Parallel()
	got, err := parseResident("Name:\tnsd\nVmHWM:\t   35300 kB\nVmRSS:\t   35224 kB\nThreads:\t1\n")
	if want := int64(35224 << 10); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, text := range []string{"", "Name:\tnsd\nState:\tZ (zombie)\n", "VmRSS:\t many kB\n"} {
		if got, err := parseResident(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
