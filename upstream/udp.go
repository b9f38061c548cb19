package upstream

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/miekg/dns"

	"notyet/socket"
	"notyet/wire"
)

// source is one socket, connected to the upstream, so that the kernel drops packets from anywhere
// else, and bound to a port of the kernel's choice.
type source struct {
	upstream *Upstream
	opened   time.Time

	mu      sync.Mutex // guards all below
	conn    Socket
	pending map[uint16]*Exchange
	sent    int
	seq     uint64
	retired bool         // closed once nothing is pending
	cookie  clientCookie // for what is sent from here; zero: none has been needed yet
	buffer  []byte       // for queries that aren't sent as they were given
}

// attempt says where an exchange is under way. It outlives the exchange's use: seq tells whether it is still the same.
type attempt struct {
	exchange *Exchange
	source   holder
	id       uint16
	seq      uint64
}

// errRetired means that a source takes no more queries.
var errRetired = errors.New("retired")

// askUDP makes an attempt over UDP.
func (u *Upstream) askUDP(x *Exchange) {
	if err := u.startUDP(x); err != nil {
		x.finish(nil, err)
	}
}

func (u *Upstream) startUDP(x *Exchange) error {
	x.stream = false
	for {
		s, err := u.source(x.started)
		if err != nil {
			return err
		}
		switch err := s.send(x); {
		case err == nil:
			return nil
		case !errors.Is(err, errRetired):
			return err
		}
	}
}

// source returns one that the next query may be sent from.
func (u *Upstream) source(now time.Time) (*source, error) {
	if u.config.SocketQueries == 1 {
		return u.openSource(now)
	}
	return u.pool[rand.IntN(poolSize)].current(u, now)
}

// current returns the slot's source, a new one if there is none or it is too old.
func (s *slot) current(u *Upstream, now time.Time) (*source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source != nil && now.Sub(s.source.opened) < maxSocketAge && !s.source.isRetired() {
		return s.source, nil
	}
	if s.source != nil {
		s.source.retire()
		s.source = nil
	}
	fresh, err := u.openSource(now)
	s.source = fresh
	return fresh, err
}

// openSource opens a socket, unless the upstream is closed.
func (u *Upstream) openSource(now time.Time) (*source, error) {
	s := &source{upstream: u, opened: now, pending: make(map[uint16]*Exchange)}
	s.mu.Lock() // something may be received before Dial returns
	defer s.mu.Unlock()
	conn, err := u.config.Connect(u.config.Addr, s)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ctx.Err() != nil {
		conn.Close()
		return nil, ErrStopped
	}
	u.open[s] = struct{}{}
	u.meter.hold(len(u.open))
	return s, nil
}

func (s *source) isRetired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retired
}

// retire lets the source take no more queries, and closes it when the last has ended.
func (s *source) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
	s.closeIfDoneLocked()
}

func (s *source) closeIfDoneLocked() {
	if !s.retired || len(s.pending) > 0 {
		return
	}
	s.conn.Close()
	s.upstream.mu.Lock()
	defer s.upstream.mu.Unlock()
	delete(s.upstream.open, s)
	s.upstream.meter.hold(len(s.upstream.open))
}

// send sends the query under an id that nothing else is pending under here.
func (s *source) send(x *Exchange) error {
	s.mu.Lock()
	if s.retired {
		s.mu.Unlock()
		return errRetired
	}
	// ChaCha8, seeded by the operating system: ids can't be foretold from those seen.
	id := uint16(rand.Uint32())
	for s.pending[id] != nil {
		id++
	}
	s.pending[id] = x
	s.seq++
	x.seq = s.seq
	s.sent++
	s.retired = s.sent >= s.upstream.config.SocketQueries
	a := attempt{exchange: x, source: s, id: id, seq: s.seq}
	binary.BigEndian.PutUint16(x.Query, id)
	x.spell()
	s.upstream.config.Deadlines.add(a, x.limit(x.started))
	err := s.conn.Send(s.packetLocked(x))
	s.mu.Unlock()

	if err != nil && s.take(a) {
		s.upstream.config.Deadlines.remove(x)
		return err
	}
	return nil
}

// packetLocked is the query in its form. It is valid until the next call.
func (s *source) packetLocked(x *Exchange) []byte {
	if x.form == extended {
		return x.Query
	}
	s.buffer = x.appendTo(s.buffer[:0])
	if x.form == cookied {
		jar := &s.upstream.habits.cookies
		if s.cookie == (clientCookie{}) {
			s.cookie = jar.bake(s.conn.LocalAddr().Addr())
		}
		s.buffer = jar.appendTo(s.buffer, s.cookie)
	}
	return s.buffer
}

// take ends an attempt; it reports whether that was still to be done. Whoever gets true finishes the exchange.
func (s *source) take(a attempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.pending[a.id]
	if x == nil || x != a.exchange || x.seq != a.seq {
		return false
	}
	delete(s.pending, a.id)
	s.closeIfDoneLocked()
	return true
}

// Receive takes a packet from the upstream. One that doesn't belong to a question under way is left: the
// reply to that question may still come (RFC 5452, section 9.1).
func (s *source) Receive(_ *socket.Connected, b []byte, err error) {
	if err != nil {
		s.fail(err)
		return
	}
	u := s.upstream
	x, opt := s.match(b)
	if x == nil {
		u.meter.ignore()
		return
	}
	u.config.Deadlines.remove(x)
	if u.habits != nil {
		u.habits.edns.saw(x.form, b)
	}
	flags := wire.Flags(binary.BigEndian.Uint16(b[2:]))
	switch cookie := opt.Option(dns.EDNS0COOKIE); {
	case !x.spelled(b):
		u.doubt(x)
	case flags.Has(wire.TC):
		u.meter.truncate()
		u.askTCP(x)
	case x.form == cookied && !u.believes(cookie, s.cookie):
		u.doubt(x)
	case cookie != nil && opt.Rcode|flags.Rcode() == dns.RcodeBadCookie:
		u.rebake(x)
	default:
		x.finish(b, nil)
	}
}

// match takes the exchange out that b is the reply to, or returns nil. With it comes the OPT of the reply to a query that had a
// cookie, if there is one.
func (s *source) match(b []byte) (x *Exchange, opt wire.OPT) {
	if len(b) < wire.HeaderLen {
		return nil, opt
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := binary.BigEndian.Uint16(b)
	x = s.pending[id]
	if x == nil || !wire.MatchesQuestion(b, x.Name, x.Type) {
		return nil, opt
	}
	if x.form == cookied {
		opt, _ = wire.FindOPT(b)
		if forged(opt.Option(dns.EDNS0COOKIE), s.cookie) {
			return nil, opt
		}
	}
	delete(s.pending, id)
	s.closeIfDoneLocked()
	return x, opt
}

// fail ends everything that is under way here: the kernel says that the upstream can't be reached, or the
// socket is no more.
func (s *source) fail(err error) {
	s.mu.Lock()
	failed := make([]*Exchange, 0, len(s.pending))
	for _, x := range s.pending {
		failed = append(failed, x)
	}
	clear(s.pending)
	s.retired = true
	s.closeIfDoneLocked()
	s.mu.Unlock()
	for _, x := range failed {
		s.upstream.config.Deadlines.remove(x)
		x.finish(nil, err)
	}
}

// expire ends an attempt whose time is up.
func (a attempt) expire() {
	if a.source.take(a) {
		a.exchange.timedOut()
		a.exchange.finish(nil, ErrTimeout)
	}
}
