//go:build linux

// Outage measures what clients of notyet notice when one of its two upstreams is killed or stopped. README.md in the folder
// above says how.
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
	"time"

	"notyet/e2e/testbed"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 a measurement could not be made or the goal was missed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "outage:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, opts, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "outage:", err)
		return 1
	}
	return 0
}

// measure starts the servers, measures and prints what came out. Nothing that it started is left when it returns.
func measure(ctx context.Context, opts options, stdout, stderr io.Writer) error {
	var servers testbed.Program
	defer servers.Close()
	fmt.Fprintln(stderr, "building notyet")
	binary := testbed.Build(&servers, false)
	r := report{qps: opts.qps, length: opts.length}
	for i := range opts.rounds {
		for _, f := range faults {
			fmt.Fprintf(stderr, "round %d of %d: one of two upstreams is %s\n", i+1, opts.rounds, f.name)
			s, err := round(ctx, &servers, binary, f, opts)
			if err != nil {
				return err
			}
			r.add(f.name, s)
		}
	}
	if servers.Close(); servers.Failed() {
		return errors.New("the servers did not end well")
	}
	return r.write(stdout)
}

type options struct {
	rounds, qps int
	length      time.Duration // of what is measured with both alive, and with one
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("outage", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 3, "how often everything is measured; the table shows medians")
	seconds := flags.Int("seconds", 5, "how long it is measured with both upstreams, and then with one")
	qps := flags.Int("qps", 1000, "questions a second, all of which miss the cache")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	switch {
	case flags.NArg() > 0:
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *rounds < 1 || *rounds > 100:
		return options{}, fmt.Errorf("-rounds %d: 1 to 100", *rounds)
	case *seconds < 2 || *seconds > 600:
		return options{}, fmt.Errorf("-seconds %d: 2 to 600", *seconds)
	case *qps < 10 || *qps > 10_000:
		return options{}, fmt.Errorf("-qps %d: 10 to 10000", *qps)
	}
	return options{rounds: *rounds, qps: *qps, length: time.Duration(*seconds) * time.Second}, nil
}
