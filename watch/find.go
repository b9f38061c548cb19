package watch

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/cache"
	"notyet/wire"
)

// maxChain bounds the CNAMEs and DNAMEs of a watched name that are followed.
const maxChain = 8

// job is one question on its way to a finding. It follows a chain from link to link; every link is under the watch of the first,
// but asked at the authorities of its own, if that gives any.
type job struct {
	set     *Set
	watch   *Watch
	key     cache.Key // the question
	qname   string    // of key
	pending bool      // the name is pending: all of the budget is open to it
	behind  bool      // asked in the background: of two servers at a time, and never of the upstream
	turn    int       // how often it was before

	chain     []dns.RR // the links so far
	asked     []*authority.Answer
	overruled bool // the upstream denied what comes after the chain
}

// find finds out what to answer.
func (j *job) find(ctx context.Context) finding {
	name := j.qname
	for range maxChain {
		f, target := j.link(ctx, name)
		if target == "" {
			f.at, f.asked, f.overruled, f.do, f.cd = time.Now(), j.asked, j.overruled, j.key.DO, j.key.CD
			return f
		}
		name = target
	}
	return failed("notyet: more than 8 CNAMEs from " + j.qname)
}

func failed(text string) finding {
	return finding{ede: wire.AppendEDE(nil, dns.ExtendedErrorCodeOther, text)}
}

// link finds out about one name of the chain. It returns a finding, or else the name that the chain goes on with.
func (j *job) link(ctx context.Context, name string) (f finding, target string) {
	now := time.Now()
	switch {
	case j.behind:
	case j.watch.options().Verify == Off:
		return j.upstream(ctx, name, finding{}), ""
	case j.watch.isPrivate(now):
		return j.upstream(ctx, name, finding{note: "the upstream has names here that the zone's own servers have not", degraded: true}), ""
	case j.watch.options().Verify == After || j.set.known.has(j.set.id(name, j.key.Type), now):
		return j.upstreamFirst(ctx, name)
	}
	a, err := j.ask(ctx, name)
	if err != nil {
		f = unheard(err)
		if !j.behind && (f.degraded || !j.pending) {
			f = j.upstream(ctx, name, f)
		}
		return f, ""
	}
	if j.behind && j.lagsBehind(ctx, name, a) {
		return finding{note: "some servers still have it"}, ""
	}
	return j.take(a)
}

// lagsBehind reports whether a positive answer, found in the background, is that of a record which is being removed: one that
// was known to exist, that was denied since, and that not all servers have.
func (j *job) lagsBehind(ctx context.Context, name string, a *authority.Answer) bool {
	if len(a.Have) == 0 || !j.set.known.has(j.set.id(name, j.key.Type), time.Now()) {
		return false
	}
	return !a.Rest(ctx).All()
}

// take makes an answer of the zone's own servers the finding, or the next part of the chain.
func (j *job) take(a *authority.Answer) (f finding, target string) {
	if a.Target != "" {
		j.chain = append(j.chain, a.Msg.Answer...)
		return finding{}, a.Target
	}
	m := a.Msg
	if a.Kind.Negative() {
		m = withSOA(m, a.SOA)
	}
	r, err := compose(j.qname, j.key.Type, j.chain, m)
	if err != nil {
		return failed("notyet: answer of " + a.Zone + ": " + err.Error()), ""
	}
	return finding{reply: r, own: true}, ""
}

// ask asks the servers of the zone that the name lives in.
func (j *job) ask(ctx context.Context, name string) (*authority.Answer, error) {
	t := turn{ctx: ctx, watch: j.watch, pending: j.pending}
	over := j.watch
	if n, err := wire.Name(name); err == nil {
		over = cmp.Or(j.set.Find(n), j.watch) // a chain may lead into one with authorities of its own
	}
	a, err := j.set.config.Ask(ctx, authority.Request{
		Name: name, Type: j.key.Type, DO: j.key.DO,
		Watch: over.name, Servers: over.options().Authorities, Few: j.behind, Turn: j.turn,
		Take: t.take, Observe: j.watch.meter.authority,
	})
	switch {
	case err == nil:
		j.asked = append(j.asked, a)
	case errors.Is(err, authority.ErrBudget):
		j.watch.meter.authority("over_budget")
	}
	return a, err
}

// spent is the note of a finding that the budget left no query for.
const spent = "queries_per_second is used up"

// unheard is a finding without an answer of the zone's own servers.
func unheard(err error) finding {
	var degraded authority.Degraded
	f := finding{note: err.Error()}
	switch {
	case errors.As(err, &degraded):
		f.degraded = true
	case errors.Is(err, authority.ErrBudget):
		f.note = spent
	}
	return f
}

// upstreamFirst asks the upstream about a name that exists as far as is known, or that it is to judge first; and the
// zone's own servers when it says no.
func (j *job) upstreamFirst(ctx context.Context, name string) (f finding, target string) {
	f = j.upstream(ctx, name, finding{})
	switch {
	case f.negative():
		return j.overrule(ctx, name, f)
	case f.reply == nil && j.key.CD:
		// A failure may say that the zone is bogus, which only a client that validates by itself may overrule.
		if a, err := j.ask(ctx, name); err == nil && (a.Kind == wire.Positive || a.Target != "") {
			return j.take(a)
		}
	}
	return f, ""
}

