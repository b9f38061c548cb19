package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"notyet/explain/wait"
)

// waitProgress shows how a wait stands. It is safe for concurrent use.
type waitProgress struct {
	out    io.Writer
	gone   bool
	screen *terminal // nil: plain lines, one for each change
	colour bool

	mu    sync.Mutex   // guards all below, and what is written
	drawn int          // lines on the screen
	last  *wait.Report // as it was shown last
	at    time.Time    // when that was
}

// progress is nil when nothing is to be shown on the way.
func (f *waitFlags) progress(out io.Writer) *waitProgress {
	if f.json {
		return nil
	}
	p := &waitProgress{out: out, gone: f.gone, last: new(wait.Report)}
	if t, ok := terminalOf(out); ok {
		p.screen, p.colour = &t, coloured()
	}
	return p
}

// show brings what is shown up to date. That nobody reads it hinders no wait.
func (p *waitProgress) show(r *wait.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen != nil {
		columns, rows := p.screen.size()
		p.draw(r, columns, rows)
	} else {
		p.write(r)
	}
	p.last, p.at = r, time.Now()
}

// run keeps the clock on a screen going until it is ended, every second from the wait's beginning on.
func (p *waitProgress) run() (end func()) {
	if p == nil || p.screen == nil {
		return func() {}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		seconds := time.NewTicker(time.Second)
		defer seconds.Stop()
		for {
			select {
			case <-seconds.C:
				p.tick()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		stop()
		<-done
	}
}

// tick shows what was shown last, at the time that it is now.
func (p *waitProgress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.last.Names) == 0 {
		return // nothing has been shown
	}
	now := *p.last
	now.Took += wait.Took(time.Since(p.at))
	columns, rows := p.screen.size()
	p.draw(&now, columns, rows)
}

// write writes a line for each server that says something new.
func (p *waitProgress) write(r *wait.Report) {
	for _, n := range r.Names {
		old := p.name(n.Name)
		if n.Fault != "" && n.Fault != old.Fault {
			fmt.Fprintf(p.out, "%6s  %s: %s\n", seconds(r.Took), withoutDot(n.Name), n.Fault)
		}
		for _, s := range n.Servers {
			if slices.ContainsFunc(old.Servers, func(o wait.Server) bool {
				return o.Name == s.Name && o.State == s.State && slices.Equal(o.Says, s.Says)
			}) {
				continue
			}
			about := ""
			if n.Name != r.Name {
				about = withoutDot(n.Name) + " at "
			}
			fmt.Fprintf(p.out, "%6s  %s%s: %s%s\n", seconds(s.After), about, s.Name, p.state(s), says(s))
		}
	}
}

// name is what was shown of a name, or nothing.
func (p *waitProgress) name(name string) wait.Name {
	for _, n := range p.last.Names {
		if n.Name == name {
			return n
		}
	}
	return wait.Name{}
}

// state is what a server has to do with the wait, in words.
func (p *waitProgress) state(s wait.Server) string {
	switch {
	case s.State == wait.Ready && s.Target != "":
		return "leads on"
	case s.State == wait.Ready && p.gone:
		return "gone"
	case s.State == wait.Ready:
		return "has it"
	case s.State == wait.Behind && p.gone:
		return "has it still"
	case s.State == wait.Behind:
		return "not yet"
	case s.State == wait.Lame:
		return "of no use"
	case s.State == wait.Silent:
		return "silent"
	case s.State == wait.Absent:
		return "passed over"
	}
	return "asked"
}

// colours of the states, as in SGR.
var colours = map[wait.State]int{wait.Ready: 32, wait.Behind: 33, wait.Lame: 31, wait.Silent: 31}

func says(s wait.Server) string {
	if len(s.Says) == 0 {
		return ""
	}
	return " (" + strings.Join(s.Says, ", ") + ")"
}

// row is a line of the screen, in parts that are aligned.
type row struct {
	server, state, rest string // only server: a head
	colour              int    // of state; 0: none
}

func (p *waitProgress) rows(r *wait.Report) (rows []row) {
	for i, n := range r.Names {
		head := withoutDot(n.Name) + " " + r.Type
		if i == 0 {
			head += "  " + seconds(r.Took)
		}
		if n.Fault != "" {
			head += ": " + n.Fault
		}
		rows = append(rows, row{server: head})
		for _, s := range n.Servers {
			rest := strings.Join(s.Says, ", ")
			if s.State == wait.Ready {
				rest += " after " + seconds(s.After)
			}
			rows = append(rows, row{"  " + s.Name, p.state(s), rest, colours[s.State]})
		}
	}
	return rows
}

// draw puts the lines in the place of those before. None is longer than the screen is wide, nor are there more than fit, so that
// it can be found where it was.
func (p *waitProgress) draw(r *wait.Report, columns, height int) {
	all := p.rows(r)
	if most := max(height-1, 1); len(all) > most {
		all = append(all[:most-1:most-1], row{server: fmt.Sprintf("and %d more lines", len(all)-most+1)})
	}
	wide := []int{0, 0}
	for _, l := range all {
		if l.state != "" {
			wide[0], wide[1] = max(wide[0], len(l.server)), max(wide[1], len(l.state))
		}
	}
	var b strings.Builder
	if p.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.drawn)
	}
	for _, l := range all {
		b.WriteString(p.line(l, wide, columns) + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	p.drawn = len(all)
	io.WriteString(p.out, b.String())
}

// line is a row as it is drawn. Where there is no room for all, the server's name is cut before its state is.
func (p *waitProgress) line(l row, wide []int, columns int) string {
	room := columns - 1
	if l.state == "" {
		return cut(l.server, room)
	}
	server := min(wide[0], max(room-wide[1]-2, 1))
	if room -= server + 2; room < 1 {
		return cut(l.server, columns-1)
	}
	state := cut(l.state, room)
	if p.colour && l.colour != 0 {
		state = "\x1b[" + strconv.Itoa(l.colour) + "m" + state + "\x1b[m"
	}
	text := fmt.Sprintf("%-*s  %s", server, cut(l.server, server), state)
	if room -= wide[1] + 2; room > 0 && l.rest != "" {
		text += strings.Repeat(" ", wide[1]+2-len(l.state)) + cut(l.rest, room)
	}
	return text
}

// cut shortens a text to so many columns.
func cut(text string, columns int) string {
	if len(text) <= columns {
		return text
	}
	return text[:max(columns-1, 0)] + "…"
}

// seconds writes 0.3s or 12.4s.
func seconds(t wait.Took) string {
	return strconv.FormatFloat(time.Duration(t).Seconds(), 'f', 1, 64) + "s"
}
