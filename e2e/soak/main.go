//go:build linux

// Soak holds notyet under a mixed load for a while, checks every answer, and fails when memory or
// goroutines grow. It starts what it needs by itself and sends to loopback only:
//
//	go run ./e2e/soak -duration 10m -qps 20000
package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"notyet/e2e/testbed"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run returns 0 when notyet stood the test, 1 when it did not, 2 for wrong usage.
func run(args []string) int {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	duration := flags.Duration("duration", 10*time.Minute, "how long the load lasts")
	qps := flags.Int("qps", 20_000, "queries a second")
	memory := flags.String("cache-memory", "16MiB", "notyet's cache.memory; small, so that it is full early on")
	binary := flags.String("binary", "", "the notyet to test; empty: it is built")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *qps < 1 || *duration < time.Second {
		fmt.Fprintln(os.Stderr, "soak: -qps must be at least 1 and -duration at least 1s")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	var servers testbed.Program
	defer servers.Close()
	if *binary == "" {
		*binary = testbed.Build(&servers, false)
	}
	nsd := testbed.StartNSD(&servers, zone())
	notyet := testbed.StartNotyet(&servers, testbed.NotyetConfig{
		Binary:    *binary,
		Upstreams: []netip.AddrPort{nsd.Addr},
		Extra:     "cache: {memory: " + *memory + "}",
	})

	l := newLoad(&servers, notyet.Addr)
	w := watch{notyet: notyet, load: l, owner: &servers}
	loadCtx, end := context.WithTimeout(ctx, *duration)
	defer end()
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(loadCtx, *qps)
	}()
	w.run(loadCtx, *duration)
	end() // also when notyet has ended by itself
	<-done
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "soak: interrupted")
		return 1
	}
	faults := w.verdict()
	if servers.Close(); servers.Failed() {
		faults = append(faults, "the servers did not end well")
	}
	for _, f := range faults {
		fmt.Println("FAULT:", f)
	}
	if len(faults) > 0 {
		return 1
	}
	fmt.Println("PASS")
	return 0
}
