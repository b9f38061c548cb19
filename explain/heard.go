package explain

import (
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// privateZone: a resolver has a zone of its own in the place of the public one, or where there is none.
func privateZone(f *Facts) *Verdict {
	public := f.there()
	for _, v := range f.views() {
		if public && v.positive() {
			continue // whoever asks gets an answer
		}
		at := v.who()
		if soa := f.otherSOA(v); soa != nil {
			return verdict(PrivateZone, fmt.Sprintf("%s has a zone %s of its own (%s), not the public one%s",
				at, words(soa.Owner), soa.inWords(), f.inPrivate(v)),
				fmt.Sprintf("publish %s in that zone, or ask a resolver that does not have it", f.question()))
		}
		if !v.positive() {
			continue
		}
		switch {
		case v.Cached.Own:
			return verdict(PrivateZone, fmt.Sprintf("%s has %s of its own, and the public name servers do not", at, f.question()), f.privately(at))
		case f.nowhere():
			return verdict(PrivateZone, fmt.Sprintf("%s has %s, and the public DNS has no such zone: %s serves or forwards to a private one", at, f.question(), at),
				f.privately(at))
		}
	}
	unheard := slices.ContainsFunc(f.Resolvers, func(v View) bool { return !v.positive() })
	if z := f.Steps[0].zone(); z != nil && z.Differs && (!public || unheard) {
		return verdict(PrivateZone, fmt.Sprintf("the resolvers have a zone %s of their own: %s", words(z.Apex), z.Fault),
			fmt.Sprintf("publish %s in that zone, or ask a resolver that does not have it", f.question()))
	}
	return nil
}

func (f *Facts) privately(at string) string {
	return fmt.Sprintf("names in it resolve only through %s: that is right on its network and nowhere else", at)
}

// inPrivate says whether the name is in the resolver's own zone.
func (f *Facts) inPrivate(v *View) string {
	if _, denies := v.no(); denies {
		return ": there " + f.question() + " is missing"
	}
	if v.positive() {
		return ": there " + f.question() + " is"
	}
	return ""
}

// nowhere reports whether nobody public serves a zone for the name: the domain is not registered, or cannot be found.
func (f *Facts) nowhere() bool {
	s := &f.Steps[0]
	z := s.zone()
	if z == nil || z.Fault != "" && len(s.Servers) == 0 {
		return true
	}
	return f.outside(z.Apex) && s.denied()
}

// otherSOA is an SOA of the resolver that no public server has for the zone of that name, or nil.
func (f *Facts) otherSOA(v *View) *SOA {
	no, _ := v.no()
	for _, soa := range []*SOA{v.DomainSOA, no} {
		if soa == nil {
			continue
		}
		for i := range f.Steps {
			s := &f.Steps[i]
			for _, z := range s.Zones {
				if z.Apex == soa.Owner && z.SOA != nil && !z.SOA.same(soa) {
					return soa
				}
			}
			if z := s.zone(); z != nil && z.SOA != nil && s.denied() && soa.Owner != z.Apex &&
				dns.IsSubDomain(z.Apex, soa.Owner) && dns.IsSubDomain(soa.Owner, s.Name) {
				return soa // of a zone further down than the public ones go
			}
		}
	}
	return nil
}

// filtered: a resolver says that it answers on purpose, or denies in the name of a zone that the name is not in.
func filtered(f *Facts) *Verdict {
	for _, v := range f.views() {
		at := v.who()
		if v.Answer != nil {
			for _, e := range v.Answer.EDE {
				if e.Code >= dns.ExtendedErrorCodeBlocked && e.Code <= dns.ExtendedErrorCodeProhibited {
					return verdict(Filtered, fmt.Sprintf("%s answers %s for %s on purpose: %s", at, v.Answer.Rcode, f.question(), e.inWords()), f.unfilter(at))
				}
			}
		}
		if soa, _ := v.no(); soa != nil && !slices.ContainsFunc(f.Steps, func(s Step) bool { return dns.IsSubDomain(soa.Owner, s.Name) }) {
			return verdict(Filtered, fmt.Sprintf("%s denies %s in the name of a zone that it is not in, %s: a filter", at, f.question(), words(soa.Owner)), f.unfilter(at))
		}
	}
	return nil
}

func (f *Facts) unfilter(at string) string {
	return fmt.Sprintf("ask whoever runs %s to let %s through, or another resolver", at, words(f.Name))
}

func (e *EDE) inWords() string {
	s := e.Name
	if s == "" {
		s = fmt.Sprintf("extended error %d", e.Code)
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// resolversFail: a resolver that was asked has no answer to what the authorities have.
func resolversFail(f *Facts) *Verdict {
	for _, v := range f.views() {
		if v.Answer == nil || v.Answer.Says != Failure {
			continue
		}
		at, why := v.who(), v.Answer.Rcode
		if why == "" {
			why = "nothing: " + v.Answer.Why
		}
		validation := v.Answer.Unchecked
		for _, e := range v.Answer.EDE {
			why += " (" + e.inWords() + ")"
			validation = validation || e.Code >= dns.ExtendedErrorCodeDNSBogus && e.Code <= dns.ExtendedErrorCodeNSECMissing
		}
		if validation {
			return verdict(Bogus, fmt.Sprintf("%s says %s: it validates, and the signatures of %s do not hold", at, why, words(f.end().zoneName())),
				fmt.Sprintf("compare the DS of %s in the zone above with its DNSKEY, and see that its signatures have not expired", words(f.end().zoneName())))
		}
		return verdict(ServerFailure, fmt.Sprintf("%s says %s, although the name servers have %s", at, why, f.question()),
			fmt.Sprintf("see whether %s reaches the name servers; it may try again within 30 s", at))
	}
	return nil
}

func (s *Step) zoneName() string {
	if z := s.zone(); z != nil {
		return z.Apex
	}
	return s.Name
}

// cachedNo: the authorities have it, and a cache denies it.
func cachedNo(f *Facts) *Verdict {
	for _, v := range f.views() {
		_, denies := v.no()
		switch {
		case !denies:
			continue
		case v.Cached.negative():
			return f.keepsNo(v, &v.Cached)
		}
		c := Cached{State: v.Answer.Says, SOA: v.Answer.SOA, Left: v.Answer.keeps()}
		c.heard(f.publicSOA(c.SOA))
		return f.keepsNo(v, &c)
	}
	if f.Notyet != nil {
		for i := range f.Notyet.Cached {
			if c := &f.Notyet.Cached[i]; c.negative() && c.Type == f.Type {
				return f.keepsNo(&View{Notyet: true}, c)
			}
		}
	}
	return nil
}

// keepsNo is the verdict on a resolver that denies the name.
func (f *Facts) keepsNo(v *View, c *Cached) *Verdict {
	next := []string{}
	switch {
	case c.Left == nil:
	case *c.Left == 0:
		next = append(next, "ask again: that is over by now")
	default:
		until, form := f.Time.Add(time.Duration(*c.Left)*time.Second), time.TimeOnly
		if until.YearDay() != f.Time.YearDay() {
			form = time.DateTime
		}
		next = append(next, "it is over at "+until.Format(form)+": nothing but a flush there makes it sooner")
	}
	flush := fmt.Sprintf("flush %s at %s, if you may: unbound-control flush, rndc flushname", words(f.Name), address(v.Address))
	switch {
	case v.Notyet:
		next = append(next, f.forget()...)
	case v.Behind:
		next = append(append(next, flush), f.forget()...)
		if f.Notyet.Watch == "" {
			next = append(next, fmt.Sprintf("or put it under watch, and notyet asks the name servers whatever %s says: %s",
				address(v.Address), f.Notyet.command("watch add", f.Name)))
		}
	default:
		next = append(next, flush,
			fmt.Sprintf("the next time create the record before anybody asks, or ask through notyet with a watch: notyet watch add %s", words(f.Name)))
	}
	return verdict(CachedNo, fmt.Sprintf("%s is there, but %s %s", f.question(), v.who(), c.inWords(f.publicSOA(c.SOA))), next...)
}

// publicSOA is what the zone's own servers have in the place of a denial's SOA, or nil.
func (f *Facts) publicSOA(soa *SOA) *SOA {
	if soa == nil {
		return nil
	}
	for i := range f.Steps {
		for _, z := range f.Steps[i].Zones {
			if z.Apex == soa.Owner && z.SOA != nil {
				return z.SOA
			}
		}
	}
	return nil
}
