//go:build e2e && linux

package e2e

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// A fakeZone is what fake servers know of a zone. Its records may change at any time.
type fakeZone struct {
	apex string // with its final dot

	mu     sync.Mutex                     // guards owners
	owners map[string]map[uint16][]dns.RR // owner name, lower case → type → records
}

// newZone is a zone whose denials may be kept for a minute. The lines are in zone file syntax, as those of add.
func newZone(apex string, lines ...string) *fakeZone {
	z := &fakeZone{apex: dns.Fqdn(apex), owners: make(map[string]map[uint16][]dns.RR)}
	z.add("@ 60 SOA ns1 hostmaster 1 3600 600 86400 60")
	z.add(lines...)
	return z
}

// add publishes records: zone file lines relative to the apex.
func (z *fakeZone) add(lines ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	p := dns.NewZoneParser(strings.NewReader("$TTL 300\n"+strings.Join(lines, "\n")+"\n"), z.apex, "")
	for r, ok := p.Next(); ok; r, ok = p.Next() {
		owner := dns.CanonicalName(r.Header().Name)
		if z.owners[owner] == nil {
			z.owners[owner] = make(map[uint16][]dns.RR)
		}
		z.owners[owner][r.Header().Rrtype] = append(z.owners[owner][r.Header().Rrtype], r)
	}
	if err := p.Err(); err != nil {
		panic(err)
	}
}

// soa replaces the zone's SOA by one with this rdata.
func (z *fakeZone) soa(rdata string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.owners[z.apex][dns.TypeSOA] = []dns.RR{mustRR(z.apex + " 60 SOA " + rdata)}
}

// fill makes m the zone's authoritative answer to its question.
func (z *fakeZone) fill(m *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m.Authoritative = true
	q := m.Question[0]
	name := strings.ToLower(q.Name)
	if cut := z.cutLocked(name); cut != "" && !(cut == name && q.Qtype == dns.TypeDS) {
		m.Authoritative = false
		m.Ns = z.owners[cut][dns.TypeNS]
		for _, r := range m.Ns {
			glue := z.owners[dns.CanonicalName(r.(*dns.NS).Ns)]
			m.Extra = append(append(m.Extra, glue[dns.TypeA]...), glue[dns.TypeAAAA]...)
		}
		return
	}
	for range 8 {
		types, exists := z.ownerLocked(name)
		switch alias := types[dns.TypeCNAME]; {
		case len(types[q.Qtype]) > 0:
			m.Answer = append(m.Answer, renamed(types[q.Qtype], name)...)
			return
		case len(alias) > 0:
			m.Answer = append(m.Answer, renamed(alias, name)...)
			name = dns.CanonicalName(alias[0].(*dns.CNAME).Target)
			if dns.IsSubDomain(z.apex, name) {
				continue
			}
			return
		case !exists:
			m.Rcode = dns.RcodeNameError
		}
		m.Ns = z.owners[z.apex][dns.TypeSOA]
		return
	}
}

// cutLocked is the zone cut that a name is at or below; empty: it is in the zone.
func (z *fakeZone) cutLocked(name string) string {
	cut := ""
	for n := name; n != z.apex && dns.IsSubDomain(z.apex, n); n = parent(n) {
		if len(z.owners[n][dns.TypeNS]) > 0 {
			cut = n
		}
	}
	return cut
}

func (z *fakeZone) ownerLocked(name string) (types map[uint16][]dns.RR, exists bool) {
	if types, exists = z.owners[name]; exists {
		return types, true
	}
	for owner := range z.owners {
		if strings.HasSuffix(owner, "."+name) {
			return nil, true // an empty non-terminal
		}
	}
	if name == z.apex {
		return nil, true
	}
	types, exists = z.owners["*."+parent(name)]
	return types, exists
}

func parent(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return cmp.Or(rest, ".")
}

// renamed are the records with another owner, which is how a wildcard's are given.
func renamed(records []dns.RR, owner string) []dns.RR {
	var out []dns.RR
	for _, r := range records {
		r = dns.Copy(r)
		r.Header().Name = owner
		out = append(out, r)
	}
	return out
}

// text is the zone as a file without $ORIGIN.
func (z *fakeZone) text() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var b strings.Builder
	for _, types := range z.owners {
		for _, records := range types {
			for _, r := range records {
				b.WriteString(r.String() + "\n")
			}
		}
	}
	return b.String()
}

// clone is a copy that changes by itself.
func (z *fakeZone) clone() *fakeZone {
	z.mu.Lock()
	defer z.mu.Unlock()
	c := &fakeZone{apex: z.apex, owners: make(map[string]map[uint16][]dns.RR)}
	for owner, types := range z.owners {
		c.owners[owner] = make(map[uint16][]dns.RR)
		for qtype, records := range types {
			c.owners[owner][qtype] = slices.Clone(records)
		}
	}
	return c
}
