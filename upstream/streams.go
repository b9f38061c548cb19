package upstream

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// How an upstream's connections are shared (RFC 7766, sections 6.2.1 and 6.2.2).
const (
	// maxStreams is how many connections take queries. A few, since one that has lost a packet holds up all behind it.
	maxStreams = 4
	// streamFill is how many exchanges are under way on each connection before there is another one: Unbound reads no more
	// than so many ahead.
	streamFill = 32
	// maxTCP bounds the exchanges under way over connections.
	maxTCP = 1024
	// maxIdle is how long a connection is kept with nothing under way, unless the server says (RFC 7766, section 6.2.3).
	maxIdle = 10 * time.Second
	// mostIdle bounds what a server may say.
	mostIdle = time.Minute
	// padBlock is what queries are padded to where nobody can read them (RFC 8467, section 4.1).
	padBlock = 128
)

// streams are the connections to one upstream, over TCP or TLS, shared by all its exchanges: queries are sent without
// waiting for the replies to those before, and replies may come in any order.
type streams struct {
	upstream *Upstream
	connect  func(ctx context.Context) (net.Conn, error)
	idle     time.Duration // how long a connection is kept; 0: only while something is under way
	padded   bool          // queries are
	running  sync.WaitGroup

	mu       sync.Mutex // guards all below, and of each stream and exchange what says so
	open     []*stream  // those that are being connected, and those that end, included; in the order in which they began
	underWay int        // exchanges
	seq      uint64
	stopped  bool // nothing is added to open
	scratch  [512]byte
}

// ask starts an attempt.
func (s *streams) ask(x *Exchange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return ErrStopped
	case s.underWay >= maxTCP:
		return ErrBusy
	}
	s.underWay++
	x.sent = time.Now()
	x.until = x.limit(x.sent)
	x.again = false
	s.pickLocked(false).addLocked(x)
	return nil
}

// pickLocked returns the connection for the next query: the first that isn't full, else a new one. If there may be no other,
// it is the one with the least under way. A fresh one is not connected yet.
func (s *streams) pickLocked(fresh bool) *stream {
	var least *stream
	taking := 0
	for _, st := range s.open {
		if st.retired {
			continue
		}
		taking++
		switch {
		case fresh && st.conn != nil:
		case len(st.pending) < streamFill:
			return st
		case least == nil || len(st.pending) < len(least.pending):
			least = st
		}
	}
	switch {
	case taking < maxStreams:
		return s.openLocked()
	case least == nil:
		return s.pickLocked(false)
	}
	return least
}

func (s *streams) openLocked() *stream {
	st := &stream{
		streams: s, idle: s.idle,
		wake: make(chan struct{}, 1), gone: make(chan struct{}), pending: make(map[uint16]*Exchange),
	}
	s.open = append(s.open, st)
	s.running.Go(st.run)
	return st
}

// addLocked puts an exchange under way on the connection.
func (st *stream) addLocked(x *Exchange) {
	s := st.streams
	if len(st.pending) == 0 && st.conn != nil {
		_ = st.conn.SetReadDeadline(time.Time{}) // it is idle no longer
	}
	id := uint16(rand.Uint32()) // ChaCha8, as over UDP
	for st.pending[id] != nil {
		id++
	}
	st.pending[id] = x
	s.seq++
	x.seq, x.heard = s.seq, st.heard
	binary.BigEndian.PutUint16(x.Query, id)
	st.queueLocked(x)
	s.upstream.config.Deadlines.add(attempt{exchange: x, source: st, id: id, seq: x.seq}, x.until)
}

// queueLocked lets the query be written, with its length before it (RFC 1035, section 4.2.2).
func (st *stream) queueLocked(x *Exchange) {
	s := st.streams
	m := x.appendTo(s.scratch[:0])
	if st.queued == 0 && s.idle > 0 {
		m = wire.AddOption(m, dns.EDNS0TCPKEEPALIVE, nil) // once is enough (RFC 7828, section 3.2.1)
	}
	if s.padded {
		m = wire.Pad(m, padBlock)
	}
	st.queued++
	st.out = appendMessage(st.out, m)
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// takeLocked takes an exchange out. The last one leaves the connection idle, or closes it.
func (st *stream) takeLocked(id uint16) {
	delete(st.pending, id)
	st.streams.underWay--
	switch {
	case len(st.pending) > 0 || st.conn == nil:
	case st.retired:
		cut(st.conn)
	default:
		_ = st.conn.SetReadDeadline(time.Now().Add(st.idle))
	}
}

// close ends everything that is under way, with ErrStopped, and lets nothing begin. The upstream's context has ended.
func (s *streams) close() {
	s.mu.Lock()
	s.stopped = true
	var all []*Exchange
	for _, st := range s.open {
		for id, x := range st.pending {
			all = append(all, x)
			st.takeLocked(id)
		}
		if st.conn != nil {
			cut(st.conn)
		}
	}
	s.mu.Unlock()
	s.fail(all, ErrStopped)
	s.running.Wait()
}

// fail finishes exchanges that have been taken out.
func (s *streams) fail(all []*Exchange, err error) {
	for _, x := range all {
		s.upstream.config.Deadlines.remove(x)
		x.finish(nil, err)
	}
}

// cut ends a connection at once, without the farewell of TLS, which might wait for the peer.
func cut(conn net.Conn) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	conn.Close()
}
