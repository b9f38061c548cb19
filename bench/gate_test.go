//go:build linux

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestGate(t *testing.T) {
	t.Parallel()
	hits := func(notyet, floor, unbound, dnsdist float64) []result {
		return []result{
			took("hit", "notyet", cpuMicros, notyet, notyet, 9*notyet), took("hit", "floor", cpuMicros, floor, floor, floor),
			took("hit", "unbound", cpuMicros, unbound, unbound, unbound), took("hit", "dnsdist", cpuMicros, dnsdist, dnsdist, dnsdist),
		}
	}
	good := hits(2.6, 2, 3.3, 3.3)
	nearFloor, nearPeer := hits(2.9, 2, 3.3, 3.3), hits(2.6, 2, 3.3, 2.5)
	for _, tt := range []struct {
		name string
		runs [][]result
		want string // part of the fault; empty: none
	}{
		{"kept", [][]result{good}, ""},
		{"kept when repeated", [][]result{nearFloor, good}, ""},
		{"too far from the floor", [][]result{nearFloor, nearFloor}, "hit to floor: 1.45, at most 1.40"},
		{"one peer is better", [][]result{nearPeer, nearPeer}, "unbound and dnsdist: 1.04"},
		{"a peer could not be measured", [][]result{good[:2], good[:2]}, "not measured"},
	} {
		runs := tt.runs
		measure := func(context.Context) ([]result, error) {
			if len(runs) == 0 {
				return nil, errors.New("measured too often")
			}
			results := runs[0]
			runs = runs[1:]
			return results, nil
		}
		err := pass(t.Context(), measure, new(strings.Builder))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: got %v, want none", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		case len(runs) > 0:
			t.Errorf("%s: %d runs were left", tt.name, len(runs))
		}
	}
}
