//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// gatePeers are those that the gate compares hit with; all of them have to be there.
func gatePeers() []string { return []string{"floor", "unbound", "dnsdist"} }

// gateGoals leave room for a machine that is busy with other things.
func gateGoals() []goal {
	hit := figure{"hit", ours, cpuMicros}
	return []goal{
		{"hit to floor", hit, figures("hit", cpuMicros, []string{"floor"}), 1.4},
		{"hit to the better of unbound and dnsdist", hit, figures("hit", cpuMicros, []string{"unbound", "dnsdist"}), 1},
	}
}

// pass measures with measure until the limits are kept, but no more than twice.
func pass(ctx context.Context, measure func(context.Context) ([]result, error), stdout io.Writer) error {
	const tries = 2
	for try := range tries {
		results, err := measure(ctx)
		if err != nil {
			return err
		}
		if rows := goalRows(gateGoals(), results); rows != nil {
			io.WriteString(stdout, markdown(rows, 2))
		}
		var faults []error
		for _, g := range gateGoals() {
			if fault := g.fault(results); fault != "" {
				faults = append(faults, errors.New(fault))
			}
		}
		if len(faults) == 0 {
			return nil
		}
		if try == tries-1 {
			return errors.Join(faults...)
		}
		fmt.Fprintln(stdout, "\nonce more")
	}
	return nil
}

// absentPeer returns an error that names one of the gate's programs which is not among peers.
func absentPeer(peers []peer) error {
	for _, name := range gatePeers() {
		if !slices.ContainsFunc(peers, func(p peer) bool { return p.name == name }) {
			return fmt.Errorf("-gate needs %s", name)
		}
	}
	return nil
}
