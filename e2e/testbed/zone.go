//go:build linux

package testbed

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A Zone is what an authority serves.
type Zone struct {
	Name  string // without the final dot
	Text  string // in zone file syntax, without $ORIGIN
	Sign  bool   // signed with NSEC; Knot only
	NSEC3 bool   // signed with NSEC3; Knot only
	// Options are lines of its section in Knot's configuration, such as "notify: secondary". Knot only.
	Options []string
}

func (z Zone) file() string {
	return "$ORIGIN " + z.Name + ".\n" + z.Text
}

// SOA is the first line of a zone whose records live for ttl and whose denials live for negativeTTL, in seconds.
func SOA(ttl, negativeTTL string) string {
	return "$TTL " + ttl + "\n@ " + ttl + " SOA ns hostmaster 1 3600 600 86400 " + negativeTTL + "\n@ NS ns\nns A 192.0.2.53\n"
}

// Apex is SOA for a zone whose servers, which are called ns1, ns2 and so on, can be found: they have these addresses.
func Apex(ttl, negativeTTL string, servers ...netip.Addr) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$TTL %[1]s\n@ %[1]s SOA ns1 hostmaster 1 3600 600 86400 %[2]s\n", ttl, negativeTTL)
	for i, addr := range servers {
		fmt.Fprintf(&b, "@ NS ns%[1]d\nns%[1]d A %[2]v\n", i+1, addr)
	}
	return b.String()
}

// answers tells whether a server gives a NOERROR reply for a zone's SOA.
func answers(at netip.AddrPort, zone string) bool {
	r := ask(at, zone, dns.TypeSOA)
	return r != nil && r.Rcode == dns.RcodeSuccess && len(r.Answer) > 0
}

// keys returns the DNSKEYs of a zone that are its entry points.
func keys(o Owner, at netip.AddrPort, zone string) []*dns.DNSKEY {
	o.Helper()
	var found []*dns.DNSKEY
	Until(o, 10*time.Second, "the DNSKEY of "+zone, func() bool {
		r := ask(at, zone, dns.TypeDNSKEY)
		if r == nil {
			return false
		}
		for _, rr := range r.Answer {
			if key, ok := rr.(*dns.DNSKEY); ok && key.Flags&dns.SEP != 0 {
				found = append(found, key)
			}
		}
		return len(found) > 0
	})
	return found
}

// ask asks a server one question; nil: it gave no answer.
func ask(at netip.AddrPort, qname string, qtype uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(qname), qtype)
	m.SetEdns0(1232, false)
	c := dns.Client{Timeout: time.Second}
	r, _, err := c.Exchange(m, at.String())
	if err != nil {
		return nil
	}
	return r
}

// anchor writes a DNSKEY as Unbound's trust-anchor for a zone.
func anchor(key *dns.DNSKEY, zone string) string {
	fields := strings.Fields(key.String())
	return dns.Fqdn(zone) + " " + strings.Join(fields[2:], " ")
}
