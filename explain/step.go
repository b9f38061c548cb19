package explain

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/config"
	"notyet/upstream"
	"notyet/wire"
)

// maxSteps bounds the chain of CNAMEs that is followed.
const maxSteps = 8

// A server that keeps silent is asked twice: a packet may be lost.
const (
	tries   = 2
	tryTime = 1500 * time.Millisecond
)

// steps follows the name and where its CNAMEs lead to.
func (e *inquiry) steps(ctx context.Context, running *Notyet) (all []Step) {
	for name := e.question.Name; name != "" && len(all) < maxSteps; {
		if slices.ContainsFunc(all, func(s Step) bool { return s.Name == name }) {
			break // a loop
		}
		s := e.step(ctx, name, running)
		all = append(all, s)
		name = s.Target
	}
	return all
}

// step finds out what the servers of a name's zone say.
func (e *inquiry) step(ctx context.Context, qname string, running *Notyet) Step {
	s := Step{Name: qname, Zones: []Zone{}, Servers: []Server{}}
	zones, err := e.zones(ctx, qname)
	if len(zones) == 0 {
		if err != nil {
			s.Zones = append(s.Zones, Zone{Apex: authority.Registrable(qname), NS: []string{}, Fault: e.why(err)})
		}
		return s
	}
	var asked sync.WaitGroup
	asked.Go(func() { s.Zones = e.describe(ctx, zones) })
	last := zones[len(zones)-1]
	s.Servers = make([]Server, len(last.Servers))
	targets := make([]string, len(last.Servers))
	for i, server := range last.Servers {
		asked.Go(func() {
			m, err := e.ask(ctx, server.Addr, qname, e.question.Type)
			s.Servers[i], targets[i] = readServer(m, err, last.Apex, qname, e.question.Type)
			s.Servers[i].Name, s.Servers[i].Address = server.Name, server.Addr.String()
		})
	}
	asked.Wait()
	for _, t := range targets {
		if t != "" {
			s.Target = t
			break
		}
	}
	if s.denied() {
		e.lookAround(ctx, &s, last, running)
	}
	return s
}

// zones are those that lead to a name: from the public suffix down, so that the resolvers hear of the suffix alone, or
// where that does not get there, from the registrable domain.
func (e *inquiry) zones(ctx context.Context, qname string) ([]authority.Zone, error) {
	r := e.request(qname, e.question.Type)
	upper := r
	upper.Watch = authority.Suffix(qname)
	if upper.Watch == qname {
		upper.Watch = "."
	}
	zones, err := e.path(ctx, upper)
	if whole(zones, err) {
		return zones, nil
	}
	again, err2 := e.path(ctx, r)
	if whole(again, err2) || len(zones) == 0 || servers(zones) == 0 && servers(again) > 0 {
		return again, err2
	}
	return zones, nil
}

func whole(zones []authority.Zone, err error) bool {
	return err == nil && len(zones) > 0 && zones[len(zones)-1].Why == nil
}

// servers is how many the last of the zones has.
func servers(zones []authority.Zone) int {
	if len(zones) == 0 {
		return 0
	}
	return len(zones[len(zones)-1].Servers)
}

// describe says of each zone what it is, and what the servers of the one above it say.
func (e *inquiry) describe(ctx context.Context, zones []authority.Zone) []Zone {
	all := make([]Zone, len(zones))
	var asked sync.WaitGroup
	for i, z := range zones {
		all[i] = Zone{Apex: z.Apex, NS: []string{}, Differs: errors.Is(z.Why, authority.ErrDiffers)}
		if z.Why != nil {
			all[i].Fault = e.why(z.Why)
		}
		if z.SOA != nil {
			all[i].SOA = soaOf(z.SOA)
			asked.Go(func() { all[i].DNSKEY = e.hasType(ctx, z, z.Apex, dns.TypeDNSKEY) })
		}
		if i > 0 {
			asked.Go(func() { all[i].DS = e.hasType(ctx, zones[i-1], z.Apex, dns.TypeDS) })
		}
		asked.Go(func() { all[i].NS, all[i].Delegated = e.delegation(ctx, zones, i) })
	}
	asked.Wait()
	return all
}

// hasType asks a server of the zone whether a name has records of a type; nil: none says.
func (e *inquiry) hasType(ctx context.Context, z authority.Zone, qname string, qtype uint16) *bool {
	said, ok := e.first(ctx, z, qname, qtype)
	if !ok || said.Kind == wire.Referral {
		return nil
	}
	is := said.Kind == wire.Positive
	return &is
}

