package watch

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// notifyInterval is the least time between two bursts for the same zone.
const notifyInterval = time.Second

// maxNotified bounds the zones whose last burst is remembered.
const maxNotified = 1000

// tsigFudge is by how many seconds the clocks of the two ends of a signed message may differ (RFC 8945, section 10).
const tsigFudge = 300

// Notify says who may tell that a zone has changed (RFC 1996).
type Notify struct {
	Allow []netip.Prefix // sources; empty: nobody
	// Keys are the TSIG keys, one of which a NOTIFY has to be signed with; empty: it need not be (RFC 8945).
	Keys []Key
}

// Key is a shared secret.
type Key struct {
	Name      string // any case, the final dot may be left out
	Algorithm string // as miekg/dns names it, such as hmac-sha256.
	Secret    string // base64
}

// notifier knows who may notify, and when whom did last.
type notifier struct {
	senders atomic.Pointer[senders]

	mu   sync.Mutex
	last map[string]time.Time // zone → its last burst
}

// senders are those who may notify.
type senders struct {
	allow []netip.Prefix
	keys  map[string]Key // by name, lower case with its final dot
}

func (n *notifier) init(config Notify) {
	n.last = make(map[string]time.Time)
	n.set(config)
}

func (n *notifier) set(config Notify) {
	all := &senders{keys: make(map[string]Key)}
	for _, p := range config.Allow {
		all.allow = append(all.allow, p.Masked())
	}
	for _, k := range config.Keys {
		all.keys[dns.CanonicalName(k.Name)] = k
	}
	n.senders.Store(all)
}

// SetNotify replaces those who may tell that a zone has changed.
func (s *Set) SetNotify(config Notify) { s.notify.set(config) }

func (s *senders) allows(from netip.Addr) bool {
	from = from.WithZone("")
	return slices.ContainsFunc(s.allow, func(p netip.Prefix) bool { return p.Contains(from) })
}

// Notified takes a message of opcode NOTIFY and returns the reply; nil: none. It does not wait for anything.
func (s *Set) Notified(packet []byte, from netip.Addr) (reply []byte) {
	q := new(dns.Msg)
	if q.Unpack(packet) != nil || len(q.Question) != 1 {
		return header(packet, dns.RcodeFormatError)
	}
	m := new(dns.Msg).SetRcode(q, dns.RcodeSuccess)
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(wire.UDPSize, false)
	}
	zone := dns.CanonicalName(q.Question[0].Name)
	senders := s.notify.senders.Load()
	key, signed := senders.verify(packet, q)
	switch {
	case !senders.allows(from):
		m.Rcode = dns.RcodeRefused
	case len(senders.keys) > 0 && !signed:
		m.Rcode = dns.RcodeNotAuth
	case q.Question[0].Qtype != dns.TypeSOA || q.Question[0].Qclass != dns.ClassINET:
		m.Rcode = dns.RcodeNotImplemented
	case !s.concerns(zone):
		m.Rcode = dns.RcodeNotAuth
	default:
		m.Authoritative = true
		if s.notify.begin(zone, time.Now()) {
			s.start(func() { s.changed(zone) })
		}
	}
	return pack(m, q, key, signed)
}

// header is a reply that has only that.
func header(packet []byte, rcode int) []byte {
	if len(packet) < wire.HeaderLen {
		return nil
	}
	m := dns.Msg{MsgHdr: dns.MsgHdr{Id: uint16(packet[0])<<8 | uint16(packet[1]), Response: true, Opcode: dns.OpcodeNotify, Rcode: rcode}}
	b, _ := m.Pack()
	return b
}

// verify reports whether the message is signed with one of the keys, and with which.
func (s *senders) verify(packet []byte, q *dns.Msg) (key Key, ok bool) {
	t := q.IsTsig()
	if t == nil {
		return Key{}, false
	}
	key, ok = s.keys[dns.CanonicalName(t.Hdr.Name)]
	if !ok || !strings.EqualFold(dns.Fqdn(key.Algorithm), t.Algorithm) {
		return Key{}, false
	}
	return key, dns.TsigVerify(packet, key.Secret, "", false) == nil
}

// pack signs the reply to a message that is signed.
func pack(m, q *dns.Msg, key Key, signed bool) []byte {
	var b []byte
	var err error
	if signed {
		m.SetTsig(dns.CanonicalName(key.Name), dns.CanonicalName(key.Algorithm), tsigFudge, time.Now().Unix())
		b, _, err = dns.TsigGenerate(m, key.Secret, q.IsTsig().MAC, false)
	} else {
		b, err = m.Pack()
	}
	if err != nil {
		return nil
	}
	return b
}

// concerns reports whether names of the zone are under a watch.
func (s *Set) concerns(zone string) bool {
	name, err := wire.Name(zone)
	if err != nil {
		return false
	}
	if s.Find(name) != nil {
		return true
	}
	for _, w := range *s.byZone.Load() {
		if wire.IsSubdomain(w.zone, name) {
			return true
		}
	}
	return false
}

// begin reports whether the zone's last burst is long enough ago for another.
func (n *notifier) begin(zone string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.last[zone]) < notifyInterval {
		return false
	}
	if len(n.last) >= maxNotified {
		clear(n.last)
	}
	n.last[zone] = now
	return true
}

// changed drops the denials of a zone that has changed, and has its pending names asked for at once and again for some seconds.
func (s *Set) changed(zone string) {
	name, err := wire.Name(zone)
	if err != nil {
		return
	}
	s.config.Cache.DropNegativesBelow(name)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pending.Values() {
		if dns.IsSubDomain(zone, p.qname) {
			p.notified, p.burst, p.kept = now, 0, false
			p.scheduleLocked(now)
		}
	}
}
