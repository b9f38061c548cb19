//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// fill is how much memory n answers take.
type fill struct {
	n     int
	limit time.Duration
}

// measure asks for n names and then, to see that they have been kept, for every hundredth of them again.
func (f fill) measure(ctx context.Context, b *bench, p peer) (sample, error) {
	srv, err := b.begin(ctx, p, b.cpus.server, setting{entries: f.n})
	if err != nil {
		return nil, err
	}
	defer srv.end()
	before, err := b.read(ctx, srv)
	if err != nil {
		return nil, err
	}
	l, err := b.warm(ctx, srv.addr, numbered("fill", zone, f.n, 1), perf{limit: f.limit})
	if err != nil {
		return nil, err
	}
	after, err := b.read(ctx, srv)
	if err != nil {
		return nil, err
	}
	want := expected{rcode: "NOERROR", misses: 1, names: f.n}
	if err := want.check(l, probes{}, after.asked-before.asked); err != nil {
		return nil, err
	}
	if err := f.kept(ctx, b, srv); err != nil {
		return nil, err
	}
	return sample{
		bytesPerEntry: float64(after.resident-before.resident) / float64(f.n),
		idleMiB:       mib(before.resident),
		residentMiB:   mib(after.resident),
	}, nil
}

func (f fill) kept(ctx context.Context, b *bench, srv *server) error {
	const step = 100
	before, err := b.authority.queries(ctx)
	if err != nil {
		return err
	}
	l, err := b.warm(ctx, srv.addr, numbered("fill", zone, f.n, step), perf{limit: f.limit})
	if err != nil {
		return err
	}
	after, err := b.authority.queries(ctx)
	if err != nil {
		return err
	}
	want := expected{rcode: "NOERROR", names: f.n / step}
	if err := want.check(l, probes{}, after-before); err != nil {
		return fmt.Errorf("asked again: %w", err)
	}
	return nil
}
