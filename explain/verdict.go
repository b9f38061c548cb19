package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Verdict is what the facts come to.
type Verdict struct {
	Code     Code     `json:"code"`
	Sentence string   `json:"sentence"`
	Next     []string `json:"next"` // what to do
}

// Code is the kind of a verdict. Codes stay as they are.
type Code string

// The verdicts.
const (
	Fine              Code = "fine"               // it resolves everywhere
	CachedNo          Code = "cached-no"          // it is there, and a cache still denies it
	CachedYes         Code = "cached-yes"         // it is gone, and a cache still has it
	NotThereYet       Code = "not-there-yet"      // no authority has it
	Propagating       Code = "propagating"        // some authorities have it
	NoSuchZone        Code = "no-such-zone"       // a label above the name does not exist
	TypeMissing       Code = "type-missing"       // the name is there, the type is not
	CNAMEToNowhere    Code = "cname-to-nowhere"   // the target of its CNAME is missing
	NotRegistered     Code = "not-registered"     // the registrable domain is not delegated
	MissingDelegation Code = "missing-delegation" // servers have it, and nobody refers to them
	PrivateZone       Code = "private-zone"       // a resolver has a zone of its own
	Filtered          Code = "filtered"           // a resolver answers on purpose as it does
	PortBlocked       Code = "port-53-blocked"    // authorities cannot be asked from here
	LameServers       Code = "lame-servers"       // authorities do not serve the zone
	Bogus             Code = "bogus"              // a resolver finds its signatures wrong
	ServerFailure     Code = "servfail"           // a resolver cannot resolve it
	Undecided         Code = "unknown"            // too little could be found out
)

// conclude gives the verdict that follows from the facts.
func conclude(f *Facts) Verdict {
	for _, rule := range []func(*Facts) *Verdict{
		missingDelegation, privateZone, filtered, unheard, propagating, gone, resolversFail, cachedNo, someLame,
	} {
		if v := rule(f); v != nil {
			return *v
		}
	}
	s := fmt.Sprintf("%s resolves: %s", f.question(), f.everywhere())
	return Verdict{Code: Fine, Sentence: s, Next: []string{}}
}

func verdict(code Code, sentence string, next ...string) *Verdict {
	return &Verdict{Code: code, Sentence: sentence, Next: next}
}

// question is the question in words.
func (f *Facts) question() string { return words(f.Name) + " " + f.Type }

// end is the last name of the chain.
func (f *Facts) end() *Step { return &f.Steps[len(f.Steps)-1] }

// zone is the zone that the step's name lives in, or nil.
func (s *Step) zone() *Zone {
	if len(s.Zones) == 0 {
		return nil
	}
	return &s.Zones[len(s.Zones)-1]
}

// which are the names of the step's servers that match.
func (s *Step) which(match func(*Server) bool) (names []string) {
	for i := range s.Servers {
		if match(&s.Servers[i]) {
			names = append(names, s.Servers[i].Name)
		}
	}
	return names
}

func (s *Step) count(match func(*Server) bool) int { return len(s.which(match)) }

func has(s *Server) bool      { return s.Says == Positive }
func silent(s *Server) bool   { return s.Says == Silent }
func away(s *Server) bool     { return s.Says == Away }
func denying(s *Server) bool  { return s.denies() }
func nameless(s *Server) bool { return s.Says == NXDOMAIN }
func isLame(s *Server) bool   { return s.Says == Lame || s.Says == Referral }
func heard(s *Server) bool    { return s.counts() }

// denied reports whether the step's authorities deny it, all that count.
func (s *Step) denied() bool { return s.count(denying) > 0 && s.count(has) == 0 }

// there reports whether the authorities of every step have it, all that count.
func (f *Facts) there() bool {
	return !slices.ContainsFunc(f.Steps, func(s Step) bool { return s.count(has) == 0 || s.count(denying) > 0 })
}

