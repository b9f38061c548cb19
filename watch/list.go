package watch

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"notyet/wire"
)

// Info is a watch as it stands.
type Info struct {
	Name string
	Options
	Until    time.Time // the end of a lease; zero: it stays
	Pending  int
	Degraded string // why the upstream comes first for some of its names; empty: it does not
}

// List returns all watches by name, of a zone that has a lease too only that. Each lease counts until its end.
func (s *Set) List() []Info {
	now := time.Now()
	var all []Info
	s.mu.Lock()
	watches := slices.Collect(maps.Values(*s.byZone.Load()))
	degraded := s.degradedLocked(watches...)
	for _, w := range watches {
		if !w.ended(now) {
			all = append(all, w.infoLocked(degraded[w], now))
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Covering returns the watch that a name, in wire format and lower case, is under.
func (s *Set) Covering(qname []byte) (Info, bool) {
	w := s.Find(qname)
	if w == nil {
		return Info{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return w.infoLocked(s.degradedLocked(w)[w], time.Now()), true
}

func (w *Watch) infoLocked(degraded []string, now time.Time) Info {
	i := Info{Name: w.name, Options: *w.options(), Pending: w.pending}
	if until := w.until.Load(); until != nil {
		i.Until = *until
	}
	i.Authorities = slices.Clone(i.Authorities)
	if w.isPrivate(now) {
		degraded = append(degraded, privateView)
	}
	i.Degraded = strings.Join(degraded, "; ")
	return i
}

// Counts are how many there are at the moment, and what has come of them.
type Counts struct {
	Watches int // leases included
	Leases  int
	Pending int
	Rescued uint64 // answers given where a plain cache would still have said no, ever
}

// Count counts.
func (s *Set) Count() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{Watches: len(*s.byZone.Load()), Leases: s.leases, Pending: s.pending.Len(), Rescued: s.rescued}
}

// Waiting is a question under watch whose answer its authorities do not have yet.
type Waiting struct {
	Name, Watch string
	Type        uint16
	Since       time.Time // a client's first question
	Asked       time.Time // a client's last question
	// Have, Lack and Silent are the servers by what they said when they were last asked.
	Have, Lack, Silent []string
	Next               time.Time // when they are asked next, if no client asks before; zero: not at all
}

// Pending returns what is pending, the longest pending first.
func (s *Set) Pending() []Waiting {
	s.mu.Lock()
	var all []Waiting
	for _, p := range s.pending.Values() {
		all = append(all, p.waitingLocked())
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b Waiting) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return all
}

// PendingFor returns what is pending of one question; the name is in wire format and lower case.
func (s *Set) PendingFor(qname []byte, qtype uint16) (Waiting, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pending.Peek(question{wire.String(qname), qtype})
	if !ok {
		return Waiting{}, false
	}
	return p.waitingLocked(), true
}

func (p *pending) waitingLocked() Waiting {
	w := Waiting{
		Name: p.qname, Watch: p.watch.name, Type: p.key.Type,
		Since: p.first, Asked: p.set.config.Cache.LastAsked(p.asked), Next: p.nextLocked(),
	}
	if n := len(p.no.asked); n > 0 {
		last := p.no.asked[n-1]
		w.Have, w.Lack, w.Silent = last.Have, last.Lack, last.Silent
	}
	return w
}

// Knows reports whether a question, its name in wire format and lower case, is known to have an answer.
func (s *Set) Knows(qname []byte, qtype uint16) bool {
	return s.known.peek(s.config.Cache.Key(nil, qname, qtype, false, false).Hash(), time.Now())
}
