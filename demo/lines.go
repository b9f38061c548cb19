package demo

import (
	"fmt"
	"strings"
	"time"
)

// lines tells the story as a log does: one line for what is new.
type lines struct {
	width     int
	told      []int         // row → how many of its changes
	published bool          // told
	inSync    bool          // told
	reminded  time.Duration // when last; means something with inSync
}

// news is what has not been told yet; empty: nothing.
func (l *lines) news(s *scene) string {
	if l.told == nil {
		l.told = make([]int, len(s.rows))
	}
	var b strings.Builder
	for i := range s.rows {
		r := &s.rows[i]
		for ; l.told[i] < len(r.changes); l.told[i]++ {
			c := r.changes[l.told[i]]
			if text := s.tell(r, c); text != "" {
				l.line(&b, c.at, r.name, text)
			}
		}
	}
	if s.published > 0 && !l.published {
		l.published = true
		l.line(&b, s.published, "change", "published, PENDING: the name servers do not have it yet")
	}
	if at, ok := s.inSync(); ok && !l.inSync {
		l.inSync = true
		l.line(&b, at, "change", "INSYNC: all four name servers have it")
		l.remind(&b, s)
	}
	if l.inSync && s.now >= l.reminded+s.tick {
		l.remind(&b, s)
	}
	return b.String()
}

// remind says that the plain resolver still has nothing.
func (l *lines) remind(b *strings.Builder, s *scene) {
	l.reminded = s.now
	if s.plain().last.verdict == no {
		l.line(b, s.now, s.plain().name, "still NXDOMAIN, for "+more(s.left()))
	}
}

// tell says in words what a server says now; empty: nothing worth a line.
func (s *scene) tell(r *row, c change) string {
	switch {
	case c.verdict == silence:
		return "does not answer"
	case c.verdict == yes && !r.recursive:
		return "has it"
	case c.verdict == yes:
		return fmt.Sprintf("%s, %s after it was published", r.last.address, seconds(s.after(c.at)))
	case !r.recursive:
		return ""
	case r.last.why == "":
		return fmt.Sprintf("NXDOMAIN, to be kept for %s", life(r.last.left))
	}
	return fmt.Sprintf("NXDOMAIN, to be kept for %s, as it explains: \"%s\"", life(r.last.left), s.named(r.last.why))
}

func (l *lines) line(b *strings.Builder, at time.Duration, who, text string) {
	const indent = 18
	all := wrapped(text, l.width-indent, 0)
	fmt.Fprintf(b, "%6.1f s  %-6s  %s\n", at.Seconds(), who, all[0])
	for _, more := range all[1:] {
		b.WriteString(strings.Repeat(" ", indent) + more + "\n")
	}
}
