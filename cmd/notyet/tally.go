package main

import (
	"cmp"
	"fmt"
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
	names map[string]*rescue
	more  bool // there were others
}

// rescue is what became of one name.
type rescue struct {
	visible bool
	avoided time.Duration // for how much longer a plain cache would have denied it; zero: it wouldn't
}

// tally counts what a subscription brings. The function that it returns ends that, and may be called once.
func tally(events *watch.Subscription) (total func() *rescues) {
	r := &rescues{names: make(map[string]*rescue)}
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

// String is one line, of bounded length. watches is how many there were.
func (r *rescues) String(watches int) string {
	var rescued, missing []string
	var total time.Duration
	for name, n := range r.names {
		total += n.avoided
		switch {
		case n.avoided > 0:
			rescued = append(rescued, name)
		case !n.visible:
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
	return line
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
