package server

import (
	"bufio"
	"bytes"
	"container/list"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"notyet/cache"
	"notyet/wire"
)

// idleTimeout is how long a connection may go without a whole query when all are answered (RFC 7766, section 6.2.3), and
// a reply without being taken. What edns-tcp-keepalive announces is the same.
const idleTimeout = 10 * time.Second

// maxPipelined bounds the queries of one connection that are under way; the next is read when one is answered.
const maxPipelined = 100

// replyPlace is how many bytes of a cached reply take one of the places of the queries under way, begun ones too. A client that
// doesn't read so has no more than maxPipelined of that waiting.
const replyPlace = 4 << 10

// maxTCPQuery is the longest query that is read, in bytes. A real one has a name and a few options.
const maxTCPQuery = 4096

// writeBatch is how many bytes of replies are gathered before they are written.
const writeBatch = 16 << 10

// accept takes connections until the listener is closed, and returns when they have all ended.
func (s *Server) accept(ctx context.Context, l net.Listener) {
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors or memory: a short rest lets some go.
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		c := newConn(s, nc)
		if !s.conns.add(c) {
			nc.Close()
			continue
		}
		conns.Go(c.run)
	}
}

// conn is a client's TCP connection. Replies go out as they come, whatever the order of the queries (RFC 7766, section 7).
type conn struct {
	server *Server
	net    net.Conn
	client netip.AddrPort
	in     *bufio.Reader
	opened time.Time

	places  chan struct{} // one for each query under way, or more if its reply is large
	replies chan reply    // has room for all of them, so that whoever answers never waits; closed by run
	stopped atomic.Bool
	written atomic.Int64 // nanoseconds from opened until replies were last written

	element *list.Element // guarded by connections
	query   wire.Query    // used by run
	name    [wire.MaxName]byte
}

// reply is one on its way out. An entry becomes bytes when its turn to be written comes.
type reply struct {
	message []byte // a reply that is ready; nil: made of the two below
	entry   *cache.Entry
	query   *wire.Query // its bytes are not the packet's
	more    int         // places that it takes beside that of its query
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{
		server: s, net: nc, client: tcpAddr(nc.RemoteAddr()),
		in:      bufio.NewReaderSize(nc, 2+maxTCPQuery),
		opened:  time.Now(),
		places:  make(chan struct{}, maxPipelined),
		replies: make(chan reply, maxPipelined),
	}
}

// underWay is how many places are taken; 0: all queries of the connection are answered.
func (c *conn) underWay() int { return len(c.places) }

func (c *conn) stopReading() {
	c.stopped.Store(true)
	c.net.SetReadDeadline(time.Unix(1, 0)) // ends a read that waits
}

// run reads queries until the client or the server is done, answers those that are under way, and closes.
func (c *conn) run() {
	var writer sync.WaitGroup
	writer.Go(c.write)
	c.net.SetReadDeadline(time.Now().Add(idleTimeout))
	for c.readMessage() {
	}
	for range maxPipelined { // all places taken means that nothing is under way
		c.places <- struct{}{}
	}
	close(c.replies)
	writer.Wait()
	c.net.Close()
	c.server.conns.remove(c)
}

// readMessage waits for a message and takes care of it. It returns false when no more is to be read. Only a query
// begins the idle time anew, not a message that gets no reply.
func (c *conn) readMessage() bool {
	length, ok := c.peek(2)
	if !ok {
		return false
	}
	n := int(binary.BigEndian.Uint16(length))
	message, ok := c.peek(2 + min(n, maxTCPQuery))
	if !ok {
		return false
	}
	c.places <- struct{}{}
	if c.stopped.Load() {
		<-c.places // the wait for a place was long: too late to begin with it
		return false
	}
	answered := c.answer(message[2:], n)
	if _, err := c.in.Discard(2 + n); err != nil {
		return false
	}
	if answered {
		c.net.SetReadDeadline(time.Now().Add(idleTimeout))
		c.server.conns.touch(c)
	}
	return true
}

