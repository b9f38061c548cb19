package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"notyet/watch"
)

const (
	// backlog is how far counting may be behind what happens.
	backlog = 1000
	// mostTallied bounds the names that are remembered.
	mostTallied = 10_000
	// mostNamed bounds the names that a line has.
	mostNamed = 3
)

// rescues are the names under watch that were not there when they were asked for. Not safe for concurrent use.
type rescues struct {
	names    map[string]*rescue
	more     bool              // there were others
	degraded map[string]string // watches that were so at some time, and why at last
}

func newRescues() *rescues {
	return &rescues{names: make(map[string]*rescue), degraded: make(map[string]string)}
}

// rescue is what became of one name.
type rescue struct {
	visible bool
	avoided time.Duration // for how much longer a plain cache would have denied it; zero: it wouldn't
}

// tally counts what a subscription brings. The function that it returns ends that, and may be called once.
func tally(events *watch.Subscription) (total func() *rescues) {
	r := newRescues()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range events.C {
			r.add(e)
		}
	}()
	return func() *rescues {
		events.Close()
		<-done
		return r
	}
}

func (r *rescues) add(e watch.Event) {
	n := r.names[e.Name]
	switch {
	case e.Kind == watch.WentDegraded:
		r.degraded[e.Watch] = e.Why
	case e.Kind == watch.Lost, e.Kind == watch.Pending && n == nil && len(r.names) >= mostTallied:
		r.more = true
	case e.Kind == watch.Pending && n == nil:
		r.names[e.Name] = new(rescue)
	case n == nil:
	case e.Kind == watch.Visible: // of a name that has an address, another type may be missing for good
		n.visible = true
	case e.Kind == watch.Rescued:
		n.avoided = max(n.avoided, e.Avoided) // its types are asked for together
	}
}

// line is one, of bounded length. watches is how many there were, exists whether a name is known to have an address.
func (r *rescues) line(watches int, exists func(name string) bool) string {
	var rescued, missing []string
	var total time.Duration
	for name, n := range r.names {
		total += n.avoided
		switch {
		case n.avoided > 0:
			rescued = append(rescued, name)
		case !n.visible && !exists(name) && !r.isSearched(name):
			missing = append(missing, strings.TrimSuffix(name, "."))
		}
	}
	line := "nothing to rescue"
	switch {
	case watches == 0:
		line += ": no zone is under watch (--watch)"
	case len(rescued) > 0:
		line = fmt.Sprintf("%s rescued, %.0f s of \"no\" avoided: %s", count(len(rescued), r.more), total.Seconds(), some(r.spell(rescued)))
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		line += "; still missing: " + some(missing)
	}
	if len(r.degraded) > 0 {
		watches := slices.Sorted(maps.Keys(r.degraded))
		for i, name := range watches {
			watches[i] = fmt.Sprintf("%s (%s)", strings.TrimSuffix(name, "."), r.degraded[name])
		}
		line += "; degraded: " + some(watches)
	}
	return line
}

// isSearched reports whether a name is another one that was asked for with a domain of the search list behind it.
func (r *rescues) isSearched(name string) bool {
	for i := range len(name) - 1 {
		if name[i] == '.' && r.names[name[:i+1]] != nil {
			return true
		}
	}
	return false
}

// spell writes names that were rescued, those first that would have been denied for longest.
func (r *rescues) spell(names []string) []string {
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.names[b].avoided, r.names[a].avoided), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%.1fs)", strings.TrimSuffix(name, "."), r.names[name].avoided.Seconds())
	}
	return names
}

func count(n int, more bool) string {
	text := strconv.Itoa(n) + " names"
	if n == 1 {
		text = "1 name"
	}
	if more {
		return "at least " + text
	}
	return text
}

// some are the first of many words.
func some(words []string) string {
	text := strings.Join(words[:min(len(words), mostNamed)], ", ")
	if more := len(words) - mostNamed; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text
}
