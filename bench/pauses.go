//go:build linux

package main

import (
	"context"
	"syscall"
)

// pauses measures what garbage collections do to clients: a million answers in the cache, 20,000 hits a second, first
// without and then with ten forced collections a second.
func pauses(ctx context.Context, b *bench, p peer) (sample, error) {
	t := hits(numbered("fill", zone, million, 1), million)
	t.rate = 20_000
	var err error
	if p.binary, err = buildCollecting(ctx, b.dir); err != nil {
		return nil, err
	}
	srv, err := b.begin(ctx, p, b.cpus.server, setting{entries: million})
	if err != nil {
		return nil, err
	}
	defer srv.end()
	if _, err := b.warm(ctx, srv.addr, t.warm, perf{limit: t.warmLimit}); err != nil {
		return nil, err
	}
	without, err := t.observe(ctx, b, srv)
	if err != nil {
		return nil, err
	}
	if err := syscall.Kill(srv.cmd.Process.Pid, syscall.SIGUSR2); err != nil {
		return nil, err
	}
	with, err := t.observe(ctx, b, srv)
	if err != nil {
		return nil, err
	}
	return sample{
		p999Micros:   without[p999Micros],
		p999GCMicros: with[p999Micros],
		gcRatio:      with[p999Micros] / without[p999Micros],
		residentMiB:  with[residentMiB],
	}, nil
}
