//go:build linux

package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want options
	}{
		{args: nil, want: options{rounds: 3, qps: 1000, length: 5 * time.Second}},
		{args: []string{"-rounds=1", "-seconds=10", "--qps=300"}, want: options{rounds: 1, qps: 300, length: 10 * time.Second}},
	} {
		if got, err := parseOptions(tt.args, io.Discard); err != nil || got != tt.want {
			t.Errorf("%q: got %+v and error %v, want %+v", tt.args, got, err, tt.want)
		}
	}
}

func TestWrongUsageNamesTheFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"shipit.dev"}, `unexpected argument "shipit.dev"`},
		{[]string{"-rounds=0"}, "-rounds 0: 1 to 100"},
		{[]string{"-seconds=1"}, "-seconds 1: 2 to 600"},
		{[]string{"-qps=5"}, "-qps 5: 10 to 10000"},
		{[]string{"-peers=unbound"}, "-peers"},
	} {
		if _, err := parseOptions(tt.args, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got error %v, want one with %q", tt.args, err, tt.want)
		}
	}
}
