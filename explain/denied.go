package explain

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// gone: the authorities of a step all deny it.
func gone(f *Facts) *Verdict {
	for i := range f.Steps {
		if s := &f.Steps[i]; s.denied() {
			if v := cachedYes(f); v != nil {
				return v
			}
			return f.missing(s, i > 0)
		}
	}
	if on := f.end().Target; on != "" { // it was not followed
		return verdict(CNAMEToNowhere, fmt.Sprintf("the CNAMEs of %s lead nowhere: from %s on to %s, in a circle or over more than %d names",
			words(f.Name), words(f.end().Name), words(on), maxSteps), "correct the CNAME of "+words(f.end().Name))
	}
	return nil
}

// missing is the verdict on a step that is denied; chained: a CNAME leads there.
func (f *Facts) missing(s *Step, chained bool) *Verdict {
	zone := s.zone().Apex
	switch {
	case chained:
		return verdict(CNAMEToNowhere, fmt.Sprintf("%s is a CNAME to %s, which has no %s: the servers of its zone %s say %s",
			words(f.Name), words(s.Name), f.Type, words(zone), s.denial()),
			fmt.Sprintf("publish %s %s in the zone %s, or correct the CNAME of %s", words(s.Name), f.Type, words(zone), words(f.Steps[len(f.Steps)-2].Name)))
	case f.outside(zone):
		return f.notRegistered(s, zone)
	case s.count(nameless) == 0:
		return f.typeMissing(s)
	case s.Missing != "" && s.Missing != s.Name && !f.isAwaited(s.Missing):
		v := verdict(NoSuchZone, fmt.Sprintf("%s falls into the zone %s, in which there is no %s: neither records nor a delegation%s",
			words(s.Name), words(zone), words(s.Missing), didYouMean(s)),
			fmt.Sprintf("if %s is a zone of its own, add its NS records to %s", words(s.Missing), words(zone)),
			"otherwise check the spelling, or publish the record: "+f.wait(s))
		return v
	}
	next := []string{fmt.Sprintf("publish it in the zone %s, and wait for it without spoiling a cache: %s", words(zone), f.wait(s))}
	return verdict(NotThereYet, fmt.Sprintf("%s is not there yet: %s of %s %s NXDOMAIN%s%s",
		f.question(), s.allServers(), words(zone), s.say(), didYouMean(s), f.andCaches()), append(next, f.flush()...)...)
}

// isAwaited reports whether the running notyet has the missing name, or one below it, under watch: whoever did that knows that it
// is not there yet.
func (f *Facts) isAwaited(missing string) bool {
	return f.Notyet != nil && f.Notyet.Watch != "" && dns.IsSubDomain(missing, f.Notyet.Watch)
}

// outside reports whether the zone is above the registrable domain: nobody has delegated that.
func (f *Facts) outside(zone string) bool { return zone != f.Domain && dns.IsSubDomain(zone, f.Domain) }

func (f *Facts) notRegistered(s *Step, zone string) *Verdict {
	if s.count(nameless) == 0 {
		return verdict(MissingDelegation, fmt.Sprintf("%s is known to the servers of %s, but they delegate it to nobody", words(f.Domain), words(zone)),
			fmt.Sprintf("set the name servers of %s at its registrar", words(f.Domain)))
	}
	return verdict(NotRegistered, fmt.Sprintf("%s is not registered, or has no name servers: the servers of %s say that there is no such domain",
		words(f.Domain), words(zone)),
		"check the spelling of "+words(f.Domain),
		"if it is yours, see at the registrar whether it has expired or lacks name servers")
}

func (f *Facts) typeMissing(s *Step) *Verdict {
	name := words(s.Name)
	if len(s.Types) == 0 {
		return verdict(TypeMissing, fmt.Sprintf("%s exists, but has no %s, nor any of %s%s",
			name, f.Type, strings.Join(typesOfInterest(f.Type), ", "), f.andCaches()),
			fmt.Sprintf("publish %s %s, or ask for a name below it; wait for it: %s", name, f.Type, f.wait(s)))
	}
	return verdict(TypeMissing, fmt.Sprintf("%s exists, but has no %s: it has %s%s", name, f.Type, list(s.Types), f.andCaches()),
		fmt.Sprintf("ask for %s, or publish %s %s and wait for it: %s", list(s.Types), name, f.Type, f.wait(s)))
}

// cachedYes: the authorities deny what a resolver has.
func cachedYes(f *Facts) *Verdict {
	for _, v := range f.views() {
		if v.Cached.State != Positive || v.Cached.Own || v.Cached.Left == nil {
			continue
		}
		left := span(max(*v.Cached.Left, 1)) // it is not over yet
		return verdict(CachedYes, fmt.Sprintf("%s is not at its name servers any more, or only in a view of its own at %s, which has it for another %s",
			f.question(), v.who(), left),
			fmt.Sprintf("ask again in %s: if it is still there then, the resolver has it from somewhere else", left))
	}
	return nil
}

// denial is what the servers say that deny the step.
func (s *Step) denial() string {
	if s.count(nameless) > 0 {
		return "NXDOMAIN"
	}
	return "NODATA"
}

func (s *Step) say() string { return be(s.which(denying), "says", "say") }

// allServers are those that deny the step.
func (s *Step) allServers() string {
	switch n := s.count(denying); n {
	case 1:
		return "the server"
	case 2:
		return "both servers"
	default:
		return fmt.Sprintf("all %d servers", n)
	}
}

// andCaches says who has heard the denial already.
func (f *Facts) andCaches() string {
	var all []string
	for _, v := range f.views() {
		switch c := v.Cached; {
		case !c.negative() || c.Left == nil || c.Own:
		case *c.Left == 0:
			all = append(all, v.who()+" has heard that and forgets it now")
		default:
			all = append(all, fmt.Sprintf("%s has heard that and keeps it for another %s", v.who(), span(*c.Left)))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "; " + list(all)
}

// flush says how to get rid of what the resolvers deny.
func (f *Facts) flush() (next []string) {
	for _, v := range f.views() {
		switch {
		case !v.Cached.negative():
		case v.Notyet:
			for _, line := range f.forget() {
				next = append(next, "when it is published "+line)
			}
			return next
		case len(next) == 0:
			next = append(next, fmt.Sprintf("when it is published flush %s there, if you may: unbound-control flush, rndc flushname", words(f.Name)))
		}
	}
	return next
}

func didYouMean(s *Step) string {
	if len(s.Near) == 0 {
		return ""
	}
	near := make([]string, len(s.Near))
	for i, n := range s.Near {
		near[i] = words(n)
	}
	return " (there is " + list(near) + ")"
}

// typesOfInterest are the types that a name is looked at for when it does not have the one that was asked for.
func typesOfInterest(besides string) (all []string) {
	for _, t := range []string{"A", "AAAA", "CNAME", "TXT", "MX"} {
		if t != besides {
			all = append(all, t)
		}
	}
	return all
}
