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
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 a measurement could not be made or a limit was not kept, 2 wrong usage.
// Only the prober, which is the same program, reads stdin.
func run(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "probe" {
		if err := probe(args[1:], stdin, stdout); err != nil {
			fmt.Fprintln(stderr, "bench probe:", err)
			return 1
		}
		return 0
	}
	setup, err := prepare(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = setup.compare(ctx, stdout, stderr)
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

// setup is what the flags ask for.
type setup struct {
	options
	workloads []workload
	before    report // to compare with; without results when there is nothing to
}

func prepare(args []string, stderr io.Writer) (setup, error) {
	opts, err := parseOptions(args, stderr)
	if err != nil {
		return setup{}, err
	}
	s := setup{options: opts}
	if s.workloads, err = chooseWorkloads(opts.workloads, opts.names); err != nil {
		return setup{}, err
	}
	if _, err := choosePeers(opts.peers, paths{}, io.Discard); err != nil {
		return setup{}, err
	}
	if opts.against != "" {
		if s.before, err = loadReport(opts.against); err != nil {
			return setup{}, fmt.Errorf("-against: %w", err)
		}
	}
	return s, nil
}

// compare builds the programs, starts the authority, measures and prints what it found.
func (s setup) compare(ctx context.Context, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "notyet-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cpus, err := place()
	if err != nil {
		return err
	}
	peers, err := choosePeers(s.peers, builtIn(dir), stderr)
	if err != nil {
		return err
	}
	for _, tool := range []string{"taskset", "dnsperf", "nsd", "nsd-control"} {
		if _, err := lookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed; bench/README.md lists the packages", tool)
		}
	}
	if err := build(ctx, dir, peers); err != nil {
		return err
	}
	nsd, err := startAuthority(ctx, filepath.Join(dir, "nsd"), cpus.load)
	if err != nil {
		return err
	}
	defer nsd.stop()
	b := &bench{dir: dir, cpus: cpus, length: s.length, authority: nsd, progress: stderr, realtime: mayGoFirst()}
	if !b.realtime {
		fmt.Fprintln(stderr, "paced loads share their CPU with what else runs here: run as root, or with ulimit -r 1, to have them go first")
	}
	measure := func(ctx context.Context) ([]result, error) { return b.rounds(ctx, s.rounds, peers, s.workloads) }
	if s.gate {
		if err := absentPeer(peers); err != nil {
			return err
		}
		return pass(ctx, measure, stdout)
	}
	results, err := measure(ctx)
	if err != nil {
		return err
	}
	return s.tell(stdout, report{
		Machine: machine(), Versions: versions(ctx, peers), Rounds: s.rounds, Length: s.length.String(), Shared: cpus.shared, Results: results,
	})
}

// tell prints a report, and keeps and compares it as the flags say.
func (s setup) tell(stdout io.Writer, r report) error {
	fmt.Fprintf(stdout, "%s; %d × %s, medians", r.Machine, r.Rounds, r.Length)
	if r.Versions != "" {
		fmt.Fprintf(stdout, "; %s", r.Versions)
	}
	fmt.Fprint(stdout, ".\n\n")
	if err := writeTables(stdout, r.Results, columnsOf); err != nil {
		return err
	}
	wanted := goals(forwarderNames())
	if rows := goalRows(wanted, r.Results); rows != nil {
		fmt.Fprint(stdout, "\n", markdown(rows, 2))
	}
	if len(s.before.Results) > 0 {
		tellAgainst(stdout, s.against, against(s.before.Results, r.Results, wanted))
	}
	if s.json != "" {
		if err := r.save(s.json); err != nil {
			return err
		}
	}
	if without := unmeasured(r.Results); len(without) > 0 {
		return fmt.Errorf("%s could not be measured under %s", ours, strings.Join(without, ", "))
	}
	return nil
}

func tellAgainst(stdout io.Writer, path string, lines []string) {
	if len(lines) == 0 {
		fmt.Fprintf(stdout, "\nNothing is worse than in %s by more than 5 %%.\n", path)
		return
	}
	fmt.Fprintf(stdout, "\nWorse than in %s by more than 5 %%:\n\n", path)
	for _, line := range lines {
		fmt.Fprintln(stdout, "-", line)
	}
}
