package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// telling is how people are told the story.
type telling struct {
	out     io.Writer
	width   int // of the text, in columns
	lines   *lines
	picture *picture // nil: the story is told in lines
}

func newTelling(c Config) *telling {
	t := &telling{out: c.Out, width: widest}
	if c.Size == nil {
		t.lines = &lines{width: t.width}
		return t
	}
	columns, rows := c.Size()
	t.width = min(widest, max(columns-1, 40)) // some terminals wrap what is as wide as they are
	if columns < narrowest || rows < lowest {
		t.lines = &lines{width: t.width}
	} else {
		t.picture = &picture{size: c.Size, paint: c.Colour}
	}
	return t
}

// show tells what is new in the scene.
func (t *telling) show(s *scene) error {
	if t.picture != nil {
		return t.write(t.picture.frame(s))
	}
	return t.write(t.lines.news(s))
}

// leave makes room for what is said in the place of an end.
func (t *telling) leave() {
	if t.picture != nil {
		_ = t.write("\r\x1b[K") // over the ^C that the terminal has written
	}
}

func (t *telling) write(text string) error {
	if text == "" {
		return nil
	}
	_, err := io.WriteString(t.out, text)
	return err
}

// open says who takes part.
func (t *telling) open(s *scene) error {
	var b strings.Builder
	t.paragraph(&b, "Somebody asks for a name a moment before its record is published.")
	b.WriteByte('\n')
	t.item(&b, "ns1-ns4", fmt.Sprintf("the name servers of %s; a change reaches one after the other, and a \"no\" may be kept for %s (RFC 2308)",
		plainName(apex), whole(s.negativeTTL)))
	t.item(&b, "plain", fmt.Sprintf("on %v, a resolver that keeps a \"no\" as long as it may", s.plain().addr))
	t.item(&b, "notyet", fmt.Sprintf("on %v, forwards to plain, watches %s", s.notyet().addr, plainName(apex)))
	b.WriteByte('\n')
	t.paragraph(&b, fmt.Sprintf("All run in this process. Each is asked for %s ten times a second, over UDP, and this is what they answer:", plainName(qname)))
	b.WriteByte('\n')
	return t.write(b.String())
}

// end says what has been seen, and what to do next.
func (t *telling) end(s *scene, r Result) error {
	var b strings.Builder
	b.WriteByte('\n')
	t.paragraph(&b, "From publishing until a client could have the record:")
	fmt.Fprintf(&b, "\n  notyet  %7s\n  plain   %7s\n\n", seconds(r.Notyet), seconds(r.Plain))
	t.paragraph(&b, moral(r))
	b.WriteByte('\n')
	t.paragraph(&b, fmt.Sprintf("Here a \"no\" lives for %s; in real zones it is minutes to hours. Watch yours, and ask for a name in it:", whole(s.negativeTTL)))
	fmt.Fprintf(&b, "\n  notyet serve --watch %s\n  dig @127.0.0.1 -p 1053 %s\n", plainName(apex), plainName(qname))
	return t.write(b.String())
}

// moral says why the two times differ.
func moral(r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Both were asked %s too early, and both said no. plain kept that \"no\" for the %s that it may", seconds(r.Published), whole(r.NegativeTTL))
	if longer := r.Plain - r.InSync; longer > 0 {
		fmt.Fprintf(&b, ", and went on saying it for %s after all name servers had the record", seconds(longer))
	}
	b.WriteString(". notyet forwards to plain, but asks a zone under watch at its own name servers, and had the record ")
	first := slices.MinFunc(r.Servers, func(a, b Server) int { return int(a.Has - b.Has) }).Has
	if later := r.Notyet - first; later < interval {
		b.WriteString("as soon as the first of them.")
	} else {
		fmt.Fprintf(&b, "%s after the first of them.", seconds(later))
	}
	return b.String()
}

func (t *telling) paragraph(b *strings.Builder, text string) {
	for _, line := range wrapped(text, t.width, 0) {
		b.WriteString(line + "\n")
	}
}

// item explains a term.
func (t *telling) item(b *strings.Builder, term, text string) {
	const indent = 11
	lines := wrapped(text, t.width-indent, 0)
	fmt.Fprintf(b, "  %-8s %s\n", term, lines[0])
	for _, line := range lines[1:] {
		b.WriteString(strings.Repeat(" ", indent) + line + "\n")
	}
}

// plainName is a name without its final dot.
func plainName(name string) string { return strings.TrimSuffix(name, ".") }

// named writes the names of the servers in the place of their addresses, which mean little to people.
func (s *scene) named(text string) string {
	var pairs []string
	for i := range s.rows {
		pairs = append(pairs, s.rows[i].addr.String(), s.rows[i].name)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// left is for how much longer the plain resolver says no.
func (s *scene) left() time.Duration { return s.plain().last.left }
