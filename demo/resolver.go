package demo

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// patience is how long a reply is waited for on 127.0.0.1, where it comes at once.
	patience = time.Second
	// maxKept bounds what a resolver keeps; the demo asks for a handful of names.
	maxKept = 100
)

// resolver is a plain one: it asks the servers of one zone in turn, and keeps what they say for as long as it may, a "no" for
// min(SOA TTL, SOA MINIMUM) (RFC 2308, section 5). It is safe for concurrent use.
type resolver struct {
	servers  []netip.AddrPort // of the zone
	exchange func(ctx context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error)

	mu   sync.Mutex // guards all below
	turn int        // of the server to be asked next
	kept map[subject]kept
}

// subject is what is kept. An NXDOMAIN is kept for all types of its name, as type 0.
type subject struct {
	qname string // lower case
	qtype uint16
}

type kept struct {
	reply *dns.Msg // never changed
	since time.Time
	ttl   time.Duration
}

// answer is the resolver's handler.
func (r *resolver) answer(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	asked := subject{strings.ToLower(q.Question[0].Name), q.Question[0].Qtype}
	if !dns.IsSubDomain(apex, asked.qname) {
		m.Rcode = dns.RcodeRefused // there is no other zone
		return m
	}
	from, age := r.find(asked)
	if from == nil {
		if from, age = r.recurse(asked), 0; from == nil {
			m.Rcode = dns.RcodeServerFailure
			return m
		}
	}
	m.Rcode, m.Answer, m.Ns = from.Rcode, aged(from.Answer, age), aged(from.Ns, age)
	return m
}

// find returns what is kept of a question, and its age in whole seconds; nil: nothing.
func (r *resolver) find(asked subject) (m *dns.Msg, age uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range []subject{asked, {qname: asked.qname}} {
		if k, ok := r.kept[s]; ok && time.Since(k.since) < k.ttl {
			return k.reply, uint32(time.Since(k.since) / time.Second)
		}
	}
	return nil, 0
}

// recurse asks the zone's next server, and keeps what it says; nil: it says nothing.
func (r *resolver) recurse(asked subject) *dns.Msg {
	r.mu.Lock()
	at := r.servers[r.turn%len(r.servers)]
	r.turn++
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	q := new(dns.Msg).SetQuestion(asked.qname, asked.qtype)
	q.RecursionDesired = false
	m, err := r.exchange(ctx, at, q)
	if err != nil {
		return nil
	}
	ttl, denied := negativeTTL(m)
	if denied {
		for _, rr := range m.Ns {
			rr.Header().Ttl = uint32(ttl / time.Second) // of the SOA, which tells others for how long (RFC 2308, section 3)
		}
	} else {
		ttl = recordTTL * time.Second
	}
	r.keep(asked, m, ttl)
	return m
}

// keep keeps a reply, which nobody changes any more.
func (r *resolver) keep(asked subject, m *dns.Msg, ttl time.Duration) {
	if m.Rcode == dns.RcodeNameError {
		asked.qtype = 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil || len(r.kept) >= maxKept {
		r.kept = make(map[subject]kept)
	}
	r.kept[asked] = kept{m, time.Now(), ttl}
}

// negativeTTL is for how long a "no" may be kept. It returns false when the message is none.
func negativeTTL(m *dns.Msg) (ttl time.Duration, ok bool) {
	if len(m.Answer) > 0 {
		return 0, false
	}
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second, true
		}
	}
	return 0, true
}

// aged are records whose TTL has gone down, in seconds.
func aged(rrs []dns.RR, age uint32) []dns.RR {
	var all []dns.RR
	for _, rr := range rrs {
		rr = dns.Copy(rr)
		rr.Header().Ttl -= min(age, rr.Header().Ttl)
		all = append(all, rr)
	}
	return all
}
