package main

import "time"

// percentile is the smallest of the latencies that at least this part of them does not exceed (the nearest rank);
// 0 when there are none. They have to be sorted.
func percentile(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(part * float64(len(sorted)))
	if float64(rank) < part*float64(len(sorted)) {
		rank++
	}
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func millis(d time.Duration) float64 { return micros(d) / 1000 }

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
