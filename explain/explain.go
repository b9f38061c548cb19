package explain

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/wire"
)

// Question is what is to be explained.
type Question struct {
	Name string // lower case, ends in a dot
	Type uint16
	// Ask lets the resolvers be asked with recursion too, which teaches them a denial if that is what they find.
	Ask bool
	// Given are servers that should have the name.
	Given []netip.AddrPort
	// Notyet asks the running notyet, which is told to nobody else; nil, or a nil result: none is running.
	Notyet func(ctx context.Context) *Notyet
	// Admin is where Notyet looks for it, as people write that; empty: it is not told.
	Admin string
}

// Explain finds out about the question, and concludes. Unless it is to ask, the resolvers hear of the name and of those
// between it and the registrable domain without recursion only. It takes some seconds when servers keep silent; when ctx ends,
// what is not known by then stays so.
func (w *World) Explain(ctx context.Context, q Question) *Facts {
	e := &inquiry{
		question: q, exchange: w.servers.Exchange, path: w.Finder.Path, request: w.Request, why: w.Why, another: w.another,
	}
	for _, r := range w.Resolvers {
		e.resolvers = append(e.resolvers, r)
	}
	return e.run(ctx)
}

// resolver is one that can be asked: a Resolver, or a test's.
type resolver interface {
	String() string
	Ask(ctx context.Context, qname string, qtype uint16, rd bool) (*dns.Msg, error)
	AskUnchecked(ctx context.Context, qname string, qtype uint16) (*dns.Msg, error)
}

// inquiry is a question that is being explained.
type inquiry struct {
	question  Question
	resolvers []resolver
	exchange  func(ctx context.Context, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error)
	path      func(context.Context, authority.Request) ([]authority.Zone, error)
	request   func(qname string, qtype uint16) authority.Request
	why       func(error) string // of an error of path, or of a zone
	another   func(text string) (resolver, error)
}

func (e *inquiry) run(ctx context.Context) *Facts {
	q := e.question
	f := &Facts{
		Name: q.Name, Type: typeName(q.Type), Time: time.Now(), Asked: q.Ask, Admin: q.Admin,
		Domain: authority.Registrable(q.Name), Suffix: authority.Suffix(q.Name),
		Given: []Given{},
	}
	if q.Notyet != nil {
		f.Notyet = q.Notyet(ctx)
	}
	all := append(slices.Clip(e.resolvers), e.behind(f.Notyet)...)
	f.Resolvers = make([]View, len(all))
	var asked sync.WaitGroup
	asked.Go(func() { f.Given = e.given(ctx, f.Notyet) })
	asked.Go(func() { f.Steps = e.steps(ctx, f.Notyet) })
	asked.Wait()
	for i, r := range all {
		asked.Go(func() {
			f.Resolvers[i] = e.view(ctx, f, r)
			f.Resolvers[i].Notyet, f.Resolvers[i].Behind = f.Notyet.is(r.String()), i >= len(e.resolvers)
		})
	}
	asked.Wait()
	f.Verdict = conclude(f)
	return f
}

// view finds out what a resolver has.
func (e *inquiry) view(ctx context.Context, f *Facts, r resolver) View {
	q := e.question
	v := View{Address: r.String()}
	why, dead := e.lead(ctx, f, r)
	if why != "" {
		v.Cached = unknown(why)
	} else {
		m, err := r.Ask(ctx, q.Name, q.Type, false)
		v.Cached = readCached(m, err, q.Name, q.Type)
		v.Cached.heard(f.publicSOA(v.Cached.SOA))
	}
	if !dead && (f.Domain != f.Name || q.Ask) {
		m, err := r.Ask(ctx, f.Domain, dns.TypeSOA, f.public() || q.Ask)
		v.DomainSOA = soaFor(f.Domain, m, err)
	}
	if !q.Ask {
		return v
	}
	m, err := r.Ask(ctx, q.Name, q.Type, true)
	v.Answer = readAnswer(m, err, q.Name, q.Type)
	if v.Answer.Rcode == dns.RcodeToString[dns.RcodeServerFailure] {
		m, err := r.AskUnchecked(ctx, q.Name, q.Type)
		v.Answer.Unchecked = err == nil && m.Rcode != dns.RcodeServerFailure
	}
	return v
}

// lead has a resolver hear of the zones above the name, as there is one (Unbound) that resolves although it is told not to when
// it knows of none. why it is not to be asked for the name is "" when it answered; dead: there was no reply at all.
func (e *inquiry) lead(ctx context.Context, f *Facts, r resolver) (why string, dead bool) {
	above := []string{f.Suffix}
	if f.Suffix == f.Name {
		above[0] = "."
	}
	if f.public() {
		above = append(above, f.Domain)
	}
	for _, zone := range above {
		m, err := r.Ask(ctx, zone, dns.TypeNS, true)
		switch {
		case err != nil:
			why, dead = silence(err).Why, true
		case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
			why, dead = "it says "+wire.RcodeName(m.Rcode)+" to "+words(zone)+" NS already", false
		default:
			return "", false
		}
	}
	return why, dead
}

// public reports whether the registrable domain is there, above the name: then a resolver that is asked for it learns no denial.
func (f *Facts) public() bool {
	return f.Domain != f.Name && slices.ContainsFunc(f.Steps[0].Zones, func(z Zone) bool { return z.Apex == f.Domain && z.SOA != nil })
}

// soaFor is the SOA of a zone in the reply to the question for it, or nil.
func soaFor(apex string, m *dns.Msg, err error) *SOA {
	if err != nil {
		return nil
	}
	soa := soaIn(m.Answer)
	if soa == nil || dns.CanonicalName(soa.Hdr.Name) != apex {
		return nil
	}
	return soaOf(soa)
}

// given asks the servers that should have the name.
func (e *inquiry) given(ctx context.Context, running *Notyet) []Given {
	all := e.question.Given
	if running != nil {
		for _, text := range running.Authorities {
			if at, err := netip.ParseAddrPort(text); err == nil {
				all = append(all[:len(all):len(all)], at)
			}
		}
	}
	found := make([]Given, len(all))
	var asked sync.WaitGroup
	for i, at := range all {
		asked.Go(func() { found[i] = e.givenAt(ctx, at) })
	}
	asked.Wait()
	return found
}

// givenAt asks one server in which zone it has the name, and then for the name.
func (e *inquiry) givenAt(ctx context.Context, at netip.AddrPort) Given {
	q := e.question
	g := Given{Server: Server{Name: at.String(), Address: at.String()}}
	m, err := e.ask(ctx, at, q.Name, dns.TypeSOA)
	if err != nil {
		s := silence(err)
		g.Says, g.Why = s.Says, s.Why
		return g
	}
	for _, rr := range append(m.Answer, m.Ns...) {
		if soa, ok := rr.(*dns.SOA); ok && m.Authoritative && dns.IsSubDomain(soa.Hdr.Name, q.Name) {
			g.Zone = dns.CanonicalName(soa.Hdr.Name)
		}
	}
	if g.Zone == "" {
		g.Says, g.Why = Lame, fault(m)
		return g
	}
	m, err = e.ask(ctx, at, q.Name, q.Type)
	s, _ := readServer(m, err, g.Zone, q.Name, q.Type)
	g.Says, g.Why, g.Records, g.Recursor = s.Says, s.Why, s.Records, s.Recursor
	return g
}
