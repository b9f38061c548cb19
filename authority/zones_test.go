package authority

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// handler is a server: nil is no reply.
type handler func(q *dns.Msg) *dns.Msg

// zoneData is a zone as its servers have it. It may change.
type zoneData struct {
	apex string
	mu   sync.Mutex // guards rrs
	rrs  []dns.RR
}

// zoneOf reads a zone file. The apex is the owner of its SOA, which may be left to this function.
func zoneOf(t testing.TB, apex, text string) *zoneData {
	t.Helper()
	z := &zoneData{apex: apex}
	z.publish(t, apex+" 3600 SOA ns1."+strings.TrimPrefix(apex, ".")+" admin.example.net. 1 7200 900 1209600 60\n"+text)
	return z
}

// publish adds records.
func (z *zoneData) publish(t testing.TB, text string) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i]) // leading space would stand for the last owner
	}
	p := dns.NewZoneParser(strings.NewReader(strings.Join(lines, "\n")+"\n"), ".", "")
	z.mu.Lock()
	defer z.mu.Unlock()
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		z.rrs = append(z.rrs, rr)
	}
	if err := p.Err(); err != nil {
		t.Fatalf("zone %s: %v", z.apex, err)
	}
}

// remove takes the records of a name and a type out.
func (z *zoneData) remove(owner string, rtype uint16) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.rrs = slices.DeleteFunc(z.rrs, func(rr dns.RR) bool { return rr.Header().Name == owner && rr.Header().Rrtype == rtype })
}

func (z *zoneData) at(owner string, rtype uint16) (found []dns.RR) {
	for _, rr := range z.rrs {
		if rr.Header().Name == owner && rr.Header().Rrtype == rtype {
			found = append(found, dns.Copy(rr))
		}
	}
	return found
}

func (z *zoneData) exists(name string) bool {
	return slices.ContainsFunc(z.rrs, func(rr dns.RR) bool { return dns.IsSubDomain(name, rr.Header().Name) })
}

// cut is the NS set of the delegation that the name is behind, if any.
func (z *zoneData) cut(name string, qtype uint16) []dns.RR {
	for n := name; below(n, z.apex); n = parent(n) {
		if ns := z.at(n, dns.TypeNS); ns != nil && !(n == name && qtype == dns.TypeDS) {
			return ns
		}
	}
	return nil
}

// answer does to m what an authoritative server does (RFC 1034, section 4.3.2).
func (z *zoneData) answer(m *dns.Msg, name string, qtype uint16) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m.Authoritative = true
	for range 8 {
		if ns := z.cut(name, qtype); ns != nil {
			m.Authoritative = len(m.Answer) > 0
			m.Ns = ns
			for _, rr := range ns {
				for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
					m.Extra = append(m.Extra, z.at(rr.(*dns.NS).Ns, t)...)
				}
			}
			return
		}
		owner := name
		if !z.exists(name) {
			for owner = parent(name); !z.exists(owner); owner = parent(owner) {
			}
			if dname := z.at(owner, dns.TypeDNAME); dname != nil {
				target := strings.TrimSuffix(name, owner) + dname[0].(*dns.DNAME).Target
				m.Answer = append(m.Answer, dname[0], rr("%s 300 CNAME %s", name, target))
				if name = target; dns.IsSubDomain(z.apex, name) {
					continue
				}
				return
			}
			owner = "*." + owner
		}
		own := func(rrs []dns.RR) []dns.RR {
			for _, rr := range rrs {
				rr.Header().Name = name
			}
			return rrs
		}
		if found := z.at(owner, qtype); found != nil {
			m.Answer = append(m.Answer, own(found)...)
			return
		}
		if cname := z.at(owner, dns.TypeCNAME); cname != nil {
			m.Answer = append(m.Answer, own(cname)...)
			if name = cname[0].(*dns.CNAME).Target; dns.IsSubDomain(z.apex, name) {
				continue
			}
			return
		}
		m.Ns = z.at(z.apex, dns.TypeSOA)
		if !z.exists(owner) {
			m.Rcode = dns.RcodeNameError
		}
		return
	}
}

// authoritative serves zones.
func authoritative(zones ...*zoneData) handler {
	return func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		name, qtype := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
		var best *zoneData
		for _, z := range zones {
			fits := dns.IsSubDomain(z.apex, name) && !(qtype == dns.TypeDS && z.apex == name)
			if fits && (best == nil || below(z.apex, best.apex)) {
				best = z
			}
		}
		if best == nil {
			m.Rcode = dns.RcodeRefused
			return m
		}
		best.answer(m, name, qtype)
		return m
	}
}

// recursive answers from zones as a recursive resolver does.
func recursive(zones ...*zoneData) handler {
	return func(q *dns.Msg) *dns.Msg {
		m := authoritative(zones...)(q)
		m.Authoritative, m.RecursionAvailable = false, true
		m.Extra = nil
		if m.Rcode == dns.RcodeRefused {
			m.Rcode = dns.RcodeServerFailure
		}
		return m
	}
}

// dead does not reply.
func dead(*dns.Msg) *dns.Msg { return nil }

// says replies with an rcode and no more.
func says(rcode int) handler {
	return func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, rcode) }
}

// edited changes what a server replies.
func edited(h handler, edit func(m *dns.Msg)) handler {
	return func(q *dns.Msg) *dns.Msg {
		m := h(q)
		if m != nil {
			edit(m)
		}
		return m
	}
}

// except has one kind of question answered in another way.
func except(h handler, other handler, kind func(q dns.Question) bool) handler {
	return func(q *dns.Msg) *dns.Msg {
		if kind(q.Question[0]) {
			return other(q)
		}
		return h(q)
	}
}

// slow replies after a time.
func slow(d time.Duration, h handler) handler {
	return func(q *dns.Msg) *dns.Msg {
		time.Sleep(d)
		return h(q)
	}
}