// peek waits until n bytes are there. The time for a message does not begin again when a part of it has come, however
// slowly the rest does; when nothing has, it goes on while replies are under way and until idleTimeout after the last.
func (c *conn) peek(n int) ([]byte, bool) {
	for {
		if c.stopped.Load() {
			return nil, false // whose deadline may have been overwritten
		}
		b, err := c.in.Peek(n)
		if err == nil {
			return b, true
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.in.Buffered() > 0 {
			return nil, false
		}
		now := time.Now()
		idleSince := now
		if c.underWay() == 0 {
			idleSince = c.opened.Add(time.Duration(c.written.Load()))
		}
		until := idleSince.Add(idleTimeout)
		if !now.Before(until) {
			return nil, false
		}
		c.net.SetReadDeadline(until)
	}
}

// answer sees to the reply to a message, of which no more than maxTCPQuery bytes are given. It has a place, which it
// gives back at once when it returns false: there is no reply.
func (c *conn) answer(message []byte, length int) bool {
	s, q, now := c.server, &c.query, time.Now()
	s.meter.tcp.queries.Add(1)
	err := wire.ParseQuery(message, q)
	if err == nil && length > len(message) {
		err = wire.ErrFormat
	}
	local, rcode, ok := s.local(nil, message, q, err, c.client.Addr())
	if ok {
		if len(local) == 0 {
			<-c.places
			return false
		}
		c.send(reply{message: local}, rcode, now)
		return true
	}
	key := s.config.Cache.Key(c.name[:0], q.Name, q.Type, q.EDNS.DO, q.Flags.Has(wire.CD))
	if e := new(cache.Entry); s.config.Cache.Get(e, key, now) {
		kept := *q
		kept.Name = bytes.Clone(q.Name)
		more := e.Len() / replyPlace
		for range more {
			c.places <- struct{}{} // nobody else takes any
		}
		c.sendEntry(reply{entry: e, query: &kept, more: more}, now, true)
		return true
	}
	w := &waitingTCP{conn: c}
	w.keep(q, key, now)
	w.Query.Done = w.done
	s.pending.Add(1)
	s.config.Resolve(&w.Query)
	return true
}

// waitingTCP is a query that the resolver has.
type waitingTCP struct {
	conn *conn
	asked
}

func (w *waitingTCP) done(e *cache.Entry) {
	w.conn.sendEntry(reply{entry: e, query: &w.query}, w.started, false)
	w.conn.server.pending.Done()
}

func (c *conn) sendEntry(r reply, started time.Time, cached bool) {
	c.send(r, r.entry.Rcode(), started)
	if log := c.server.log; log.isOn() {
		log.record(r.query, r.entry, c.client, "tcp", started, cached)
	}
}

// send hands a reply to the writer, which frees its places.
func (c *conn) send(r reply, rcode int, started time.Time) {
	t := c.server.meter.tcp
	t.rcodes[rcode].Add(1)
	t.observe(1, time.Since(started))
	c.replies <- r
}

// write sends replies, those that are there in one go. After an error it only takes them, so that the queries under way
// come to an end.
func (c *conn) write() {
	for r := range c.replies {
		batch := c.append(make([]byte, 0, 2+wire.MinUDPSize), r)
		places := 1 + r.more
		for len(c.replies) > 0 && len(batch) < writeBatch {
			r = <-c.replies
			batch = c.append(batch, r)
			places += 1 + r.more
		}
		c.net.SetWriteDeadline(time.Now().Add(idleTimeout))
		if _, err := c.net.Write(batch); err != nil {
			c.net.Close() // run's read ends, and every write from now on
		}
		c.written.Store(int64(time.Since(c.opened)))
		for range places {
			<-c.places
		}
	}
}

// append appends a reply behind two bytes for its length.
func (c *conn) append(dst []byte, r reply) []byte {
	start := len(dst)
	dst = append(dst, 0, 0)
	if r.entry == nil {
		dst = append(dst, r.message...)
	} else {
		dst = c.server.config.Cache.AppendReply(dst, r.entry, r.query, wire.MaxMessage, time.Now())
	}
	binary.BigEndian.PutUint16(dst[start:], uint16(len(dst)-start-2))
	return dst
}