// delegation is what the zone above says about a zone's servers, or for the uppermost the zone itself. Where the same servers have both
// zones it can't be told who speaks.
func (e *inquiry) delegation(ctx context.Context, zones []authority.Zone, i int) (ns []string, delegated *bool) {
	ns = []string{}
	by := zones[max(i-1, 0)]
	said, ok := e.first(ctx, by, zones[i].Apex, dns.TypeNS)
	switch {
	case !ok:
		return ns, nil
	case said.Kind == wire.Referral && said.Cut == zones[i].Apex:
		ns, yes := append(ns, said.NS...), true
		slices.Sort(ns)
		return ns, &yes
	case said.Msg == nil:
		return ns, nil
	}
	for _, rr := range said.Msg.Answer {
		if rr, ok := rr.(*dns.NS); ok {
			ns = append(ns, dns.CanonicalName(rr.Ns))
		}
	}
	slices.Sort(ns)
	return ns, nil
}

// first is what the first server says that says anything.
func (e *inquiry) first(ctx context.Context, z authority.Zone, qname string, qtype uint16) (authority.Said, bool) {
	for _, server := range z.Servers {
		if server.Fault != nil {
			continue
		}
		m, err := e.ask(ctx, server.Addr, qname, qtype)
		if err != nil {
			continue
		}
		if said := authority.Judge(m, z.Apex, qname, qtype); said.Kind != wire.Failure {
			return said, true
		}
	}
	return authority.Said{}, false
}

// lookAround sees what there is in the place of a name that is denied.
func (e *inquiry) lookAround(ctx context.Context, s *Step, z authority.Zone, running *Notyet) {
	if s.count(nameless) == 0 {
		s.Types = e.types(ctx, z, s.Name)
		return
	}
	s.Missing = e.highestMissing(ctx, z, s.Name)
	missing := s.Missing
	if missing == "" {
		missing = s.Name
	}
	candidates := e.neighbours(ctx, z, missing)
	if running != nil {
		candidates = append(candidates, running.Zones...)
	}
	for _, c := range candidates {
		if near(c, missing) && !slices.Contains(s.Near, c) && e.exists(ctx, z, c) {
			s.Near = append(s.Near, c)
		}
	}
	slices.Sort(s.Near)
}

// types are those of interest that the name has.
func (e *inquiry) types(ctx context.Context, z authority.Zone, qname string) (all []string) {
	interest := typesOfInterest(typeName(e.question.Type))
	found := make([]*bool, len(interest))
	var asked sync.WaitGroup
	for i, t := range interest {
		asked.Go(func() { found[i] = e.hasType(ctx, z, qname, dns.StringToType[t]) })
	}
	asked.Wait()
	for i, t := range interest {
		if found[i] != nil && *found[i] {
			all = append(all, t)
		}
	}
	return all
}

// highestMissing is the highest name between the zone and the name that does not exist; "": those all do.
func (e *inquiry) highestMissing(ctx context.Context, z authority.Zone, qname string) string {
	labels := dns.Split(qname)
	for i := len(labels) - dns.CountLabel(z.Apex) - 1; i > 0; i-- {
		if n := qname[labels[i]:]; !e.exists(ctx, z, n) {
			return n
		}
	}
	return ""
}

// exists reports whether no server of the zone that says anything denies the whole name.
func (e *inquiry) exists(ctx context.Context, z authority.Zone, qname string) bool {
	said, ok := e.first(ctx, z, qname, dns.TypeA)
	return ok && said.Kind != wire.NXDOMAIN
}

// neighbours are names that a signed zone's denial of a name gives away: those before and after it.
func (e *inquiry) neighbours(ctx context.Context, z authority.Zone, qname string) (all []string) {
	for _, server := range z.Servers {
		if server.Fault != nil {
			continue
		}
		m, err := e.exchange(ctx, server.Addr, query(qname, dns.TypeA, true))
		if err != nil || !m.Authoritative {
			continue
		}
		for _, rr := range m.Ns {
			if nsec, ok := rr.(*dns.NSEC); ok {
				all = append(all, dns.CanonicalName(nsec.Hdr.Name), dns.CanonicalName(nsec.NextDomain))
			}
		}
		return all
	}
	return nil
}

// near reports whether a name is spelled almost as another one beside it.
func near(name, other string) bool {
	label, rest, _ := strings.Cut(name, ".")
	otherLabel, otherRest, _ := strings.Cut(other, ".")
	return name != other && rest == otherRest && config.Near(label, otherLabel)
}

// ask asks one server, without recursion.
func (e *inquiry) ask(ctx context.Context, at netip.AddrPort, qname string, qtype uint16) (m *dns.Msg, err error) {
	for range tries {
		try, cancel := context.WithTimeout(ctx, tryTime)
		m, err = e.exchange(try, at, query(qname, qtype, false))
		cancel()
		if err == nil || !errors.Is(err, upstream.ErrTimeout) {
			break
		}
	}
	return m, err
}

func query(qname string, qtype uint16, do bool) *dns.Msg {
	q := new(dns.Msg).SetQuestion(qname, qtype)
	q.RecursionDesired = false
	return q.SetEdns0(wire.UDPSize, do)
}
