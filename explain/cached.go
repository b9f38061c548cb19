package explain

import (
	"errors"
	"slices"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
	"notyet/wire"
)

// Cached is what a cache has for a question, by its answer to one without recursion.
type Cached struct {
	State   string   `json:"state"` // Positive, NXDOMAIN, NODATA or Unknown
	Type    string   `json:"type,omitempty"`
	Own     bool     `json:"own,omitempty"` // it is no cached answer: the resolver is authoritative
	Records []string `json:"records,omitempty"`
	Why     string   `json:"why,omitempty"` // it is not known
	// Left is for how many seconds more; nil: it does not say.
	Left *uint32 `json:"left_seconds"`
	SOA  *SOA    `json:"soa,omitempty"` // in a denial; its TTL is as old as the answer
	// Heard is how many seconds ago the resolver heard it, or at the most, as it may keep what it hears for less time; nil: it
	// cannot be told.
	Heard       *uint32 `json:"heard_seconds,omitempty"`
	HeardAtMost bool    `json:"heard_at_most,omitempty"`
}

func (c *Cached) negative() bool { return c.State == NXDOMAIN || c.State == NODATA }

func unknown(why string) Cached { return Cached{State: Unknown, Why: why} }

// readCached says what the reply to a question without recursion tells of the resolver's cache. Where the
// resolver may have answered from elsewhere, or not answered at all, nothing is known.
func readCached(reply *dns.Msg, err error, qname string, qtype uint16) Cached {
	switch {
	case errors.Is(err, upstream.ErrTimeout):
		return unknown("it does not answer")
	case err != nil:
		return unknown(err.Error())
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return unknown("it says " + wire.RcodeName(reply.Rcode) + " when asked for what it has")
	}
	c := Cached{Own: reply.Authoritative, Records: texts(reply.Answer)}
	end, found := chainEnd(reply.Answer, qname, qtype)
	soa := soaIn(reply.Ns)
	switch {
	case found:
		c.State = Positive
		c.Left = lowest(reply.Answer)
		return c
	case reply.Rcode == dns.RcodeNameError:
		c.State = NXDOMAIN
	case soa != nil:
		c.State = NODATA
	case hasNS(reply.Ns):
		return unknown("it refers to others when asked for what it has")
	case len(reply.Answer) > 0:
		return unknown("of the chain of CNAMEs it has no more than the part that leads to " + end)
	default:
		return unknown("it gives an empty answer when asked for what it has")
	}
	if soa != nil {
		c.SOA = soaOf(soa)
		left := min(wire.TTL(soa.Hdr.Ttl), soa.Minttl)
		if at := lowest(reply.Answer); at != nil {
			left = min(left, *at)
		}
		c.Left = &left
	}
	return c
}

// surelyKept is the longest negative TTL that no resolver's default shortens.
const surelyKept = time.Hour

// heard fills in when the resolver has heard a denial, if that follows from what the zone's own servers say of it.
func (c *Cached) heard(zone *SOA) {
	if !c.negative() || c.Own || c.Left == nil || c.SOA == nil || zone == nil || len(c.Records) > 0 {
		return
	}
	// With another MINIMUM the denial is of another zone, of another time, or rewritten by who forwards it.
	if !c.SOA.same(zone) || c.SOA.Minimum != zone.Minimum {
		return
	}
	full := uint32(zone.NegativeTTL() / time.Second)
	if *c.Left > full {
		return
	}
	ago := full - *c.Left
	c.Heard, c.HeardAtMost = &ago, zone.NegativeTTL() > surelyKept
}

// chainEnd follows the CNAMEs of an answer section. found: there are records of the type at the end.
func chainEnd(answer []dns.RR, qname string, qtype uint16) (end string, found bool) {
	end = qname
	for range len(answer) + 1 {
		next := ""
		for _, rr := range answer {
			if dns.CanonicalName(rr.Header().Name) != end {
				continue
			}
			if rr.Header().Rrtype == qtype {
				return end, true
			}
			if alias, ok := rr.(*dns.CNAME); ok {
				next = dns.CanonicalName(alias.Target)
			}
		}
		if next == "" {
			break
		}
		end = next
	}
	return end, false
}

func soaIn(section []dns.RR) *dns.SOA {
	for _, rr := range section {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa
		}
	}
	return nil
}

func hasNS(section []dns.RR) bool {
	return slices.ContainsFunc(section, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeNS })
}

// lowest is the lowest TTL of the records, or nil without one.
func lowest(rrs []dns.RR) *uint32 {
	var low *uint32
	for _, rr := range rrs {
		if ttl := wire.TTL(rr.Header().Ttl); low == nil || ttl < *low {
			low = &ttl
		}
	}
	return low
}
