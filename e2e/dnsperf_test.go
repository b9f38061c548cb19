//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"notyet/e2e/testbed"
)

// startLoad has dnsperf ask for a new name below the zone so many times a second, for so long. It waits for each answer longer
// than notyet may take.
func startLoad(t testing.TB, at netip.AddrPort, zone string, qps int, long time.Duration) *testbed.Process {
	t.Helper()
	return startLoadOf(t, at, zone, qps*int(long/time.Second), qps, long)
}

// startLoadOf is startLoad for so many names, in turn.
func startLoadOf(t testing.TB, at netip.AddrPort, zone string, names, qps int, long time.Duration) *testbed.Process {
	t.Helper()
	var queries strings.Builder
	for i := range qps * int(long/time.Second) {
		fmt.Fprintf(&queries, "load%d.%s A\n", i%names, zone)
	}
	file := filepath.Join(t.TempDir(), "queries")
	if err := os.WriteFile(file, []byte(queries.String()), 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	return testbed.Start(t, testbed.Look(t, "dnsperf"), "-s", at.Addr().String(), "-p", strconv.Itoa(int(at.Port())), "-d", file,
		"-n", "1", "-c", "4", "-T", "1", "-q", "20000", "-t", "8", "-Q", strconv.Itoa(qps), "-v")
}

// loadResult is what dnsperf got.
type loadResult struct {
	rcodes map[string]int
	lost   int // that were never answered
	took   []time.Duration
}

// endLoad waits for the end of the load.
func endLoad(t testing.TB, p *testbed.Process) loadResult {
	t.Helper()
	if code := p.Wait(t, 5*time.Minute); code != 0 {
		t.Fatalf("dnsperf ended with exit code %d:\n%s", code, p.Stderr())
	}
	l := loadResult{rcodes: make(map[string]int)}
	for line := range strings.Lines(p.Output()) {
		// "> NOERROR load1.shipit.dev A 0.000123", or "> T load1.shipit.dev A"
		f := strings.Fields(line)
		switch {
		case len(f) < 4 || f[0] != ">":
		case f[1] == "T":
			l.lost++
		default:
			seconds, err := strconv.ParseFloat(f[4], 64)
			if err != nil {
				t.Fatalf("dnsperf wrote %q", line)
			}
			l.rcodes[f[1]]++
			l.took = append(l.took, time.Duration(seconds*float64(time.Second)))
		}
	}
	slices.Sort(l.took)
	if len(l.took) == 0 {
		t.Fatalf("dnsperf got no answer:\n%s", p.Output())
	}
	t.Logf("%v answered, %d lost, p50 %v, p90 %v, p99 %v, the last after %v", l.rcodes, l.lost,
		quantile(l.took, 0.5), quantile(l.took, 0.9), quantile(l.took, 0.99), l.took[len(l.took)-1])
	return l
}

// asked is how many questions there were.
func (l loadResult) asked() int { return len(l.took) + l.lost }

// failed is how many had no answer, or one that says so.
func (l loadResult) failed() int { return l.asked() - l.rcodes["NOERROR"] }

// later is how many were answered later than that, or not at all.
func (l loadResult) later(d time.Duration) int {
	n, _ := slices.BinarySearch(l.took, d)
	return l.asked() - n
}
