// Package wait waits until a record is where it is waited for, by asking the servers of its zone and nobody else.
package wait

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
)

const (
	// minPause and maxPause are between two rounds of questions. The pause grows by half while nothing changes.
	minPause = 250 * time.Millisecond
	maxPause = 4 * time.Second
	// maxNames bounds the names that aliases lead to, the first included.
	maxNames = 8
)

// Config is a record that is waited for.
type Config struct {
	Name string // lower case, ends in a dot
	Type uint16
	// Expect are values that all have to be there, whatever else is; none: any record will do.
	Expect []Value
	// Gone waits until the record is denied. Expect is empty then.
	Gone bool
	// Any waits for one server instead of all.
	Any bool
	// Servers are asked, and nobody else; none: those of the name's zone, and of those that its aliases lead to.
	Servers []netip.AddrPort
	// Ask asks the servers of a zone, as authority.Finder does.
	Ask func(context.Context, authority.Request) (*authority.Answer, error)
	// Request makes a question for Ask, as explain.World does.
	Request func(qname string, qtype uint16) authority.Request
	// Why says what is wrong when the servers of a zone can't be asked, as explain.World does; nil: the error's own words.
	Why func(error) string
	// Progress is told how it stands after each answer, from the goroutine of Run, and may keep that; nil: nobody is told.
	Progress func(*Report)
}

// Wildcard is the error of a wait that makes no sense: a wildcard answers for the name, be there a record or not.
type Wildcard struct {
	Name, Type string
	Says       []string
}

func (w Wildcard) Error() string {
	return fmt.Sprintf("%s %s: a wildcard answers for it, as for every name beside it that is not there: %s", withoutDot(w.Name), w.Type, strings.Join(w.Says, ", "))
}

// NotServers is the error of a wait at given servers that all answer without authority: they are resolvers, or have other
// zones. What they say of a name is no news of it.
type NotServers struct {
	Name    string
	Servers []netip.AddrPort
}

func (n NotServers) Error() string {
	if len(n.Servers) == 1 {
		return fmt.Sprintf("%s answers for %s without authority, as resolvers do: it is no name server of its zone", n.Servers[0], withoutDot(n.Name))
	}
	return fmt.Sprintf("the servers all answer for %s without authority, as resolvers do: they are no name servers of its zone", withoutDot(n.Name))
}

// ErrMissing is the error of a wait whose time ran out.
var ErrMissing = errors.New("timed out")

// waiter is a wait under way.
type waiter struct {
	Config
	began time.Time
	state *Report
	heard bool // some server has answered
	// strangers: all given servers answer without authority.
	strangers bool
}

// Run waits until the record is where it is waited for. With an error it is not: Wildcard, NotServers, ErrMissing when ctx's deadline
// has passed, or ctx's. How far it came is known with an error too.
func Run(ctx context.Context, c Config) (*Report, error) {
	w := waiter{Config: c, began: time.Now(), state: &Report{Name: c.Name, Type: dns.Type(c.Type).String(), Names: []Name{}}}
	err := w.run(ctx)
	w.state.Done = err == nil
	w.state.Took = w.since(time.Now())
	if errors.Is(err, context.DeadlineExceeded) {
		err = ErrMissing
	}
	return w.state, err
}

func (w *waiter) since(t time.Time) Took { return Took(t.Sub(w.began)) }

func (w *waiter) run(ctx context.Context) error {
	for pause, first := minPause, true; ; first = false {
		changed := w.round(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if first && w.strangers {
			return NotServers{w.Name, w.Servers}
		}
		if err := w.wildcard(ctx); err != nil {
			return err
		}
		if w.met(w.Name, nil) {
			return nil
		}
		if pause = min(pause+pause/2, maxPause); changed {
			pause = minPause
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// round asks for the name and for all that its aliases lead to, and reports whether anything has changed.
func (w *waiter) round(ctx context.Context) (changed bool) {
	names := []string{w.Name}
	for i := 0; i < len(names) && ctx.Err() == nil; i++ {
		n := w.ask(ctx, names[i])
		if ctx.Err() != nil && len(n.Servers) == 0 {
			return changed // it could not even be asked
		}
		for _, s := range n.Servers {
			switch {
			case s.Target == "" || len(w.Servers) > 0 || slices.Contains(names, s.Target):
			case len(names) == maxNames:
				n.Fault = fmt.Sprintf("its aliases lead on over more than %d names", maxNames)
			default:
				names = append(names, s.Target)
			}
		}
		changed = w.note(n) || changed
		if w.Any && w.met(w.Name, nil) {
			break
		}
	}
	if ctx.Err() == nil {
		w.state.Names = slices.DeleteFunc(w.state.Names, func(n Name) bool { return !slices.Contains(names, n.Name) })
	}
	return changed
}

// note puts what is known of a name in the place of what was, and tells it.
func (w *waiter) note(n Name) (changed bool) {
	old := w.state.find(n.Name)
	if n.Servers == nil {
		n.Servers = []Server{} // JSON has no null for a list
	}
	if old == nil {
		w.state.Names = append(w.state.Names, n)
		changed = true
	} else {
		changed = n.carry(old)
		*old = n
	}
	if w.Progress != nil {
		w.state.Took = w.since(time.Now())
		w.Progress(w.state.clone())
	}
	return changed
}

// carry takes over since when servers have said what they say, and what those said before that were not heard this time. It
// reports whether anything is new.
func (n *Name) carry(old *Name) (changed bool) {
	changed = n.Fault != old.Fault || len(n.Servers) != len(old.Servers)
	for i := range n.Servers {
		s := &n.Servers[i]
		before := old.server(s.Name)
		switch {
		case before == nil:
			changed = true
		case s.State == Unheard:
			*s = *before
		case s.State == before.State && slices.Equal(s.Says, before.Says):
			s.After = before.After
		default:
			changed = true
		}
	}
	return changed
}

// met reports whether a name is as it is waited for, along all that it leads to. path are the names that led there.
func (w *waiter) met(name string, path []string) bool {
	n := w.state.find(name)
	if n == nil || slices.Contains(path, name) { // the latter: aliases that go round in a circle
		return false
	}
	path = append(path, name)
	all, some := true, false
	for _, s := range n.Servers {
		if s.State == Absent {
			continue
		}
		ok := s.State == Ready
		if ok && s.Target != "" && len(w.Servers) == 0 {
			ok = w.met(s.Target, path)
		}
		all, some = all && ok, some || ok
	}
	return some && (all || w.Any)
}