// overrule asks the zone's own servers whether the upstream's denial is out of date. A denial by policy stands, and so does one
// that is not the zone's: it has another SOA. A name that is known to exist is overruled by all of them only, since
// after a removal one that lags behind must not keep the dead record alive.
func (j *job) overrule(ctx context.Context, name string, denial finding) (f finding, target string) {
	m, err := denial.reply.Msg()
	if err != nil {
		return denial, ""
	}
	if policy(denial.reply.EDE) {
		denial.note, denial.stands = "the upstream blocks it", true
		return denial, ""
	}
	var buf [wire.MaxName]byte
	denied := wire.String(denial.reply.Target(buf[:0]))
	a, err := j.ask(ctx, denied)
	if err != nil {
		heard := unheard(err)
		denial.note, denial.degraded = heard.note, heard.degraded
		return denial, ""
	}
	if !denial.reply.SOA {
		denial.reply = j.bounded(denial.reply, m, a.SOA)
	}
	id := j.set.id(name, j.key.Type)
	known := j.set.known.has(id, time.Now())
	yes := a.Kind == wire.Positive || a.Target != ""
	if known || !yes {
		a = a.Rest(ctx)
		j.asked[len(j.asked)-1] = a
	}
	if a.None() {
		j.set.known.forget(id)
	}
	switch {
	case !yes, known && !a.All():
		return denial, ""
	case !isOf(soaOwner(m), a.Zone, known):
		denial.note, denial.stands = "the upstream's denial is not of "+a.Zone, true
		return denial, ""
	}
	j.chain = m.Answer // all that leads to the denied name
	j.overruled = true
	return j.take(a)
}

// isOf reports whether a denial with the SOA of owner is one of the zone. One of a name that all servers have may also be that of a
// zone above: the upstream got it before this one was delegated. That of a filter has none, or another.
func isOf(owner, zone string, known bool) bool {
	return owner == zone || known && owner != "" && dns.IsSubDomain(owner, zone)
}

// bounded is a denial of the upstream's without SOA, with that of the zone, so that caches below forget it soon.
func (j *job) bounded(denial *wire.Reply, m *dns.Msg, soa *dns.SOA) *wire.Reply {
	r, err := compose(j.qname, j.key.Type, nil, withSOA(m, soa))
	if err != nil {
		return denial
	}
	r.EDE = denial.EDE
	return r
}

// policy reports whether an extended error says that the answer was not the zone's: blocked, censored, filtered or prohibited
// (RFC 8914, sections 4.16 to 4.19).
func policy(ede []byte) bool {
	const code = 4 // its offset in the option
	if len(ede) < code+2 {
		return false
	}
	switch binary.BigEndian.Uint16(ede[code:]) {
	case dns.ExtendedErrorCodeBlocked, dns.ExtendedErrorCodeCensored, dns.ExtendedErrorCodeFiltered, dns.ExtendedErrorCodeProhibited:
		return true
	}
	return false
}

// upstream completes f with what the upstream says of a name.
func (j *job) upstream(ctx context.Context, name string, f finding) finding {
	wireName, err := wire.Name(name)
	if err != nil {
		return failed("notyet: " + name + ": " + err.Error())
	}
	k := j.set.config.Cache.Key(nil, wireName, j.key.Type, j.key.DO, j.key.CD)
	up := j.set.forward(ctx, k)
	f.reply, f.ede = up.reply, up.ede
	j.set.upstreamSaid(j.watch, j.set.id(name, j.key.Type), f)
	if f.reply == nil || len(j.chain) == 0 {
		return f
	}
	m, err := up.reply.Msg()
	if err == nil {
		f.reply, err = compose(j.qname, j.key.Type, j.chain, m)
	}
	if err != nil {
		return failed("notyet: " + name + ": " + err.Error())
	}
	f.reply.EDE = up.reply.EDE
	return f
}

// upstreamSaid notes what the upstream made of the question with the id.
func (s *Set) upstreamSaid(w *Watch, id uint64, f finding) {
	if f.positive() && s.known.upstreamHas(id, time.Now()) {
		w.agree()
	}
}

// said is what the upstream made of a question.
type said struct {
	reply *wire.Reply // nil: nothing
	ede   []byte
}

// forward asks the upstream, and waits.
func (s *Set) forward(ctx context.Context, k cache.Key) said {
	answered := make(chan said, 1)
	s.config.Forward(k, func(r *wire.Reply, ede []byte) {
		if r != nil {
			r = r.Clone()
		}
		answered <- said{r, ede}
	})
	select {
	case up := <-answered:
		return up
	case <-ctx.Done():
		return said{ede: wire.AppendEDE(nil, dns.ExtendedErrorCodeNoReachableAuthority, "notyet: the upstream had not answered when the time for this question was over")}
	}
}

// id is a hash of a question's name and type, whatever its flags.
func (s *Set) id(name string, qtype uint16) uint64 {
	var buf [wire.MaxName]byte
	n, err := dns.PackDomainName(name, buf[:], 0, nil, false)
	if err != nil {
		return 0
	}
	var lower [wire.MaxName]byte
	return s.config.Cache.Key(lower[:0], buf[:n], qtype, false, false).Hash()
}
