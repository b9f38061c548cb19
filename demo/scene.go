package demo

import (
	"net/netip"
	"time"
)

// pace says when what happens.
type pace struct {
	negativeTTL time.Duration    // of the zone; whole seconds
	publish     time.Duration    // from the first question until the record is published
	takeUp      [4]time.Duration // name server → from publishing until it has the record
	limit       time.Duration    // for all
	tick        time.Duration    // between two marks of the drawing's axis, and two reminders in lines
}

func paceOf(fast bool) pace {
	if fast {
		return pace{
			negativeTTL: 3 * time.Second, publish: 500 * time.Millisecond,
			takeUp: [...]time.Duration{600 * time.Millisecond, 200 * time.Millisecond, 1200 * time.Millisecond, 900 * time.Millisecond},
			limit:  4800 * time.Millisecond, tick: time.Second,
		}
	}
	return pace{
		negativeTTL: 20 * time.Second, publish: 2 * time.Second,
		takeUp: [...]time.Duration{1500 * time.Millisecond, 800 * time.Millisecond, 5 * time.Second, 3200 * time.Millisecond},
		limit:  28 * time.Second, tick: 5 * time.Second,
	}
}

// scene is all that has been seen so far. Moments are counted from the first question.
type scene struct {
	pace
	rows      []row // of the name servers, the plain resolver and notyet
	now       time.Duration
	published time.Duration // 0: not yet
}

// row is one server, and what it has said so far.
type row struct {
	name      string
	addr      netip.AddrPort
	recursive bool
	last      said
	changes   []change // of the verdict, in their order
}

// change is a moment from which on a server says something else.
type change struct {
	at time.Duration
	verdict
}

// take notes what the server said.
func (r *row) take(s said, at time.Duration) {
	r.last = s
	if n := len(r.changes); n == 0 || r.changes[n-1].verdict != s.verdict {
		r.changes = append(r.changes, change{at, s.verdict})
	}
}

// visible is when the server first had the record.
func (r *row) visible() (at time.Duration, ok bool) {
	for _, c := range r.changes {
		if c.verdict == yes {
			return c.at, true
		}
	}
	return 0, false
}

// at is what the server said at a moment.
func (r *row) at(t time.Duration) verdict {
	v := silence
	for _, c := range r.changes {
		if c.at <= t {
			v = c.verdict
		}
	}
	return v
}

// lost reports whether the server denied the record after it had it.
func (r *row) lost() bool {
	had := false
	for _, c := range r.changes {
		if had && c.verdict == no {
			return true
		}
		had = had || c.verdict == yes
	}
	return false
}

func (s *scene) servers() []row { return s.rows[:len(s.takeUp)] }
func (s *scene) plain() *row    { return &s.rows[len(s.takeUp)] }
func (s *scene) notyet() *row   { return &s.rows[len(s.takeUp)+1] }

// have is how many name servers have the record.
func (s *scene) have() (n int) {
	for _, r := range s.servers() {
		if _, ok := r.visible(); ok {
			n++
		}
	}
	return n
}

// inSync is when all name servers had the record.
func (s *scene) inSync() (at time.Duration, ok bool) {
	for _, r := range s.servers() {
		has, ok := r.visible()
		if !ok {
			return 0, false
		}
		at = max(at, has)
	}
	return at, true
}

// tooEarly reports whether both have said no, which is what the story begins with.
func (s *scene) tooEarly() bool {
	return s.plain().at(s.now) == no && s.notyet().at(s.now) == no
}

// over reports whether all have the record.
func (s *scene) over() bool {
	for i := range s.rows {
		if _, ok := s.rows[i].visible(); !ok {
			return false
		}
	}
	return true
}

// after is the time from publishing until a moment.
func (s *scene) after(at time.Duration) time.Duration { return at - s.published }

func (s *scene) setting() Setting {
	set := Setting{Zone: apex, Upstream: s.plain().addr}
	for _, r := range s.servers() {
		set.Authorities = append(set.Authorities, r.addr)
	}
	return set
}

// result is what has been measured when the scene is over.
func (s *scene) result() Result {
	visible := func(r *row) time.Duration {
		at, _ := r.visible()
		return s.after(at)
	}
	all := Result{
		Name: qname, NegativeTTL: s.negativeTTL, Published: s.published,
		Notyet: visible(s.notyet()), Plain: visible(s.plain()),
	}
	for _, r := range s.servers() {
		all.Servers = append(all.Servers, Server{r.name, visible(&r)})
		all.InSync = max(all.InSync, visible(&r))
	}
	return all
}
