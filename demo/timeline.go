package demo

import (
	"fmt"
	"strings"
	"time"
)

// timeline divides the time that is drawn into cells.
type timeline struct {
	cells int
	end   time.Duration
}

// at is the last moment of a cell.
func (t timeline) at(cell int) time.Duration {
	return t.end * time.Duration(cell+1) / time.Duration(t.cells)
}

// axis writes the seconds over the cells.
func (t timeline) axis(tick time.Duration) string {
	axis := []byte(strings.Repeat(" ", t.cells))
	for at := time.Duration(0); at < t.end; at += tick {
		i := int(at * time.Duration(t.cells) / t.end)
		if label := fmt.Sprintf("%.0fs", at.Seconds()); i+len(label) <= len(axis) {
			copy(axis[i:], label)
		}
	}
	return string(axis)
}

// cells are the marks of a bar; a space is time to come.
type cells []rune

const (
	markNo      = '·'
	markYes     = '█'
	markPending = '░'
	markSilence = '?'
)

// colours of the marks, as terminals number them.
var colours = map[rune]int{markNo: 31, markYes: 32, markPending: 33}

func (c cells) text(paint bool) string {
	if !paint {
		return string(c)
	}
	var b strings.Builder
	last := 0
	for _, mark := range c {
		if colour := colours[mark]; colour != last {
			fmt.Fprintf(&b, "\x1b[%dm", colour)
			last = colour
		}
		b.WriteRune(mark)
	}
	if last != 0 {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// drawn makes a bar up to the present of what mark says of each moment.
func (t timeline) drawn(now time.Duration, mark func(time.Duration) rune) cells {
	bar := cells(strings.Repeat(" ", t.cells))
	for i := range bar {
		if i > 0 && t.at(i-1) > now {
			break
		}
		bar[i] = mark(min(t.at(i), now))
	}
	return bar
}

// bar shows what a server said.
func (t timeline) bar(s *scene, r *row) cells {
	marks := map[verdict]rune{silence: markSilence, no: markNo, yes: markYes}
	return t.drawn(s.now, func(at time.Duration) rune { return marks[r.at(at)] })
}

// change shows how far the change is.
func (t timeline) change(s *scene) cells {
	inSync, ok := s.inSync()
	return t.drawn(s.now, func(at time.Duration) rune {
		switch {
		case s.published == 0 || at < s.published:
			return ' '
		case ok && at >= inSync:
			return markYes
		}
		return markPending
	})
}
