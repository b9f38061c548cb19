package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"

	"github.com/spf13/pflag"

	"notyet/config"
)

// settings are what the flags of serve say. A nil one leaves the value of the file, or else the default.
type settings struct {
	file      *string
	listen    []netip.AddrPort
	upstreams []config.Upstream
	watch     []config.Watch // added to those of the file; in place of the one for the same zone
	admin     *string
	log       *slog.Level
	logFormat *config.LogFormat
	queryLog  *config.QueryLog
	reusePort *bool
}

func (s *settings) register(flags *pflag.FlagSet) {
	fileFlag(flags, &s.file)
	each(flags, &s.listen, config.ParseListen, "listen", "`address` to listen on, UDP and TCP (repeatable)")
	each(flags, &s.upstreams, config.ParseUpstream, "upstream", "`server` to forward to, or system for those of resolv.conf (repeatable)")
	each(flags, &s.watch, s.parseWatch, "watch", "`zone[,key=value]...` to watch, with the keys of the file; authorities=A once for each address (repeatable)")
	last(flags, &s.admin, config.ParseAdmin, "admin", "`address` of the admin API; \"\" is off")
	last(flags, &s.log, config.ParseLevel, "log", "least `level` to log: debug, info, warn or error")
	last(flags, &s.logFormat, config.ParseLogFormat, "log-format", "`format` of the log: auto, text or json")
	last(flags, &s.queryLog, config.ParseQueryLog, "query-log", "`queries` to log: off, denial or all")
	flags.BoolFunc("reuse-port", "share the addresses with another notyet", func(text string) error {
		on, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("write true or false")
		}
		s.reusePort = &on
		return nil
	})
}

// parseWatch takes a zone once, as of two that differ only one could be meant.
func (s *settings) parseWatch(text string) (config.Watch, error) {
	w, err := config.ParseWatch(text)
	if err == nil && place(s.watch, w.Zone) >= 0 {
		err = fmt.Errorf("zone %q: write all its keys into one flag: it is there twice", w.Zone)
	}
	return w, err
}

// config is the effective configuration.
func (s *settings) config() (config.Config, error) {
	c, err := load(s.file)
	if err != nil {
		return config.Config{}, err
	}
	if s.listen != nil {
		c.Listen = s.listen
	}
	if s.upstreams != nil {
		c.Upstreams = s.upstreams
	}
	for _, w := range s.watch {
		if i := place(c.Watch, w.Zone); i >= 0 {
			c.Watch[i] = w
		} else {
			c.Watch = append(c.Watch, w)
		}
	}
	override(&c.Admin, s.admin)
	override(&c.Log, s.log)
	override(&c.LogFormat, s.logFormat)
	override(&c.QueryLog, s.queryLog)
	override(&c.ReusePort, s.reusePort)
	return c, config.ByFlags(c.Check(), s.given(c))
}

// given are the keys of c that have their values from flags, with those.
func (s *settings) given(c config.Config) map[string]string {
	flags := make(map[string]string)
	if s.listen != nil {
		flags["listen"] = "--listen"
	}
	if s.upstreams != nil {
		flags["upstreams"] = "--upstream"
	}
	if s.admin != nil {
		flags["admin"] = "--admin"
	}
	for _, w := range s.watch {
		flags[fmt.Sprintf("watch[%d]", place(c.Watch, w.Zone))] = "--watch " + strconv.Quote(w.Zone)
	}
	return flags
}

// place is the index of the watch for a zone, or -1.
func place(watches []config.Watch, zone string) int {
	return slices.IndexFunc(watches, func(w config.Watch) bool { return w.Zone == zone })
}

func override[T any](to, with *T) {
	if with != nil {
		*to = *with
	}
}

// load reads a file, or takes the defaults when there is none.
func load(file *string) (config.Config, error) {
	if file == nil {
		return config.Default(), nil
	}
	return config.Load(*file)
}

func fileFlag(flags *pflag.FlagSet, to **string) {
	last(flags, to, parsePath, "config", "`file` to read; without one, everything has its default")
}

func parsePath(path string) (string, error) {
	if path == "" {
		return "", errors.New("name a file, or leave the flag out")
	}
	return path, nil
}

// last is a flag of which the last one counts.
func last[T any](flags *pflag.FlagSet, to **T, parse func(string) (T, error), name, usage string) {
	flags.Func(name, usage, func(text string) error {
		value, err := parse(text)
		if err == nil {
			*to = &value
		}
		return err
	})
}

// each is a flag of which all count, in their order.
func each[T any](flags *pflag.FlagSet, to *[]T, parse func(string) (T, error), name, usage string) {
	flags.Func(name, usage, func(text string) error {
		value, err := parse(text)
		if err == nil {
			*to = append(*to, value)
		}
		return err
	})
}
