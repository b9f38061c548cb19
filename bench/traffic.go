//go:build linux

package main

import (
	"context"
	"net/netip"
	"time"
)

// traffic is a workload of dnsperf's load with the prober beside it.
type traffic struct {
	warm      questions // asked once before the clock starts
	warmLimit time.Duration
	settle    time.Duration // for how long the load goes on unmeasured first; whole seconds
	load      questions
	probe     questions
	once      bool          // each question of the load once; else over and over until the time is up
	length    time.Duration // of a load over and over, whole seconds; 0: what the run has for all
	rate      int           // queries a second, the prober's included; 0: as many as are answered
	entries   int           // answers that are in the cache at the end
	want      expected
	tcp       bool // without a prober, which speaks UDP
	watch     bool // notyet watches the zone
	twoCPUs   bool // the program may use two CPUs
}

const onceLimit = time.Minute // for a load that asks every name once

// watchedRate is how fast names under watch are asked first: notyet spares their authorities.
const watchedRate = 5000 // queries a second

// probeRate is how many queries the prober asks in a second: of a paced load half, up to what leaves dnsperf time on their CPU.
func (t traffic) probeRate() int {
	const beside, most = 1000, 5000
	if t.rate == 0 {
		return beside
	}
	return min(most, t.rate/2)
}

// measure starts p with nothing in its cache, warms it and measures once.
func (t traffic) measure(ctx context.Context, b *bench, p peer) (sample, error) {
	cpus := b.cpus.server
	if t.twoCPUs {
		cpus = b.cpus.twoServers
	}
	srv, err := b.begin(ctx, p, cpus, setting{entries: t.entries, watch: t.watch})
	if err != nil {
		return nil, err
	}
	defer srv.end()
	warm := perf{limit: t.warmLimit, tcp: t.tcp} // dnsdist has caches of their own for UDP and TCP
	if t.watch {
		warm.rate = watchedRate
	}
	if _, err := b.warm(ctx, srv.addr, t.warm, warm); err != nil {
		return nil, err
	}
	if err := t.letSettle(ctx, b, srv); err != nil {
		return nil, err
	}
	return t.observe(ctx, b, srv)
}

func (t traffic) letSettle(ctx context.Context, b *bench, srv *server) error {
	if t.settle == 0 {
		return nil
	}
	file, err := t.load.write(b.dir)
	if err != nil {
		return err
	}
	_, err = b.perf(ctx, srv.addr, perf{file: file, limit: t.settle})
	return err
}

// observe puts the load on srv and looks at what it costs.
func (t traffic) observe(ctx context.Context, b *bench, srv *server) (sample, error) {
	file, err := t.load.write(b.dir)
	if err != nil {
		return nil, err
	}
	p := perf{file: file, once: t.once, limit: b.length, rate: t.rate, tcp: t.tcp}
	switch {
	case t.once:
		p.limit = onceLimit
	case t.length > 0:
		p.limit = t.length
	}
	if t.rate > 0 {
		p.rate -= t.probeRate()
	}
	prober, err := t.prober(ctx, b, srv.addr)
	if err != nil {
		return nil, err
	}
	defer prober.abandon()
	if t.rate > 0 && b.realtime {
		if err := srv.goFirst(); err != nil {
			return nil, err
		}
	}

	before, err := b.read(ctx, srv)
	if err != nil {
		return nil, err
	}
	if err := prober.begin(); err != nil {
		return nil, err
	}
	l, err := b.perf(ctx, srv.addr, p)
	if err != nil {
		return nil, err
	}
	found, err := prober.end()
	if err != nil {
		return nil, err
	}
	after, err := b.read(ctx, srv)
	if err != nil {
		return nil, err
	}
	if err := t.want.check(l, found, after.asked-before.asked); err != nil {
		return nil, err
	}
	return summary(l, found, after.cpu-before.cpu, after.resident), nil
}

// prober starts the one beside the load; nil when there is none.
func (t traffic) prober(ctx context.Context, b *bench, addr netip.AddrPort) (*beside, error) {
	if t.tcp {
		return nil, nil
	}
	file, err := t.probe.write(b.dir)
	if err != nil {
		return nil, err
	}
	return startProber(ctx, b.cpus.load, addr, file, t.probeRate(), t.want.rcode)
}

// summary is what a load and the probes beside it say about a program that used cpu meanwhile.
func summary(l load, p probes, cpu time.Duration, resident int64) sample {
	answered := float64(l.completed + p.Answered)
	s := sample{
		cpuMicros:     micros(cpu) / answered,
		queriesPerSec: l.qps * answered / float64(l.completed),
		latencyMicros: micros(l.latency),
		residentMiB:   mib(resident),
	}
	if p.Sent > 0 {
		s[p50Micros], s[p99Micros], s[p999Micros] = micros(p.P50), micros(p.P99), micros(p.P999)
	}
	return s
}

// reading is what the counters say at one moment.
type reading struct {
	cpu      time.Duration // used by the program that is measured
	resident int64         // bytes of it in RAM
	asked    int           // queries that have reached the authority
}

func (b *bench) read(ctx context.Context, srv *server) (r reading, err error) {
	if r.cpu, err = srv.cpuTime(); err != nil {
		return reading{}, err
	}
	if r.resident, err = srv.resident(); err != nil {
		return reading{}, err
	}
	r.asked, err = b.authority.queries(ctx)
	return r, err
}
