//go:build linux

package main

import (
	"context"
	"time"
)

// startUp measures how long a program takes until its first answer, and how much memory it has when nothing happens.
func startUp(ctx context.Context, b *bench, p peer) (sample, error) {
	srv, err := b.begin(ctx, p, b.cpus.server, setting{})
	if err != nil {
		return nil, err
	}
	defer srv.end()
	cpu, err := srv.cpuTime()
	if err != nil {
		return nil, err
	}
	const settle = time.Second
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	resident, err := srv.resident()
	if err != nil {
		return nil, err
	}
	return sample{firstAnswerMs: millis(srv.took), cpuAtStartMs: millis(cpu), idleMiB: mib(resident)}, nil
}
