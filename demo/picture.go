package demo

import (
	"fmt"
	"strings"
)

const (
	narrowest = 50 // columns that a drawing needs
	lowest    = 16 // rows
)

const (
	nameWidth   = 8  // columns of a row's name
	statusWidth = 24 // and of what it says now
	captionRows = 3
)

// picture draws the story on a terminal: a frame takes the place of the one before.
type picture struct {
	size   func() (columns, rows int)
	paint  bool
	height int // rows of the last frame
}

// frame is what draws the scene.
func (p *picture) frame(s *scene) string {
	columns, _ := p.size()
	var b strings.Builder
	if p.height > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.height)
	}
	rows := p.draw(s, max(columns, narrowest))
	for _, row := range rows {
		b.WriteString("\r" + row + "\x1b[K\n")
	}
	p.height = len(rows)
	b.WriteString("\x1b[J") // of a frame that was higher
	return b.String()
}

// draw makes the rows of a frame, none of them as wide as the columns: some terminals wrap what is.
func (p *picture) draw(s *scene, columns int) []string {
	t := timeline{cells: min(columns, 120) - 1 - nameWidth - 2 - statusWidth, end: max(s.negativeTTL*11/10, s.now)}
	legend := fmt.Sprintf("%c no  %c has the record", markNo, markYes)
	all := []string{
		p.row("", cells(t.axis(s.tick)), legend),
		p.row("change", t.change(s), s.changeStatus()),
	}
	for i := range s.rows {
		r := &s.rows[i]
		if i == len(s.takeUp) {
			all = append(all, "")
		}
		all = append(all, p.row(r.name, t.bar(s, r), s.status(r)))
	}
	all = append(all, "")
	caption := wrapped(s.caption(), min(columns, widest)-1, 0)
	for len(caption) < captionRows && !s.over() { // the last frame needs no room for others
		caption = append(caption, "")
	}
	return append(all, caption...)
}

func (p *picture) row(name string, bar cells, status string) string {
	return strings.TrimRight(fmt.Sprintf("%-*s%s  %s", nameWidth, name, bar.text(p.paint), status), " ")
}

func (s *scene) changeStatus() string {
	if at, ok := s.inSync(); ok {
		return "INSYNC after " + seconds(s.after(at))
	}
	if s.published > 0 {
		return "PENDING"
	}
	return ""
}

// status is what a server says now, in at most statusWidth columns.
func (s *scene) status(r *row) string {
	switch {
	case r.last.verdict == silence:
		return "no answer"
	case r.last.verdict == yes:
		at, _ := r.visible()
		return r.last.address + " after " + seconds(s.after(at))
	case r.recursive:
		return "NXDOMAIN for " + more(r.last.left)
	}
	return "NXDOMAIN"
}

// caption says what can be seen.
func (s *scene) caption() string {
	if s.published == 0 {
		text := "Asked too early: there is no such name yet."
		if why := s.notyet().last.why; why != "" {
			text += fmt.Sprintf(" notyet explains: \"%s\"", s.named(why))
		}
		return text
	}
	if s.over() {
		return "All have the record."
	}
	text := fmt.Sprintf("Published, and PENDING: %d of 4 name servers have the record.", s.have())
	if _, ok := s.inSync(); ok {
		text = "INSYNC: all four name servers have the record."
	}
	does := " ask them"
	if s.notyet().last.verdict == yes {
		text += " notyet asks them, and has it."
		does = ""
	}
	if s.plain().last.verdict == no {
		text += fmt.Sprintf(" plain does not%s: it keeps its \"no\" for %s.", does, more(s.left()))
	}
	return text
}
