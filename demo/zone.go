package demo

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	apex  = "preview.example.com."
	qname = "pr-7." + apex // the name that is asked for too early
	qtype = dns.TypeA
	// recordTTL is in seconds: the record is not to expire while the story lasts.
	recordTTL = 300
)

// address is what the name gets (RFC 5737).
var address = netip.AddrFrom4([4]byte{203, 0, 113, 7})

// zone has several name servers, which take up a change one after the other. It is safe for concurrent use.
type zone struct {
	negativeTTL time.Duration   // whole seconds
	takeUp      []time.Duration // server → from publishing until it has the record

	mu        sync.Mutex
	published time.Time // zero: the record is not there yet
}

func (z *zone) publish() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.published = time.Now()
}

// has reports whether a server has taken the record up.
func (z *zone) has(server int) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return !z.published.IsZero() && time.Since(z.published) >= z.takeUp[server]
}

// server answers as one of the zone's name servers.
func (z *zone) server(i int) handler {
	return func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		asked := q.Question[0]
		if !dns.IsSubDomain(apex, asked.Name) {
			m.Rcode = dns.RcodeRefused
			return m
		}
		m.Authoritative = true
		all := z.records(strings.ToLower(asked.Name), i)
		m.Answer = slices.DeleteFunc(slices.Clone(all), func(rr dns.RR) bool { return rr.Header().Rrtype != asked.Qtype })
		if len(m.Answer) == 0 {
			m.Ns = []dns.RR{z.soa()}
		}
		if len(all) == 0 {
			m.Rcode = dns.RcodeNameError
		}
		return m
	}
}

// records are all that a server has of a name, lower case; none: there is no such name.
func (z *zone) records(name string, server int) (all []dns.RR) {
	header := func(t uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: t, Class: dns.ClassINET, Ttl: recordTTL}
	}
	switch {
	case name == apex:
		all = append(all, z.soa())
		for i := range z.takeUp {
			all = append(all, &dns.NS{Hdr: header(dns.TypeNS), Ns: serverName(i) + "." + apex})
		}
	case name == qname && z.has(server):
		all = append(all, &dns.A{Hdr: header(qtype), A: address.AsSlice()})
	}
	for i := range z.takeUp {
		if name == serverName(i)+"."+apex {
			all = append(all, &dns.A{Hdr: header(dns.TypeA), A: netip.AddrFrom4([4]byte{127, 0, 0, 1}).AsSlice()})
		}
	}
	return all
}

func (z *zone) soa() *dns.SOA {
	ttl := uint32(z.negativeTTL / time.Second)
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: apex, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns:  serverName(0) + "." + apex, Mbox: "hostmaster." + apex,
		Serial: 1, Refresh: 7200, Retry: 900, Expire: 1209600, Minttl: ttl,
	}
}

// serverName is what people call a name server of the zone.
func serverName(i int) string { return fmt.Sprintf("ns%d", i+1) }
