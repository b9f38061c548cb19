//go:build linux

package main

import (
	"context"
	"net/netip"
	"syscall"
	"time"

	"notyet/e2e/testbed"
)

const zone = "shipit.dev" // .test and the like are answered by Unbound itself

// fault is what happens to the first upstream.
type fault struct {
	name       string
	begin, end syscall.Signal
}

var faults = []fault{
	{"killed", syscall.SIGKILL, 0},
	{"stopped", syscall.SIGSTOP, syscall.SIGCONT},
}

// round measures a notyet of its own before two Unbounds of its own, of which the first, the one that is asked, fails after
// a while.
func round(ctx context.Context, o testbed.Owner, binary string, f fault, opts options) (sample, error) {
	first, second := startUnbound(o), startUnbound(o)
	n := testbed.StartNotyet(o, testbed.NotyetConfig{Binary: binary, Upstreams: []netip.AddrPort{first.Addr, second.Addr}})
	defer first.Signal(syscall.SIGKILL)
	defer second.Signal(syscall.SIGTERM)
	defer n.Signal(syscall.SIGTERM)

	c, err := newClient(n.Addr)
	if err != nil {
		return sample{}, err
	}
	const warm = time.Second
	failsAt := warm + opts.length
	failing := time.AfterFunc(failsAt, func() { first.Signal(f.begin) })
	defer failing.Stop()
	answers, err := c.run(ctx, opts.qps, failsAt+time.Second+opts.length)
	if err != nil {
		return sample{}, err
	}
	if f.end != 0 {
		first.Signal(f.end)
	}
	return sample{
		both:   between(answers, warm, failsAt),
		second: between(answers, failsAt, failsAt+time.Second),
		one:    between(answers, failsAt+time.Second, failsAt+time.Second+opts.length),
	}, nil
}

// startUnbound starts one that has an address for every name below the zone, and asks nobody.
func startUnbound(o testbed.Owner) *testbed.Unbound {
	return testbed.StartUnbound(o, testbed.UnboundConfig{Options: []string{
		`local-zone: "` + zone + `." redirect`, `local-data: "` + zone + `. 60 A 192.0.2.1"`, "log-queries: no",
	}})
}
