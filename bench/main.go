//go:build linux

// Bench measures what one answered query costs notyet and other DNS forwarders,
// side by side in one run on one machine. README.md beside it says how and why.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
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
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = compare(ctx, opts, stdout, stderr)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: interrupted")
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

type options struct {
	peers     []string // besides notyet
	workloads []string
	rounds    int
	length    time.Duration // of one measurement at full rate
	names     int           // different names in the hit workload
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	peers := flags.String("peers", "unbound,dnsdist", "forwarders to compare notyet with; what is not installed is left out")
	workloads := flags.String("workloads", "hit,miss", "what to ask: hit, miss")
	rounds := flags.Int("rounds", 3, "how often everything is measured; the table shows medians")
	seconds := flags.Int("seconds", 5, "length of one measurement of hits")
	names := flags.Int("names", 10_000, "different names in the hit workload")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	switch {
	case flags.NArg() > 0:
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *rounds < 1 || *rounds > 100:
		return options{}, fmt.Errorf("-rounds %d: 1 to 100", *rounds)
	case *seconds < 1 || *seconds > 600:
		return options{}, fmt.Errorf("-seconds %d: 1 to 600", *seconds)
	case *names < 1 || *names > missNames:
		return options{}, fmt.Errorf("-names %d: 1 to %d", *names, missNames)
	}
	return options{
		peers:     list(*peers),
		workloads: list(*workloads),
		rounds:    *rounds,
		length:    time.Duration(*seconds) * time.Second,
		names:     *names,
	}, nil
}

// list splits "a, b" into a and b; nothing for an empty string.
func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// compare builds notyet, starts the authority, measures and prints the table.
func compare(ctx context.Context, opts options, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "notyet-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	serverCPU, loadCPU, err := twoCPUs()
	if err != nil {
		return err
	}
	workloads, err := chooseWorkloads(opts.workloads, dir, opts.names)
	if err != nil {
		return err
	}
	binary := filepath.Join(dir, "notyet")
	peers, err := choosePeers(opts.peers, binary, stderr)
	if err != nil {
		return err
	}
	for _, tool := range []string{"taskset", "dnsperf", "nsd", "nsd-control"} {
		if _, err := lookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed; bench/README.md lists the packages", tool)
		}
	}
	fmt.Fprintln(stderr, "building notyet")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "notyet/cmd/notyet").CombinedOutput(); err != nil {
		return fmt.Errorf("go build notyet/cmd/notyet: %w\n%s", err, out)
	}
	nsd, err := startAuthority(ctx, filepath.Join(dir, "nsd"), loadCPU)
	if err != nil {
		return err
	}
	defer nsd.stop()

	b := &bench{dir: dir, serverCPU: serverCPU, loadCPU: loadCPU, length: opts.length, authority: nsd, progress: stderr}
	results, err := b.rounds(ctx, opts.rounds, peers, workloads)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s; %d × %v, medians; %s.\n\n", machine(), opts.rounds, opts.length, versions(ctx, peers))
	return writeTable(stdout, results)
}
