//go:build linux

package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestUsualRunIsEverythingButTheQuickOne(t *testing.T) {
	t.Parallel()
	opts, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("hit nx watch hit2k hit20k tcp zipf miss size cores fill gc start")
	if !slices.Equal(opts.workloads, want) {
		t.Errorf("got %q, want %q", opts.workloads, want)
	}
	if want := strings.Fields("floor constant unbound dnsdist recursor bind kresd dnsmasq coredns"); !slices.Equal(opts.peers, want) {
		t.Errorf("got %q, want %q", opts.peers, want)
	}
}

func TestGateMeasuresHitAlone(t *testing.T) {
	t.Parallel()
	opts, err := parseOptions([]string{"-gate", "-rounds", "3", "-seconds", "2", "-peers", "bind"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(append(opts.workloads, opts.peers...), " "); got != "hit floor unbound dnsdist" {
		t.Errorf("got %q, want hit beside floor, unbound and dnsdist", got)
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		want string
	}{
		{"hit", `unexpected argument "hit"`},
		{"-rounds 0", "-rounds 0: 1 to 100"},
		{"-seconds 601", "-seconds 601: 1 to 600"},
		{"-names 0", "-names 0: 1 to 100000"},
		{"-peers bind9", `-peers "bind9": there is no such peer: choose from floor, constant, unbound, dnsdist, recursor, bind, kresd, dnsmasq, coredns`},
		{"-peers notyet", `-peers "notyet": there is no such peer`},
		{"-workloads hits", `-workloads "hits": there is no such workload: choose from hit, floor, nx, watch, hit2k, hit20k, tcp, zipf, miss, size, cores, fill, gc, start`},
		{"-against absent.json", "absent.json"},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(tt.args), nil, io.Discard, &stderr); code != 2 || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%s: got %d and %q, want 2 and %q", tt.args, code, stderr.String(), tt.want)
		}
	}
}
