package main

import (
	"strings"
	"testing"
)

func TestCheckRefusesALoadThatIsNotTheWorkload(t *testing.T) {
	t.Parallel()
	answered := func(sent, completed int, rcode string) load {
		return load{sent: sent, completed: completed, rcodes: map[string]int{rcode: completed}}
	}
	hit := expected{rcode: "NOERROR"}
	miss := expected{rcode: "NOERROR", misses: 1, names: 1000}
	mix := expected{rcode: "NOERROR", misses: 0.05, names: 1000}
	nx := expected{rcode: "NXDOMAIN"}
	good := answered(1000, 1000, "NOERROR")
	for _, tt := range []struct {
		name   string
		want   expected
		load   load
		probes probes
		asked  int
		fault  string // part of it; empty: none
	}{
		{name: "all from the cache", want: hit, load: good, probes: probes{Sent: 100, Answered: 100}},
		{name: "all from the authority", want: miss, load: good, asked: 1000},
		{name: "some asked twice", want: miss, load: good, asked: 1050},
		{name: "probes are misses too", want: miss, load: good, probes: probes{Sent: 100, Answered: 100}, asked: 1000, fault: "only 1000 of 1100"},
		{name: "one in twenty from the authority", want: mix, load: good, asked: 50},
		{name: "denials", want: nx, load: answered(1000, 1000, "NXDOMAIN")},
		{name: "a packet lost", want: hit, load: answered(1000, 999, "NOERROR")},
		{name: "no answers", want: hit, load: answered(200, 0, ""), fault: "none"},
		{name: "many lost", want: hit, load: answered(1000, 900, "NOERROR"), fault: "100 of 1000"},
		{name: "probes lost", want: hit, load: good, probes: probes{Sent: 100}, fault: "100 of 1100"},
		{name: "probes answered with something else", want: hit, load: good, probes: probes{Sent: 9, Answered: 9, Wrong: 1}, fault: "1 of 9"},
		{name: "SERVFAIL", want: hit, load: answered(1000, 1000, "SERVFAIL"), fault: "1000 answers were not NOERROR"},
		{name: "an answer where none is", want: nx, load: good, fault: "not NXDOMAIN"},
		{name: "nothing cached", want: hit, load: good, asked: 1000, fault: "not to the cache"},
		{name: "more misses than meant", want: mix, load: good, asked: 90, fault: "90 of 1000"},
		{name: "fewer misses than meant", want: mix, load: good, asked: 10, fault: "only 10 of 1000"},
		{name: "misses already cached", want: miss, load: good, asked: 10, fault: "only 10"},
		{name: "too slow", want: miss, load: answered(10, 10, "NOERROR"), asked: 10, fault: "only 10 of 1000 names"},
	} {
		err := tt.want.check(tt.load, tt.probes, tt.asked)
		switch {
		case tt.fault == "" && err != nil:
			t.Errorf("%s: got %v, want none", tt.name, err)
		case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
			t.Errorf("%s: got %v, want a fault with %q", tt.name, err, tt.fault)
		}
	}
}
