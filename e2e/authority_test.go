//go:build e2e && linux

package e2e

import (
	"strings"

	"github.com/miekg/dns"
)

// deepest is the zone that a name lives in; nil: none of them.
func deepest(zones []*fakeZone, qname string) *fakeZone {
	var found *fakeZone
	for _, z := range zones {
		if dns.IsSubDomain(z.apex, strings.ToLower(qname)) && (found == nil || len(z.apex) > len(found.apex)) {
			found = z
		}
	}
	return found
}

// authoritative answers for the zones as their server does.
func authoritative(zones ...*fakeZone) func(*incoming) {
	return func(in *incoming) {
		z := deepest(zones, in.Question[0].Name)
		if z == nil {
			in.reply(in.deny(dns.RcodeRefused))
			return
		}
		m := in.answer()
		m.RecursionAvailable = false
		z.fill(m)
		in.reply(m)
	}
}

// recursive answers from the zones as a resolver does that can reach all of them and keeps nothing. It knows no other names.
func recursive(zones ...*fakeZone) func(*incoming) {
	return func(in *incoming) { in.reply(resolved(in, zones)) }
}

func resolved(in *incoming, zones []*fakeZone) *dns.Msg {
	z := deepest(zones, in.Question[0].Name)
	if z == nil {
		return in.deny(dns.RcodeNameError, ". 86400 SOA a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 86400")
	}
	m := in.answer()
	z.fill(m)
	m.Authoritative = false
	alias, ok := last(m.Answer).(*dns.CNAME)
	if !ok || in.Question[0].Qtype == dns.TypeCNAME {
		return m
	}
	// The target is in another zone.
	q := in.Copy()
	q.Question[0].Name = alias.Target
	rest := resolved(&incoming{Msg: q}, zones)
	m.Answer, m.Ns, m.Rcode = append(m.Answer, rest.Answer...), rest.Ns, rest.Rcode
	return m
}

func last(records []dns.RR) dns.RR {
	if len(records) == 0 {
		return nil
	}
	return records[len(records)-1]
}

// except is a server that answers a name, and all below it, in another way.
func except(handle func(*incoming), name string, other func(*incoming)) func(*incoming) {
	return func(in *incoming) {
		if dns.IsSubDomain(dns.Fqdn(name), strings.ToLower(in.Question[0].Name)) {
			other(in)
			return
		}
		handle(in)
	}
}