// everywhere says who has it, when nobody is known not to.
func (f *Facts) everywhere() string {
	s := "all its name servers have it (" + list(f.Steps[0].which(has)) + ")"
	if n := f.Steps[0].count(has); n == 1 {
		s = "its name server has it (" + f.Steps[0].which(has)[0] + ")"
	}
	var known, unknown []string
	for _, v := range f.views() {
		if v.positive() {
			known = append(known, v.who())
		} else {
			unknown = append(unknown, v.who())
		}
	}
	if len(known) > 0 {
		s += ", and so " + be(known, "does", "do") + " " + list(known)
	}
	if len(unknown) > 0 {
		s += "; what " + list(unknown) + " " + be(unknown, "has", "have") + " cached is not known"
	}
	return s
}

func be(who []string, one, many string) string {
	if len(who) == 1 {
		return one
	}
	return many
}

// positive reports whether the resolver is known to have the answer.
func (v *View) positive() bool {
	return v.Cached.State == Positive || v.Answer != nil && v.Answer.Says == Positive
}

// no is the SOA of the resolver's denial, if it is known to deny; denies is true also without one.
func (v *View) no() (soa *SOA, denies bool) {
	switch {
	case v.Answer != nil && (v.Answer.Says == NXDOMAIN || v.Answer.Says == NODATA):
		return v.Answer.SOA, true
	case v.Answer == nil && v.Cached.negative():
		return v.Cached.SOA, true
	}
	return nil, false
}

// missingDelegation: a server that was named has the name in a zone of which the servers above do not know.
func missingDelegation(f *Facts) *Verdict {
	first := &f.Steps[0]
	if first.count(has) > 0 {
		return nil
	}
	var found []Given
	for _, g := range f.Given {
		if g.counts() && !slices.ContainsFunc(first.Servers, func(s Server) bool { return s.Address == g.Address }) {
			found = append(found, g)
		}
	}
	if z := first.zone(); z != nil && len(found) > 0 && z.Apex == "." {
		return nil
	}
	for _, g := range found {
		z := first.zone()
		switch {
		case z != nil && g.Zone != z.Apex && dns.IsSubDomain(z.Apex, g.Zone) && first.count(denying) > 0:
			return verdict(MissingDelegation, fmt.Sprintf("%s has the zone %s, but the servers of %s do not refer to it: the delegation is missing",
				address(g.Address), words(g.Zone), words(z.Apex)),
				fmt.Sprintf("add NS records for %s to the zone %s, with the names of its servers", words(g.Zone), words(z.Apex)))
		case z != nil && g.Zone == z.Apex && g.Says == Positive:
			return verdict(MissingDelegation, fmt.Sprintf("%s has %s, but is not among the servers that %s is delegated to (%s)",
				address(g.Address), f.question(), words(z.Apex), list(first.which(func(*Server) bool { return true }))),
				fmt.Sprintf("publish it at those servers, or change the NS of %s in the zone above it", words(z.Apex)))
		}
	}
	return nil
}

// propagating: the authorities of a step are not at one.
func propagating(f *Facts) *Verdict {
	for i := range f.Steps {
		s := &f.Steps[i]
		have, lack := s.which(has), s.which(denying)
		if len(have) == 0 || len(lack) == 0 {
			continue
		}
		return verdict(Propagating, fmt.Sprintf("%s is on its way: %d of %d name servers %s it, %s %s not yet",
			words(s.Name)+" "+f.Type, len(have), len(have)+len(lack), be(have, "has", "have"), list(lack), be(lack, "does", "do")),
			"wait for the rest: "+f.wait(s),
			fmt.Sprintf("if that takes longer than the zone's refresh (%s), see why %s %s not take up the change",
				span(s.refresh()), list(lack), be(lack, "does", "do")))
	}
	return nil
}

func (s *Step) refresh() uint32 {
	if z := s.zone(); z != nil && z.SOA != nil {
		return z.SOA.Refresh
	}
	return 0
}

// wait is the command that waits for the step.
func (f *Facts) wait(s *Step) string {
	return strings.TrimSpace("notyet wait " + words(s.Name) + " " + f.Type)
}
