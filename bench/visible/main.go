//go:build linux

// Visible measures how long a record that was asked for too early stays invisible behind notyet and behind other
// forwarders, side by side in one run. README.md in the folder above says how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"notyet/e2e/testbed"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 a measurement could not be made, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "visible:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = compare(ctx, opts, stdout, stderr)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "visible: interrupted")
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "visible:", err)
		return 1
	}
	return 0
}

// compare starts every server, measures and prints what came out. Nothing that it started is left when it returns.
func compare(ctx context.Context, opts options, stdout, stderr io.Writer) error {
	var servers testbed.Program
	defer servers.Close()
	programs := installed(opts.peers, stderr)
	fmt.Fprintln(stderr, "building notyet and starting the servers")
	binary := testbed.Build(&servers, false)
	b := startBed(&servers)
	var at []forwarder
	for _, p := range programs {
		at = append(at, forwarder{title: p.title, addr: p.start(&servers, binary, b.upstream.Addr)})
	}
	fmt.Fprintf(stderr, "asking for %.0f s or a little longer, %.0f s at most\n", negativeTTL.Seconds(), limit.Seconds())
	results, err := b.measure(ctx, &servers, at)
	if err != nil {
		return err
	}
	if servers.Close(); servers.Failed() {
		return errors.New("the servers did not end well")
	}
	r := report{Versions: versions(ctx, programs), Programs: results}
	if opts.json {
		return r.writeJSON(stdout)
	}
	return r.writeTable(stdout)
}
