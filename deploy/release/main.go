// Command release makes what is published: archives for every platform, Debian packages, a bill of materials for each program,
// and the checksums of all that. The same source and Go make the same bytes, wherever and whenever.
//
//	go run ./deploy/release -version v1.2.3 -out dist
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
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is one that is being made, from the source in the working directory.
type release struct {
	version string    // v1.2.3, or what git describe says
	date    time.Time // of all that is in it
	out     string    // the directory that it goes to
	work    string    // one for what is only on the way
	debs    bool
	stdout  io.Writer
}

// A target is a platform to build for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

var targets = []target{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "version, as in v1.2.3; empty: as git describe says")
	out := flags.String("out", "dist", "directory to write to; an earlier release in it goes away")
	only := flags.String("targets", "", "platforms, as in linux/amd64,windows/arm64; empty: all")
	debs := flags.Bool("debs", true, "make Debian packages of the programs for Linux")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	r := &release{out: *out, debs: *debs, stdout: stdout}
	if r.version, err = chooseVersion(ctx, *version); err != nil {
		return err
	}
	if r.date, err = sourceDate(ctx); err != nil {
		return err
	}
	return r.make(ctx, chosen)
}

// choose finds the targets of a list; all when it is empty.
func choose(list string) ([]target, error) {
	if list == "" {
		return targets, nil
	}
	var chosen []target
next:
	for name := range strings.SplitSeq(list, ",") {
		for _, t := range targets {
			if t.String() == name {
				chosen = append(chosen, t)
				continue next
			}
		}
		return nil, fmt.Errorf("target %q: choose from %v", name, targets)
	}
	return chosen, nil
}

// make makes the release, in an empty directory.
func (r *release) make(ctx context.Context, chosen []target) (err error) {
	if r.work, err = os.MkdirTemp("", "notyet-release-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.work)) }()
	if err := r.clear(); err != nil {
		return err
	}
	fmt.Fprintf(r.stdout, "notyet %s, of %s\n", r.version, r.date.Format(time.RFC3339))
	if err := r.document(ctx); err != nil {
		return err
	}
	for _, t := range chosen {
		if err := r.publish(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return r.sum()
}

// clear has an empty directory to write to. One with anything but an earlier release in it is left alone.
func (r *release) clear() error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, "notyet") && name != sums {
			return fmt.Errorf("out %q: name a directory that is empty or has an earlier release: this one has %s", r.out, name)
		}
	}
	for _, entry := range entries {
		if err := os.Remove(filepath.Join(r.out, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// publish makes all that there is for one platform.
func (r *release) publish(ctx context.Context, t target) error {
	program, err := r.build(ctx, t)
	if err != nil {
		return err
	}
	if err := r.bill(program, t); err != nil {
		return err
	}
	if err := r.archive(program, t); err != nil {
		return err
	}
	if r.debs && t.os == "linux" {
		return r.pack(ctx, program, t)
	}
	return nil
}

// path is where a file of the release goes, which is told.
func (r *release) path(name string) string {
	fmt.Fprintln(r.stdout, " ", name)
	return filepath.Join(r.out, name)
}

// name is what files for a platform begin with.
func (r *release) name(t target) string {
	return "notyet-" + strings.TrimPrefix(r.version, "v") + "-" + t.os + "-" + t.arch
}
