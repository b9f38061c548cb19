package watch

import (
	"context"
	"slices"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/wire"
)

// soaTTL is the TTL, in seconds, of the SOA that is added to a denial without one: some caches keep such a denial very long.
const soaTTL = 2

// finding is what was found out about a question.
type finding struct {
	at    time.Time
	reply *wire.Reply // the answer; nil: nobody had one
	ede   []byte      // why not, as wire.AppendEDE makes it
	own   bool        // the zone's own servers gave it, and not the upstream
	// overruled says that the upstream denied what the zone's own servers have.
	overruled bool
	private   bool   // only the upstream has the name
	stands    bool   // the upstream's denial does, whatever the zone's own servers have
	note      string // why the zone's own servers did not decide; empty: they did, or weren't to
	degraded  bool   // they did not because they can't be asked
	do, cd    bool   // of the question
	shared    bool   // it is somebody else's, who waits for the rest of the answers
	waits     bool   // clients are held for a better one, and who asks meanwhile is to be as well: not to be kept
	asked     []*authority.Answer
}

func (f *finding) positive() bool { return f.reply != nil && f.reply.Kind == wire.Positive }
func (f *finding) negative() bool { return f.reply != nil && f.reply.Kind.Negative() }

// allHave waits until all servers have said whether they have what the finding says, and reports whether they do.
func (f *finding) allHave(ctx context.Context) bool {
	for _, a := range f.asked {
		if !a.Rest(ctx).All() {
			return false
		}
	}
	return len(f.asked) > 0
}

// compose makes a reply to (qname, qtype) of the last link's message with the chain that leads to it.
func compose(qname string, qtype uint16, chain []dns.RR, last *dns.Msg) (*wire.Reply, error) {
	m := last.Copy()
	m.Response, m.Opcode = true, dns.OpcodeQuery
	m.Authoritative, m.AuthenticatedData, m.Truncated = false, len(chain) == 0 && last.AuthenticatedData, false
	m.Compress = true
	m.Question = []dns.Question{{Name: qname, Qtype: qtype, Qclass: dns.ClassINET}}
	m.Answer = append(slices.Clone(chain), m.Answer...)
	b, err := m.Pack()
	if err != nil {
		return nil, err
	}
	name, err := wire.Name(qname)
	if err != nil {
		return nil, err
	}
	r := new(wire.Reply)
	return r, wire.ParseReply(b, name, qtype, r)
}

// withSOA adds the zone's SOA to a denial that has none.
func withSOA(m *dns.Msg, soa *dns.SOA) *dns.Msg {
	if soa == nil || slices.ContainsFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA }) {
		return m
	}
	m = m.Copy()
	added := dns.Copy(soa)
	added.Header().Ttl = soaTTL
	m.Ns = append(m.Ns, added)
	return m
}

// soaOwner is the owner of the SOA in the authority section, lower case; empty: there is none.
func soaOwner(m *dns.Msg) string {
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return dns.CanonicalName(rr.Header().Name)
		}
	}
	return ""
}
