package authority

import (
	"slices"

	"github.com/miekg/dns"

	"notyet/wire"
)

// maxChain bounds the CNAMEs that are followed within one reply.
const maxChain = 16

// verdict is what a server's reply to a question is worth.
type verdict struct {
	kind   wire.Kind // Positive, NODATA, NXDOMAIN or Referral; Failure: nothing
	msg    *dns.Msg  // what it says of its zone; nil with Referral and Failure
	target string    // where the chain in msg leads on to; "": nowhere
	// cut says that the name is in a zone further down: with a Referral, or because a server that has
	// both zones answered for the lower one. nil: it isn't.
	cut *delegation
}

// label is what the verdict counts as.
func (v *verdict) label() string {
	switch v.kind {
	case wire.Positive:
		return "yes"
	case wire.NODATA:
		return "nodata"
	case wire.NXDOMAIN:
		return "nxdomain"
	case wire.Referral:
		return "referral"
	}
	return "lame"
}

// digest judges the reply of a server of a zone to the question (qname, qtype) for a name in it. Nothing of the reply is
// believed that is not about the zone (RFC 2181, section 5.4.1), and no answer or denial without aa. The verdict has the
// reply's records, with their owner names in lower case.
func digest(reply *dns.Msg, apex, qname string, qtype uint16) *verdict {
	if cut := referral(reply, apex, qname, qtype); cut != nil {
		return &verdict{kind: wire.Referral, cut: cut}
	}
	lame := &verdict{kind: wire.Failure}
	v := &verdict{}
	switch {
	case !reply.Authoritative:
		return lame
	case reply.Rcode == dns.RcodeSuccess:
		v.kind = wire.NODATA
	case reply.Rcode == dns.RcodeNameError:
		v.kind = wire.NXDOMAIN
	default:
		return lame
	}
	answer, end, found := chain(inZone(reply.Answer, apex), qname, qtype)
	v.msg = newReply(qname, qtype, reply.Rcode)
	v.msg.Answer, v.msg.Ns, v.msg.Extra = answer, inZone(reply.Ns, apex), inZone(reply.Extra, apex)

	by := denier(reply)
	inside := by != "" && dns.IsSubDomain(apex, by) && dns.IsSubDomain(by, end)
	deeper := inside && by != apex && !(qtype == dns.TypeDS && by == end)
	switch {
	case found:
		v.kind, v.msg.Rcode = wire.Positive, dns.RcodeSuccess
		if qtype == dns.TypeSOA && qname != apex && end == qname {
			v.cut = &delegation{apex: qname}
		}
	case !dns.IsSubDomain(apex, end):
		v.leadTo(end)
	case end != qname && (deeper || !inside && v.kind == wire.NODATA):
		v.leadTo(end) // into a zone further down, or as far as the server cared to follow
	case by != "" && !inside:
		return lame // it has a zone above, or another one
	case deeper:
		v.cut = &delegation{apex: by}
	}
	return v
}

func newReply(qname string, qtype uint16, rcode int) *dns.Msg {
	m := new(dns.Msg).SetQuestion(qname, qtype)
	m.Id, m.Response, m.RecursionDesired, m.Rcode = 0, true, false, rcode
	return m
}

// leadTo makes the verdict one about a chain that goes on elsewhere. What the server says of that name doesn't count; the
// proof that a CNAME comes from a wildcard does.
func (v *verdict) leadTo(target string) {
	v.kind, v.target = wire.Positive, target
	v.msg.Rcode = dns.RcodeSuccess
	v.msg.Ns = slices.DeleteFunc(v.msg.Ns, func(rr dns.RR) bool { return !proves(rr) })
	v.msg.Extra = nil
}

func proves(rr dns.RR) bool { return covered(rr) == dns.TypeNSEC || covered(rr) == dns.TypeNSEC3 }

// denier is the owner of the SOA in a denial, or "".
func denier(reply *dns.Msg) string {
	for _, rr := range reply.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return dns.CanonicalName(rr.Header().Name)
		}
	}
	return ""
}

// referral is the delegation in a reply that refers to servers further down: from below the zone, and not below or beside
// the name; nil: it is none. Referrals up or sideways are not followed: such a server does not have the zone.
func referral(reply *dns.Msg, apex, qname string, qtype uint16) *delegation {
	if reply.Rcode != dns.RcodeSuccess || len(reply.Answer) > 0 || denier(reply) != "" {
		return nil
	}
	for _, rr := range reply.Ns {
		owner := dns.CanonicalName(rr.Header().Name)
		if rr.Header().Rrtype != dns.TypeNS || !below(owner, apex) || !dns.IsSubDomain(owner, qname) {
			continue
		}
		if qtype == dns.TypeDS && owner == qname {
			continue // this side of the cut has the DS (RFC 4035, section 3.1.4.1)
		}
		return newDelegation(reply.Ns, reply.Extra, owner, owner)
	}
	return nil
}

// inZone leaves of a section the records of the zone, and brings their owner names into lower case.
func inZone(section []dns.RR, apex string) []dns.RR {
	var kept []dns.RR
	for _, rr := range section {
		h := rr.Header()
		owner := dns.CanonicalName(h.Name)
		if h.Class == dns.ClassINET && h.Rrtype != dns.TypeOPT && dns.IsSubDomain(apex, owner) {
			h.Name = owner
			kept = append(kept, rr)
		}
	}
	return kept
}

// chain leaves of an answer section the records that lead from the qname over CNAMEs to the end, and says whether there are
// records of the qtype.
func chain(answer []dns.RR, qname string, qtype uint16) (kept []dns.RR, end string, found bool) {
	end = qname
	used := make([]bool, len(answer))
	for range maxChain {
		next := ""
		for i, rr := range answer {
			if used[i] || !leadsOn(rr, end, qtype) {
				continue
			}
			used[i] = true
			kept = append(kept, rr)
			if h := rr.Header(); h.Rrtype == qtype && h.Name == end {
				found = true
			} else if cname, ok := rr.(*dns.CNAME); ok {
				next = dns.CanonicalName(cname.Target)
			}
		}
		if found || next == "" {
			break
		}
		end = next
	}
	return kept, end, found
}

// leadsOn reports whether a record answers for the name or leads on from it, or is the signature of one that does. A DNAME
// only explains the CNAME that the server has made from it (RFC 6672, section 3.1).
func leadsOn(rr dns.RR, name string, qtype uint16) bool {
	owner, rtype := rr.Header().Name, covered(rr)
	if owner == name {
		return rtype == qtype || rtype == dns.TypeCNAME || rr.Header().Rrtype == qtype
	}
	return rtype == dns.TypeDNAME && below(name, owner)
}

// covered is the type of a record, or the one that a signature is for.
func covered(rr dns.RR) uint16 {
	if sig, ok := rr.(*dns.RRSIG); ok {
		return sig.TypeCovered
	}
	return rr.Header().Rrtype
}
