package explain

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Write writes the facts and the verdict for people. With colour it has the escape sequences of a terminal.
func (f *Facts) Write(w io.Writer, colour bool) error {
	p := &page{colour: colour}
	for i := range f.Steps {
		f.writeStep(p, &f.Steps[i])
	}
	for i := range f.Given {
		g := &f.Given[i]
		what := g.inWords()
		if g.Zone != "" {
			what += ", in the zone " + words(g.Zone)
		}
		p.row("given", address(g.Address), p.tone(&g.Server), what)
	}
	f.writeResolvers(p, "resolvers", false)
	f.writeNotyet(p)
	f.writeResolvers(p, "behind it", true)
	p.flush()
	tone := red
	if f.Verdict.Code == Fine {
		tone = green
	}
	fmt.Fprintf(&p.text, "\n%s\n", p.paint(tone, f.Verdict.Sentence))
	for _, next := range f.Verdict.Next {
		fmt.Fprintf(&p.text, "  - %s\n", next)
	}
	_, err := io.WriteString(w, p.text.String())
	return err
}

func (f *Facts) writeStep(p *page, s *Step) {
	p.flush()
	if p.text.Len() > 0 {
		p.text.WriteString("\n")
	}
	p.text.WriteString(p.paint(bold, words(s.Name)+" "+f.Type) + "\n")
	for i := range s.Zones {
		z := &s.Zones[i]
		if i < len(s.Zones)-1 && z.Apex != f.Domain {
			continue // of those above everybody knows
		}
		f.writeZone(p, z, s, i)
	}
	for i := range s.Servers {
		server := &s.Servers[i]
		p.row("servers", server.Name, p.tone(server), server.inWords())
	}
	if len(s.Types) > 0 {
		p.row("types", words(s.Name), none, "has "+list(s.Types))
	}
}

func (f *Facts) writeZone(p *page, z *Zone, s *Step, i int) {
	switch {
	case z.SOA != nil:
		p.row("zone", words(z.Apex), none, z.SOA.inWords())
	case z.Fault != "":
		p.row("zone", words(z.Apex), red, "cannot be asked: "+z.Fault)
	}
	if len(z.NS) > 0 {
		names := make([]string, len(z.NS))
		for k, n := range z.NS {
			names[k] = words(n)
		}
		by := "served by "
		if z.Delegated != nil {
			by = "delegated by " + words(s.Zones[i-1].Apex) + " to "
		}
		p.row("zone", words(z.Apex), none, by+list(names))
	}
	if signed := z.signed(); signed != "" {
		p.row("zone", words(z.Apex), none, signed)
	}
}

// signed says whether the zone is signed, as far as it is known.
func (z *Zone) signed() string {
	switch {
	case z.DNSKEY == nil:
		return ""
	case !*z.DNSKEY && z.DS != nil && *z.DS:
		return "not signed, although the zone above has a DS: who validates cannot resolve it"
	case !*z.DNSKEY:
		return "not signed"
	case z.DS == nil:
		return "signed; whether the zone above has a DS is not known"
	case *z.DS:
		return "signed, with a DS in the zone above"
	}
	return "signed, without a DS in the zone above: nobody validates it"
}

// inWords is what the server says.
func (s *Server) inWords() string {
	switch {
	case s.Says == Positive:
		return strings.Join(s.Records, "; ")
	case s.denies():
		return strings.ToUpper(s.Says)
	}
	return s.Why
}

// writeResolvers writes what resolvers have: those of this machine, or those behind the running notyet.
func (f *Facts) writeResolvers(p *page, what string, behind bool) {
	for i := range f.Resolvers {
		v := &f.Resolvers[i]
		if v.Behind != behind {
			continue
		}
		tone := none
		switch {
		case v.Cached.negative():
			tone = red
		case v.Cached.State == Positive:
			tone = green
		}
		p.row(what, address(v.Address), tone, v.Cached.inWords(f.publicSOA(v.Cached.SOA)))
		if v.Cached.State == Positive {
			p.row(what, address(v.Address), none, strings.Join(v.Cached.Records, "; "))
		}
		if soa := f.otherSOA(v); soa != nil {
			p.row(what, address(v.Address), red, "has another zone "+words(soa.Owner)+": "+soa.inWords())
		}
		if v.Notyet {
			p.row(what, address(v.Address), none, "is the notyet that is running")
		}
		if v.Answer != nil {
			p.row(what, address(v.Address), none, "asked, says "+v.Answer.inWords())
		}
	}
}

// inWords is what the resolver answers.
func (a *Answer) inWords() string {
	s := a.Rcode
	switch {
	case a.Why != "":
		s = "nothing: " + a.Why
	case a.Says == Positive:
		s = strings.Join(a.Records, "; ")
	case a.Says == NODATA:
		s = "NODATA"
	}
	for i := range a.EDE {
		s += " (" + a.EDE[i].inWords() + ")"
	}
	if a.Unchecked {
		s += ", and without validation it has an answer"
	}
	if left := a.keeps(); left != nil {
		s += ", and keeps that for another " + span(*left) + " = min(SOA TTL " + strconv.Itoa(int(a.SOA.TTL)) + ", MINIMUM " + strconv.Itoa(int(a.SOA.Minimum)) + ")"
	}
	return s
}

// keeps is for how many seconds more a denial is kept; nil: it does not say, or it is none.
func (a *Answer) keeps() *uint32 {
	if a.SOA == nil || a.Says != NXDOMAIN && a.Says != NODATA {
		return nil
	}
	left := min(a.SOA.TTL, a.SOA.Minimum)
	return &left
}

// A tone is a colour's escape sequence.
type tone string

const (
	none  tone = ""
	bold  tone = "\x1b[1m"
	red   tone = "\x1b[31m"
	green tone = "\x1b[32m"
	reset      = "\x1b[0m"
)

// page is a text of rows in columns.
type page struct {
	colour bool
	text   strings.Builder
	rows   [][3]string
	tones  []tone
}

func (p *page) paint(t tone, s string) string {
	if !p.colour || t == none {
		return s
	}
	return string(t) + s + reset
}

func (p *page) tone(s *Server) tone {
	if s.Says == Positive {
		return green
	}
	return red
}

func (p *page) row(what, who string, t tone, says string) {
	p.rows, p.tones = append(p.rows, [3]string{what, who, says}), append(p.tones, t)
}

// flush writes the rows. What a row has in common with the one above it is left out.
func (p *page) flush() {
	var width [2]int
	for _, row := range p.rows {
		for c := range width {
			width[c] = max(width[c], utf8.RuneCountInString(row[c]))
		}
	}
	last := [3]string{}
	for i, row := range p.rows {
		what, who := row[0], row[1]
		if what == last[0] {
			if what = ""; who == last[1] {
				who = ""
			}
		}
		line := fmt.Sprintf("  %-*s  %-*s  %s", width[0], what, width[1], who, p.paint(p.tones[i], row[2]))
		p.text.WriteString(strings.TrimRight(line, " ") + "\n")
		last = row
	}
	p.rows, p.tones = nil, nil
}
