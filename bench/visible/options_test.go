package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args  []string
		peers []string
		json  bool
	}{
		{args: nil, peers: []string{"unbound", "dnsmasq", "coredns"}},
		{args: []string{"--json"}, peers: []string{"unbound", "dnsmasq", "coredns"}, json: true},
		{args: []string{"-peers", "coredns, unbound"}, peers: []string{"coredns", "unbound"}},
		{args: []string{"--peers="}},
	} {
		got, err := parseOptions(tt.args, io.Discard)
		if err != nil || !slices.Equal(got.peers, tt.peers) || got.json != tt.json {
			t.Errorf("%q: got %+v and error %v, want %q and JSON %v", tt.args, got, err, tt.peers, tt.json)
		}
	}
}

func TestWrongUsageNamesTheFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{args: []string{"shipit.dev"}, want: `unexpected argument "shipit.dev"`},
		{args: []string{"--peers", "unbound,bind"}, want: `"bind"`},
		{args: []string{"--names", "5"}, want: "-names"},
	} {
		var stderr strings.Builder
		if _, err := parseOptions(tt.args, &stderr); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got error %v, want one with %q", tt.args, err, tt.want)
		}
	}
}
