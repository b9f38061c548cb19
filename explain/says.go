package explain

import (
	"errors"
	"slices"
	"syscall"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/upstream"
	"notyet/wire"
)

var kinds = map[wire.Kind]string{
	wire.Positive: Positive, wire.NXDOMAIN: NXDOMAIN, wire.NODATA: NODATA, wire.Referral: Referral, wire.Failure: Lame,
}

// readServer says what a server of the zone with that apex makes of a question. Of a chain of CNAMEs it has the first, whose
// target is returned.
func readServer(reply *dns.Msg, err error, apex, qname string, qtype uint16) (s Server, target string) {
	if err != nil {
		return silence(err), ""
	}
	faulty := fault(reply)
	said := authority.Judge(reply, apex, qname, qtype)
	s.Says = kinds[said.Kind]
	switch {
	case said.Cut != "" && said.Kind == wire.Referral:
		s.Why = "it refers to the servers of " + words(said.Cut)
		return s, ""
	case said.Msg == nil:
		answers := reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError
		s.Why, s.Recursor = faulty, answers && !reply.Authoritative && reply.RecursionAvailable
		return s, ""
	}
	for _, rr := range said.Msg.Answer {
		alias, ok := rr.(*dns.CNAME)
		switch {
		case dns.CanonicalName(rr.Header().Name) != qname:
			continue
		case ok && qtype != dns.TypeCNAME:
			s.Says, target = Positive, dns.CanonicalName(alias.Target)
			s.Records = append(s.Records, wire.Record(rr))
		case rr.Header().Rrtype == qtype:
			s.Records = append(s.Records, wire.Record(rr))
		}
	}
	slices.Sort(s.Records)
	return s, target
}

// silence is what a server says that gives no reply.
func silence(err error) Server {
	switch {
	case errors.Is(err, upstream.ErrTimeout):
		return Server{Says: Silent, Why: "it does not answer"}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return Server{Says: Away, Why: "there is no way to it from here"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Server{Says: Silent, Why: "nobody listens there"}
	}
	return Server{Says: Silent, Why: err.Error()}
}

// fault is what is wrong with a reply that is worth nothing.
func fault(m *dns.Msg) string {
	switch {
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return "it says " + wire.RcodeName(m.Rcode)
	case !m.Authoritative && m.RecursionAvailable:
		return "it answers without authority, as a resolver does"
	case !m.Authoritative && hasNS(m.Ns):
		return "it refers elsewhere"
	case !m.Authoritative:
		return "it answers without authority"
	case soaIn(m.Ns) != nil:
		return "it answers for another zone, " + words(soaIn(m.Ns).Hdr.Name)
	}
	return "its answer is of no use"
}

// readAnswer says what a resolver answers to a question with recursion.
func readAnswer(reply *dns.Msg, err error, qname string, qtype uint16) *Answer {
	if err != nil {
		return &Answer{Says: Failure, Why: silence(err).Why}
	}
	a := &Answer{Rcode: wire.RcodeName(reply.Rcode), Records: texts(reply.Answer), EDE: edes(reply)}
	if soa := soaIn(reply.Ns); soa != nil {
		a.SOA = soaOf(soa)
	}
	_, found := chainEnd(reply.Answer, qname, qtype)
	switch {
	case reply.Rcode == dns.RcodeNameError:
		a.Says = NXDOMAIN
	case reply.Rcode != dns.RcodeSuccess:
		a.Says = Failure
	case found:
		a.Says = Positive
	default:
		a.Says = NODATA
	}
	return a
}

func edes(m *dns.Msg) (all []EDE) {
	opt := m.IsEdns0()
	if opt == nil {
		return nil
	}
	for _, o := range opt.Option {
		if e, ok := o.(*dns.EDNS0_EDE); ok {
			all = append(all, EDE{Code: e.InfoCode, Name: dns.ExtendedErrorCodeToString[e.InfoCode], Text: e.ExtraText})
		}
	}
	return all
}

func texts(rrs []dns.RR) (all []string) {
	for _, rr := range rrs {
		all = append(all, wire.Record(rr))
	}
	return all
}
