package main

import (
	"errors"
	"slices"
	"strings"

	"notyet/config"
)

// resolvConf is where the system keeps its name servers.
const resolvConf = "/etc/resolv.conf"

// systemServers reads what the upstream system stands for, if the configuration has it. As long as resolv.conf is of no
// use, that is what it was.
func (d *daemon) systemServers(cfg config.Config) (config.Resolv, error) {
	if !usesSystem(cfg) {
		d.lost = ""
		return config.Resolv{}, nil
	}
	system, err := config.System(d.from.resolvConf, cfg.Listen)
	if len(d.system.Servers) == 0 {
		return system, err
	}
	switch {
	case err != nil:
		if text := err.Error(); text != d.lost {
			d.lost = text
			d.log.Warn("name servers of the system are not to be had: those from before stay", "err", err)
		}
		return d.system, nil
	case d.lost != "" || !system.Equal(d.system):
		d.lost = ""
		d.log.Info("name servers of the system", "file", d.from.resolvConf, "upstreams", spelled(system.Upstreams()))
	}
	return system, nil
}

// fileless is what is wrong with the name servers of the system, for a command that reads no configuration: it has a flag alone.
func fileless(err error) error {
	var none config.NoServersError
	if !errors.As(err, &none) {
		return err
	}
	return errors.New(string(none) + ": name one with --upstream 192.0.2.1")
}

func usesSystem(cfg config.Config) bool {
	isSystem := func(u config.Upstream) bool { return u.System }
	return slices.ContainsFunc(cfg.Upstreams, isSystem) ||
		slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return slices.ContainsFunc(r.Upstreams, isSystem) })
}

func spelled(upstreams []config.Upstream) string {
	words := make([]string, len(upstreams))
	for i, u := range upstreams {
		words[i] = u.String()
	}
	return strings.Join(words, ", ")
}
