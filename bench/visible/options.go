package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// peers are those that notyet may be compared with, in the order of the table.
const peers = "unbound,dnsmasq,coredns"

type options struct {
	peers []string // besides notyet
	json  bool
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("visible", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := flags.String("peers", peers, "forwarders to compare notyet with; what is not installed is left out")
	asJSON := flags.Bool("json", false, "print JSON instead of a table")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	chosen := list(*names)
	for _, name := range chosen {
		if !slices.Contains(list(peers), name) {
			return options{}, fmt.Errorf("-peers %q: there is no such peer; there are %s", name, peers)
		}
	}
	return options{peers: chosen, json: *asJSON}, nil
}

// list splits "a, b" into a and b; nothing for an empty string.
func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
