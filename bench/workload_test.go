package main

import (
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestNamesAreQuestionsInTheZone(t *testing.T) {
	workloads, err := chooseWorkloads([]string{"miss", "hit"}, t.TempDir(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		name  string
		names int
	}{{"miss", missNames}, {"hit", 100}} {
		w := workloads[i]
		text, err := os.ReadFile(w.names)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for line := range strings.Lines(string(text)) {
			qname, qtype, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !dns.IsSubDomain(zone, qname) || qtype != "A" {
				t.Fatalf("%s: got the line %q, want a name in %s and A", w.name, line, zone)
			}
			seen[qname] = true
		}
		if w.name != want.name || len(seen) != want.names {
			t.Errorf("got %s with %d names, want %s with %d", w.name, len(seen), want.name, want.names)
		}
	}
}

func TestUnknownWorkload(t *testing.T) {
	if _, err := chooseWorkloads([]string{"hits"}, t.TempDir(), 1); err == nil || !strings.Contains(err.Error(), `"hits"`) {
		t.Errorf("got %v, want an error that names hits", err)
	}
}

func TestCheckRefusesALoadThatIsNotTheWorkload(t *testing.T) {
	hit, miss := workload{cached: true}, workload{once: true}
	good := load{sent: missNames, completed: missNames, noerror: missNames}
	for _, tt := range []struct {
		name     string
		workload workload
		load     load
		asked    int
		want     string // part of the fault; empty: none
	}{
		{name: "all from the cache", workload: hit, load: good, asked: 0},
		{name: "all from the authority", workload: miss, load: good, asked: missNames},
		{name: "some asked twice", workload: miss, load: good, asked: missNames + 50},
		{name: "a packet lost", workload: hit, load: load{sent: 1000, completed: 999, noerror: 999}},
		{name: "no answers", workload: hit, load: load{sent: 200}, want: "none"},
		{name: "many lost", workload: hit, load: load{sent: 1000, completed: 900, noerror: 900}, want: "100 of 1000"},
		{name: "SERVFAIL", workload: hit, load: load{sent: 1000, completed: 1000, noerror: 10}, want: "990 of 1000"},
		{name: "nothing cached", workload: hit, load: good, asked: missNames, want: "not to the cache"},
		{name: "misses already cached", workload: miss, load: good, asked: 10, want: "only 10"},
		{name: "too slow", workload: miss, load: load{sent: 10, completed: 10, noerror: 10}, asked: 10, want: "only 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.workload.check(tt.load, tt.asked)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want none", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want a fault with %q", err, tt.want)
			}
		})
	}
}
