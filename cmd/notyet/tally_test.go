package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"notyet/watch"
)

// happened are the events of a name that was missing at first; avoided is zero when it was no rescue.
func happened(name string, avoided time.Duration) []watch.Event {
	events := []watch.Event{
		{Kind: watch.Pending, Name: name, Type: 1},
		{Kind: watch.Pending, Name: name, Type: 28},
		{Kind: watch.Visible, Name: name, Type: 1},
	}
	if avoided > 0 {
		events = append(events, watch.Event{Kind: watch.Rescued, Name: name, Type: 1, Avoided: avoided})
	}
	return events
}

func exists(name string) bool { return name == "there.example." }

func TestTallyIsOneLine(t *testing.T) {
	t.Parallel()
	pending := func(name string) []watch.Event { return []watch.Event{{Kind: watch.Pending, Name: name, Type: 1}} }
	for _, tt := range []struct {
		name    string
		watches int
		events  [][]watch.Event
		want    string
	}{
		{"no watch", 0, nil, "nothing to rescue: no zone is under watch (--watch)"},
		{"nothing missing", 1, nil, "nothing to rescue"},
		{"visible when a plain cache had it too", 1, [][]watch.Event{happened("a.example.", 0)}, "nothing to rescue"},
		{"asked for in vain", 1, [][]watch.Event{pending("b.example."), pending("a.example.")}, "nothing to rescue; still missing: a.example, b.example"},
		{
			"one", 1, [][]watch.Event{happened("web.example.", 58870*time.Millisecond)},
			`1 name rescued, 59 s of "no" avoided: web.example (58.9s)`,
		},
		{
			"one, and another type of it asked for later", 1, [][]watch.Event{happened("web.example.", time.Minute), pending("web.example.")},
			`1 name rescued, 60 s of "no" avoided: web.example (60.0s)`,
		},
		{
			"two types of one name", 1,
			[][]watch.Event{happened("web.example.", time.Minute), {{Kind: watch.Rescued, Name: "web.example.", Type: 28, Avoided: 59 * time.Second}}},
			`1 name rescued, 60 s of "no" avoided: web.example (60.0s)`,
		},
		{
			"many, and some in vain", 2,
			[][]watch.Event{
				happened("a.example.", time.Second), happened("b.example.", 3*time.Second), happened("c.example.", 2*time.Second),
				happened("d.example.", 2*time.Second), happened("e.example.", 0), pending("f.example."),
			},
			`4 names rescued, 8 s of "no" avoided: b.example (3.0s), c.example (2.0s), d.example (2.0s) and 1 more; still missing: f.example`,
		},
		{
			"events were lost", 1, [][]watch.Event{happened("a.example.", time.Second), {{Kind: watch.Lost, Lost: 3}}},
			`at least 1 name rescued, 1 s of "no" avoided: a.example (1.0s)`,
		},
		{"an address, and no other type", 1, [][]watch.Event{pending("there.example.")}, "nothing to rescue"},
		{
			"asked for with the search list's domains too", 1,
			[][]watch.Event{pending("a.example."), pending("a.example.example."), pending("a.example.corp.example.")},
			"nothing to rescue; still missing: a.example",
		},
		{
			"degraded", 1, [][]watch.Event{{
				{Kind: watch.WentDegraded, Watch: "example.", Name: "a.example.", Why: "no answer"}, {Kind: watch.Recovered, Watch: "example.", Name: "a.example."},
			}},
			"nothing to rescue; degraded: example (no answer)",
		},
		{"what is not about names", 1, [][]watch.Event{{{Kind: watch.Began, Name: "example."}}}, "nothing to rescue"},
	} {
		r := newRescues()
		for _, events := range tt.events {
			for _, e := range events {
				r.add(e)
			}
		}
		if got := r.line(tt.watches, exists); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTallyIsBounded(t *testing.T) {
	t.Parallel()
	r := newRescues()
	long := strings.Repeat(strings.Repeat("x", 49)+".", 5)
	for i := range 2 * mostTallied {
		for _, e := range happened(fmt.Sprint(i, long), time.Second) {
			r.add(e)
		}
	}
	if len(r.names) != mostTallied {
		t.Errorf("got %d names remembered, want %d", len(r.names), mostTallied)
	}
	line := r.line(1, exists)
	if want := fmt.Sprintf("at least %d names rescued", mostTallied); !strings.HasPrefix(line, want) {
		t.Errorf("got %.100q, want %q first", line, want)
	}
	if len(line) > 1024 {
		t.Errorf("got a line of %d bytes, want at most 1024", len(line))
	}
}
