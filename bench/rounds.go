//go:build linux

package main

import (
	"context"
	"fmt"
)

// turn is one program under one workload.
type turn struct {
	workload workload
	peer     peer
	result   *result
	failed   bool // it is not measured again
}

// rounds measures every program under every workload, n times over. The programs of one
// workload follow each other directly, and another one begins each time, so that a machine
// that is slower for a while is slower for all of them.
func (b *bench) rounds(ctx context.Context, n int, peers []peer, workloads []workload) ([]result, error) {
	plan := b.plan(peers, workloads)
	for round := range n {
		for _, turns := range plan {
			if err := b.round(ctx, turns, round, fmt.Sprintf("round %d of %d", round+1, n)); err != nil {
				return nil, err
			}
		}
	}
	var results []result
	for _, turns := range plan {
		for _, t := range turns {
			results = append(results, *t.result)
		}
	}
	return results, nil
}

// round measures the programs of one workload.
func (b *bench) round(ctx context.Context, turns []*turn, round int, label string) error {
	if len(turns) == 0 {
		return nil
	}
	for first := range turns[0].workload.turns {
		for i := range turns {
			t := turns[(round+first+i)%len(turns)]
			if err := b.take(ctx, t, label); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan is the turns of each workload.
func (b *bench) plan(peers []peer, workloads []workload) [][]*turn {
	var plan [][]*turn
	for _, w := range workloads {
		var turns []*turn
		for _, p := range peers {
			why := p.without[w.group]
			switch {
			case !w.isFor(p):
			case why != "":
				fmt.Fprintf(b.progress, "%s is left out of %s: %s\n", p.name, w.name, why)
			default:
				turns = append(turns, &turn{workload: w, peer: p, result: &result{Workload: w.name, Program: p.name}})
			}
		}
		plan = append(plan, turns)
	}
	return plan
}

// take measures one turn, once more if that fails. What fails again has no figures; the run goes on.
func (b *bench) take(ctx context.Context, t *turn, round string) error {
	if t.failed {
		t.result.Samples = append(t.result.Samples, sample{})
		return nil
	}
	label := fmt.Sprintf("%s, %s, %s", round, t.workload.name, t.peer.name)
	const tries = 2
	var s sample
	var err error
	for range tries {
		if s, err = t.workload.measure(ctx, b, t.peer); err == nil || ctx.Err() != nil {
			break
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		fmt.Fprintf(b.progress, "%s: %v\n", label, err)
		fmt.Fprintf(b.progress, "%s is left out of %s\n", t.peer.name, t.workload.name)
		t.failed, s = true, sample{}
	default:
		fmt.Fprintf(b.progress, "%s: %s\n", label, s.text(t.workload.columns))
	}
	t.result.Samples = append(t.result.Samples, s)
	return nil
}
