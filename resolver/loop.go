package resolver

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
	"notyet/wire"
)

// probeInterval is the least time between two probes of the same upstream.
const probeInterval = 10 * time.Second

// A probe's name is a label of a token that this process made and a random number, then probeLabel, then the zone of the
// route. It is made for one use: no cache on the way has an answer to it.
const (
	tokenLen   = 16 // hexadecimal digits
	numberLen  = 8
	probeLabel = "\x0bnotyet-loop"
)

// loops finds out whether an upstream sends our questions back to us, over however many forwarders, which would
// keep every question waiting for itself. It asks the upstream for a name of its own making; if that name comes in as
// a client's question, there is a loop. Upstreams are probed at the start, when they time out, while they loop, and while they
// are down.
type loops struct {
	log   *slog.Logger
	token [tokenLen]byte
	count atomic.Int32 // upstreams that loop; written with the lock held

	mu     sync.Mutex            // guards all below
	under  map[uint32]*probe     // number → probe under way
	states map[string]*loopState // by upstream
}

type loopState struct {
	looping bool
	next    time.Time // no probe before
}

// probe is one question to one upstream.
type probe struct {
	upstream Upstream
	number   uint32
	asked    time.Time
	cameBack bool
	exchange upstream.Exchange
}

func (l *loops) init(log *slog.Logger) {
	var random [tokenLen / 2]byte
	rand.Read(random[:]) // never fails
	hex.Encode(l.token[:], random[:])
	l.log = log
	l.under = make(map[uint32]*probe)
	l.states = make(map[string]*loopState)
}

func (l *loops) stateLocked(up Upstream) *loopState {
	s := l.states[up.String()]
	if s == nil {
		s = &loopState{}
		l.states[up.String()] = s
	}
	return s
}

// keep forgets the upstreams that none of the routes has.
func (l *loops) keep(all *routes) {
	used := make(map[string]bool)
	for _, route := range all.all {
		for _, up := range route.Upstreams {
			used[up.String()] = true
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, s := range l.states {
		if used[name] {
			continue
		}
		delete(l.states, name)
		if s.looping {
			l.count.Add(-1)
		}
	}
}

// isProbe reports whether a client's question is one of our probes, and takes note of it.
func (l *loops) isProbe(qname []byte) bool {
	if len(qname) < 1+tokenLen+numberLen || qname[0] != tokenLen+numberLen || !bytes.Equal(qname[1:1+tokenLen], l.token[:]) {
		return false
	}
	var number [numberLen / 2]byte
	if _, err := hex.Decode(number[:], qname[1+tokenLen:][:numberLen]); err != nil {
		return false
	}
	if up := l.cameBack(binary.BigEndian.Uint32(number[:])); up != nil {
		l.log.Error("forwarding loop: questions sent to this upstream come back here; it is not asked until that ends",
			"upstream", up.String(),
			"remedy", "let upstreams name a server that does not forward to this one, or change where that server forwards to")
	}
	return true
}

// cameBack notes that a probe did, and returns its upstream if that is news.
func (l *loops) cameBack(number uint32) Upstream {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.under[number]
	if p == nil {
		return nil // so late that it has been given up
	}
	p.cameBack = true
	s := l.stateLocked(p.upstream)
	if s.looping {
		return nil
	}
	s.looping = true
	l.count.Add(1)
	return p.upstream
}

// looping reports whether the upstream's last probe came back.
func (l *loops) looping(up Upstream) bool {
	if l.count.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.states[up.String()]
	return s != nil && s.looping
}

// due reports whether the last probe of an upstream is long enough ago, and takes the next for begun.
func (l *loops) due(up Upstream, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stateLocked(up)
	if now.Before(s.next) {
		return false
	}
	s.next = now.Add(probeInterval)
	return true
}

// begin makes a probe. There may be no room for its name below the zone; then a loop shows as timeouts, and the probe is of
// no use but to see whether the upstream answers: it asks for the zone itself.
func (l *loops) begin(up Upstream, zone []byte, now time.Time) (p *probe, room bool) {
	p = &probe{upstream: up, number: mathrand.Uint32(), asked: now} // one upstream can't speak for another
	name := append([]byte{tokenLen + numberLen}, l.token[:]...)
	name = hex.AppendEncode(name, binary.BigEndian.AppendUint32(nil, p.number))
	name = append(append(name, probeLabel...), zone...)
	if room = len(name) <= wire.MaxName; !room {
		name = zone
	}
	p.exchange = upstream.Exchange{
		Query: wire.AppendQuery(nil, name, dns.TypeTXT, wire.RD, false),
		Name:  name, Type: dns.TypeTXT,
		Deadline: now.Add(timeout),
	}
	if room {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.under[p.number] = p
	}
	return p, room
}

// end takes the result of a probe. Only a reply to one that did not come back says that there is no loop.
func (l *loops) end(p *probe, err error) {
	if l.ended(p, err) {
		l.log.Info("forwarding loop ended", "upstream", p.upstream.String())
	}
}

// ended reports whether the probe's end was that of a loop.
func (l *loops) ended(p *probe, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.under, p.number)
	s := l.states[p.upstream.String()]
	if err != nil || p.cameBack || s == nil || !s.looping { // nil: no route has it any more
		return false
	}
	s.looping = false
	l.count.Add(-1)
	return true
}

// Probe asks every upstream a question that shows whether it answers, and whether it is forwarding to us.
func (r *Resolver) Probe() {
	for _, route := range r.routes.Load().all {
		for _, up := range route.Upstreams {
			r.probe(route, up)
		}
	}
}

// probe starts one if the last is long enough ago.
func (r *Resolver) probe(route *Route, up Upstream) {
	now := time.Now()
	if !r.loops.due(up, now) {
		return
	}
	p, room := r.loops.begin(up, route.Zone, now)
	if !room {
		return
	}
	p.exchange.Done = func(reply []byte, err error) { r.probed(p, reply, err) }
	up.Ask(&p.exchange)
}

// probed takes the result of a probe, which says nothing against the upstream: only clients' questions do. Any reply says
// something for it, even that it does not know or refuses such a name, unless that is what it was lost for.
func (r *Resolver) probed(p *probe, reply []byte, err error) {
	v := judge(reply, err, &p.exchange, true, new(wire.Reply))
	if v.replied {
		r.sawReply()
		if !(v.failure && r.checks.lostFor(p.upstream, v.why)) && p.upstream.Health().Answered(p.asked) {
			r.back(p.upstream)
		}
	}
	r.loops.end(p, err)
}
