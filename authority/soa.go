package authority

import (
	"strings"

	"github.com/miekg/dns"
)

// soaOf is the SOA of a zone in a reply to the question for it, or nil.
func soaOf(m *dns.Msg, apex string) *dns.SOA {
	for _, rr := range m.Answer {
		if soa, ok := rr.(*dns.SOA); ok && dns.CanonicalName(soa.Hdr.Name) == apex {
			return lowered(soa)
		}
	}
	return nil
}

// soaAbove is the SOA of the zone that a name is in, which is in every reply to the question for its SOA, or nil.
func soaAbove(m *dns.Msg, qname string) *dns.SOA {
	if soa := soaOf(m, qname); soa != nil {
		return soa
	}
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(soa.Hdr.Name, qname) {
			return lowered(soa)
		}
	}
	return nil
}

func lowered(soa *dns.SOA) *dns.SOA {
	soa.Hdr.Name = dns.CanonicalName(soa.Hdr.Name)
	return soa
}

// same compares two SOAs of a zone. Their serials differ while an update is on its way.
func same(a, b *dns.SOA) bool {
	return strings.EqualFold(a.Ns, b.Ns) && strings.EqualFold(a.Mbox, b.Mbox) &&
		a.Refresh == b.Refresh && a.Retry == b.Retry && a.Expire == b.Expire && a.Minttl == b.Minttl
}
