//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

type options struct {
	peers     []string // besides notyet
	workloads []string // groups of them
	rounds    int
	length    time.Duration // of a load without an end
	names     int           // different names in hit and what is like it
	json      string        // a file to write; "": none
	against   string        // a file to compare with; "": none
	gate      bool          // hit has to stay within limits
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	usual := slices.DeleteFunc(groupNames(), func(name string) bool { return name == quick })
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	peers := flags.String("peers", strings.Join(peerNames(), ","), "`programs` to compare notyet with; what is not installed is left out")
	workloads := flags.String("workloads", strings.Join(usual, ","), "what to ask and measure, a `list`; there is "+quick+" too")
	rounds := flags.Int("rounds", 3, "how often everything is measured; the tables show medians")
	seconds := flags.Int("seconds", 5, "length of one load that has no end")
	names := flags.Int("names", 10_000, "different names in hit")
	json := flags.String("json", "", "`file` to write every figure to")
	against := flags.String("against", "", "`file` that -json wrote, to compare ratios with")
	gate := flags.Bool("gate", false, "measure hit beside floor, unbound and dnsdist alone, and fail when it takes too much CPU")
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
	opts := options{
		peers:     list(*peers),
		workloads: list(*workloads),
		rounds:    *rounds,
		length:    time.Duration(*seconds) * time.Second,
		names:     *names,
		json:      *json,
		against:   *against,
		gate:      *gate,
	}
	if opts.gate {
		opts.peers, opts.workloads = gatePeers(), []string{"hit"}
	}
	return opts, nil
}

// list splits "a, b" into a and b; nothing for an empty string.
func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
