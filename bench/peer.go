//go:build linux

package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// peer is a program that is measured: notyet, a forwarder that it is compared with, or one that answers everything with
// the same record, which no forwarder can do for less.
type peer struct {
	name     string
	binary   string // its path, or its name on PATH
	needs    string // what has to be installed to build it; "": nothing
	version  string // the option that makes it print its version; "": none
	constant bool   // it answers a constant
	// config is the text of a configuration that does what setting says, in one thread; nil: it needs none.
	config func(setting) string
	args   func(s setting, file string) []string // to run in the foreground with that configuration
	// without says why a group of workloads is nothing for it.
	without map[string]string
}

// setting is what a program is to do. It keeps what it hears, validates nothing and writes nowhere but to dir.
type setting struct {
	at       netip.AddrPort // where it listens
	upstream netip.AddrPort // where it forwards everything
	dir      string
	entries  int  // answers that it has to have room for
	watch    bool // the zone is under a watch; notyet only
}

// room is the memory for the entries that no program needs more than, in bytes.
func (s setting) room() int64 {
	const perEntry = 1 << 10
	return max(64<<20, int64(s.entries)*perEntry)
}

// paths are the programs that are built for the run.
type paths struct{ notyet, constant, floor string }

// allPeers returns every program the bench knows; notyet comes first.
func allPeers(built paths) []peer {
	return append([]peer{
		{
			name: ours, binary: built.notyet,
			config: notyetConfig,
			args:   func(_ setting, file string) []string { return []string{"serve", "--config", file} },
		},
		{
			name: "floor", binary: built.floor, constant: true, needs: "gcc",
			args: func(s setting, _ string) []string { return []string{s.at.Addr().String(), fmt.Sprint(s.at.Port())} },
		},
		{
			name: "constant", binary: built.constant, constant: true, needs: "go",
			args: func(s setting, _ string) []string { return []string{s.at.String()} },
		},
	}, forwarders()...)
}

// peerNames are the names of all but notyet.
func peerNames() []string {
	var names []string
	for _, p := range allPeers(paths{})[1:] {
		names = append(names, p.name)
	}
	return names
}

// choosePeers returns notyet and those of names that are installed or can be built, and says on progress which are not.
func choosePeers(names []string, built paths, progress io.Writer) ([]peer, error) {
	all := allPeers(built)
	chosen := []peer{all[0]}
	for _, name := range names {
		i := slices.IndexFunc(all, func(p peer) bool { return p.name == name })
		if i < 1 {
			return nil, fmt.Errorf("-peers %q: there is no such peer: choose from %s", name, strings.Join(peerNames(), ", "))
		}
		needs := all[i].needs
		if needs == "" {
			needs = all[i].binary
		}
		if _, err := lookPath(needs); err != nil {
			fmt.Fprintf(progress, "%s is left out: %s is not installed\n", name, needs)
			continue
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func notyetConfig(s setting) string {
	watch := ""
	if s.watch {
		watch = fmt.Sprintf("watch:\n- {zone: %s, authorities: [%q], queries_per_second: 10000}\n", zone, s.upstream)
	}
	return fmt.Sprintf(`listen: [%q]
upstreams: [%q]
admin: ""
cache: {memory: %dMiB}
%s`, s.at, s.upstream, s.room()>>20, watch)
}
