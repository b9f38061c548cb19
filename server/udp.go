package server

import (
	"time"

	"notyet/cache"
	"notyet/resolver"
	"notyet/socket"
	"notyet/wire"
)

// reader answers the packets of one UDP socket. It is used by one goroutine.
type reader struct {
	server *Server
	conn   socket.Conn
	epoch  time.Time
	tally  *tally
	counts counts // of the batch at hand
	query  wire.Query
	entry  cache.Entry
	name   [wire.MaxName]byte
}

func newReader(s *Server, c socket.Conn, t *tally) *reader {
	return &reader{server: s, conn: c, epoch: time.Now(), tally: t}
}

// handle is the hit path: it answers a batch of packets, and hands on what the cache doesn't have.
func (r *reader) handle(packets []socket.Packet) {
	now := r.epoch.Add(time.Since(r.epoch)) // time.Now would look at the system clock too
	for i := range packets {
		r.packet(&packets[i], now)
	}
	r.tally.add(&r.counts, time.Since(now))
}

func (r *reader) packet(p *socket.Packet, now time.Time) {
	s, q := r.server, &r.query
	err := wire.ParseQuery(p.In, q)
	r.counts.queries++
	if l := s.limit.Load(); l != nil && r.limited(l, p, err, now) {
		return
	}
	reply, rcode, ok := s.local(p.Out, p.In, q, err, p.Peer.Addr.Addr())
	if ok {
		if p.Out = reply; len(reply) > 0 {
			r.counts.rcodes[rcode]++
		}
		return
	}
	q.EDNS.Keepalive = false // means something over TCP only (RFC 7828, section 3.2.2)
	key := s.config.Cache.Key(r.name[:0], q.Name, q.Type, q.EDNS.DO, q.Flags.Has(wire.CD))
	e := &r.entry
	if !s.config.Cache.Get(e, key, now) {
		s.resolveUDP(r, p.Peer, key, now)
		return
	}
	p.Out = s.config.Cache.AppendReply(p.Out, e, q, q.Limit(), now)
	r.counts.rcodes[e.Rcode()]++
	if s.log.isOn() {
		s.log.record(q, e, p.Peer.Addr, "udp", now, true)
	}
}

// waitingUDP is a query that the resolver has. It is used again.
type waitingUDP struct {
	server *Server
	conn   socket.Conn
	peer   socket.Peer
	asked
}

// asked is what is kept of a query's packet until it is answered.
type asked struct {
	resolver.Query
	query   wire.Query
	started time.Time
	name    [wire.MaxName]byte // the qname as the client spelled it
}

// keep copies what points into the packet. The key's bytes are good until the resolver has begun, which is all it needs.
func (a *asked) keep(q *wire.Query, k cache.Key, started time.Time) {
	a.query, a.started = *q, started
	a.query.Name = append(a.name[:0], q.Name...)
	a.Query.Key, a.Query.RD = k, q.Flags.Has(wire.RD)
}

func newWaitingUDP(s *Server) *waitingUDP {
	w := &waitingUDP{server: s}
	w.Query.Done = w.done
	return w
}

func (s *Server) resolveUDP(r *reader, peer socket.Peer, k cache.Key, now time.Time) {
	w := s.waiting.Get().(*waitingUDP)
	w.conn, w.peer = r.conn, peer
	w.keep(&r.query, k, now)
	s.pending.Add(1)
	s.config.Resolve(&w.Query)
}

// done sends the answer. Its TTLs are those of the moment when it was asked for, or when it came if that was later.
func (w *waitingUDP) done(e *cache.Entry) {
	s := w.server
	buf := s.buffers.Get().(*[wire.UDPSize]byte)
	reply := s.config.Cache.AppendReply(buf[:0], e, &w.query, w.query.Limit(), w.started)
	s.meter.answered(e.Rcode(), time.Since(w.started))
	_ = w.conn.Send(reply, w.peer) // a reply that is lost is asked for again
	s.buffers.Put(buf)
	if s.log.isOn() {
		s.log.record(&w.query, e, w.peer.Addr, "udp", w.started, false)
	}
	s.waiting.Put(w)
	s.pending.Done()
}
