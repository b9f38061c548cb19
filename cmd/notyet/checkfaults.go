package main

import (
	"errors"
	"log/slog"

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
func within(file *string, err error) error {
	if file == nil {
		return err
	}
	var all []error
	for _, fault := range config.Faults(err) {
		fault.File = *file
		all = append(all, fault)
	}
	return errors.Join(all...)
}

// faultList is what check --json prints of a configuration with faults.
type faultList struct {
	Faults []toldFault `json:"faults"`
}

// toldFault is one of them. What is not known is left out.
type toldFault struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Key     string `json:"key,omitempty"` // as in routes[1].zone
	Message string `json:"message"`       // which key and value, and what would do
}

// showFaults prints the faults as one document.
func showFaults(cmd *cobra.Command, err error) error {
	list := faultList{Faults: []toldFault{}}
	for _, fault := range config.Faults(err) {
		told := toldFault{File: fault.File, Line: fault.Line, Key: fault.Key}
		fault.File, fault.Line = "", 0
		told.Message = fault.Error()
		list.Faults = append(list.Faults, told)
	}
	if err := showJSON(cmd, list); err != nil {
		return err
	}
	return notSo{err}
}
