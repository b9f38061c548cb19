package main

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"notyet/config"
)

// usable reports what else serve would refuse a configuration for, one line each: the files that it names, as they are now, and
// who is to know the addresses of its upstreams.
func usable(c config.Config) error {
	_, roots := readRoots(c.TLSCA)
	var token error
	if c.Admin != "" {
		_, token = readToken(c.AdminTokenFile, slog.New(slog.DiscardHandler))
	}
	return errors.Join(roots, c.CheckNames(c.ResolvConf), token)
}

// within says of each fault which file it is in; nil: in none.
func within(file *string, faults error) error {
	if file == nil || faults == nil {
		return faults
	}
	var all []error
	for line := range strings.SplitSeq(faults.Error(), "\n") {
		all = append(all, fmt.Errorf("%s: %s", *file, line))
	}
	return errors.Join(all...)
}

// faultList is what check --json prints of a configuration with faults.
type faultList struct {
	Faults []toldFault `json:"faults"`
}

// toldFault is one of them, in parts. What is not known is left out.
type toldFault struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Key     string `json:"key,omitempty"` // as in routes[1].zone
	Message string `json:"message"`       // which key and value, and what would do
}

// The parts of a fault's line, behind the file's name.
var (
	faultLine = regexp.MustCompile(`^line (\d+): `)
	faultKey  = regexp.MustCompile(`^([^\s":]+)(?:: | ")`)
)

// showFaults prints the faults, a line each, as one document.
func showFaults(cmd *cobra.Command, file *string, faults error) error {
	list := faultList{Faults: []toldFault{}}
	for line := range strings.SplitSeq(faults.Error(), "\n") {
		list.Faults = append(list.Faults, told(file, line))
	}
	if err := showJSON(cmd, list); err != nil {
		return err
	}
	return notSo{faults}
}

// told takes a fault's line apart.
func told(file *string, line string) (f toldFault) {
	if file != nil {
		if rest, found := strings.CutPrefix(line, *file+": "); found {
			f.File, line = *file, rest
		}
	}
	if m := faultLine.FindStringSubmatch(line); m != nil {
		f.Line, _ = strconv.Atoi(m[1]) // digits
		line = line[len(m[0]):]
	}
	if m := faultKey.FindStringSubmatch(line); m != nil {
		f.Key = m[1]
	}
	f.Message = line
	return f
}
