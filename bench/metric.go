package main

// metric is the name of something that is measured, as it stands in the JSON.
type metric string

const (
	cpuMicros     metric = "cpu_us"          // CPU time that the program used per answered query
	queriesPerSec metric = "qps"             // answered
	latencyMicros metric = "latency_us"      // average, as dnsperf saw it
	p50Micros     metric = "p50_us"          // of the prober's queries, as the next ones
	p99Micros     metric = "p99_us"          //
	p999Micros    metric = "p999_us"         //
	residentMiB   metric = "resident_mib"    // at the end
	idleMiB       metric = "idle_mib"        // resident before anything but one query was asked
	bytesPerEntry metric = "bytes_per_entry" // resident beyond idle, per answer in the cache
	p999GCMicros  metric = "p999_gc_us"      // p99.9 while garbage collections are forced
	gcRatio       metric = "gc_ratio"        // that, as a multiple of p99.9 without
	firstAnswerMs metric = "first_answer_ms" // from the start of the process
	cpuAtStartMs  metric = "cpu_at_start_ms" // that the program used until then
)

// heading is how a metric stands in a table.
type heading struct {
	text     string
	decimals int
	upward   bool // more is better
	plain    bool // without a ratio to notyet
}

func (m metric) heading() heading {
	switch m {
	case cpuMicros:
		return heading{text: "CPU µs/query", decimals: 2}
	case queriesPerSec:
		return heading{text: "queries/s", upward: true}
	case latencyMicros:
		return heading{text: "latency µs"}
	case p50Micros:
		return heading{text: "p50 µs"}
	case p99Micros:
		return heading{text: "p99 µs"}
	case p999Micros:
		return heading{text: "p99.9 µs"}
	case residentMiB:
		return heading{text: "resident MiB"}
	case idleMiB:
		return heading{text: "idle MiB", decimals: 1}
	case bytesPerEntry:
		return heading{text: "bytes/entry"}
	case p999GCMicros:
		return heading{text: "p99.9 µs in GCs"}
	case gcRatio:
		return heading{text: "of without", decimals: 2, plain: true}
	case firstAnswerMs:
		return heading{text: "first answer ms", decimals: 1}
	case cpuAtStartMs:
		return heading{text: "CPU ms until then", decimals: 1}
	}
	return heading{text: string(m)}
}
