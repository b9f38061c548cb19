package server

import (
	"bufio"
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

// idleTimeout is how long a connection may go without a whole query (RFC 7766, section 6.2.3), and a reply without
// being taken. What edns-tcp-keepalive announces is the same.
const idleTimeout = 10 * time.Second

// maxPipelined bounds the queries of one connection that are under way; the next is read when one is answered.
const maxPipelined = 100

// maxTCPQuery is the longest query that is read, in bytes. A real one has a name and a few options.
const maxTCPQuery = 4096

// accept takes connections until the listener is closed, and returns when they have all ended.
func (s *Server) accept(ctx context.Context, l *net.TCPListener) {
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		nc, err := l.AcceptTCP()
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
	net    *net.TCPConn
	client netip.AddrPort
	in     *bufio.Reader

	places  chan struct{} // one for each query under way
	replies chan []byte   // has room for all of them, so that whoever answers never waits; closed by run
	stopped atomic.Bool

	element *list.Element // guarded by connections
	query   wire.Query    // used by run
	name    [wire.MaxName]byte
}

func newConn(s *Server, nc *net.TCPConn) *conn {
	return &conn{
		server: s, net: nc, client: tcpAddr(nc.RemoteAddr()),
		in:      bufio.NewReaderSize(nc, 2+maxTCPQuery),
		places:  make(chan struct{}, maxPipelined),
		replies: make(chan []byte, maxPipelined),
	}
}

// underWay is how many queries of the connection are not answered yet.
func (c *conn) underWay() int { return len(c.places) }

func (c *conn) stopReading() {
	c.stopped.Store(true)
	c.net.SetReadDeadline(time.Unix(1, 0)) // ends a read that waits
}

// run reads queries until the client or the server is done, answers those that are under way, and closes.
func (c *conn) run() {
	var writer sync.WaitGroup
	writer.Go(c.write)
	for c.readQuery() {
		c.server.conns.touch(c)
	}
	for range maxPipelined { // all places taken means that nothing is under way
		c.places <- struct{}{}
	}
	close(c.replies)
	writer.Wait()
	c.net.Close()
	c.server.conns.remove(c)
}

// readQuery waits for a query and takes care of it. It returns false when no more is to be read.
func (c *conn) readQuery() bool {
	c.net.SetReadDeadline(time.Now().Add(idleTimeout))
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
	c.answer(message[2:], n)
	_, err := c.in.Discard(2 + n)
	return err == nil
}

// peek waits until n bytes are there. The time for that began with the message, however slowly its bytes come; it
// begins again only when nothing has come and replies are under way.
func (c *conn) peek(n int) ([]byte, bool) {
	for {
		if c.stopped.Load() {
			return nil, false // whose deadline may have been overwritten
		}
		b, err := c.in.Peek(n)
		if err == nil {
			return b, true
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.in.Buffered() > 0 || c.underWay() == 0 {
			return nil, false
		}
		c.net.SetReadDeadline(time.Now().Add(idleTimeout))
	}
}

// answer sees to the reply to a message, of which no more than maxTCPQuery bytes are given. It has a place.
func (c *conn) answer(message []byte, length int) {
	s, q, now := c.server, &c.query, time.Now()
	s.meter.tcp.queries.Add(1)
	err := wire.ParseQuery(message, q)
	if err == nil && length > len(message) {
		err = wire.ErrFormat
	}
	reply, rcode, ok := s.local(make([]byte, 2, 2+wire.MinUDPSize), q, err, c.client.Addr())
	if ok {
		if len(reply) == 2 {
			<-c.places // no reply
			return
		}
		c.send(reply, rcode, now)
		return
	}
	key := s.config.Cache.Key(c.name[:0], q.Name, q.Type, q.EDNS.DO, q.Flags.Has(wire.CD))
	if e := s.config.Cache.Get(key, now); e != nil {
		c.sendEntry(e, q, now, true)
		return
	}
	w := &waitingTCP{conn: c}
	w.keep(q, key, now)
	w.Query.Done = w.done
	s.pending.Add(1)
	s.config.Resolve(&w.Query)
}

// waitingTCP is a query that the resolver has.
type waitingTCP struct {
	conn *conn
	asked
}

func (w *waitingTCP) done(e *cache.Entry) {
	w.conn.sendEntry(e, &w.query, w.started, false)
	w.conn.server.pending.Done()
}

func (c *conn) sendEntry(e *cache.Entry, q *wire.Query, started time.Time, cached bool) {
	s := c.server
	reply := s.config.Cache.AppendReply(make([]byte, 2, 2+wire.MinUDPSize), e, q, wire.MaxMessage, started)
	c.send(reply, e.Rcode(), started)
	if s.log != nil {
		s.log.record(q, e, c.client, "tcp", started, cached)
	}
}

// send hands a reply, behind two bytes for its length, to the writer, which frees its place.
func (c *conn) send(reply []byte, rcode int, started time.Time) {
	binary.BigEndian.PutUint16(reply, uint16(len(reply)-2))
	t := c.server.meter.tcp
	t.rcodes[rcode].Add(1)
	t.observe(1, time.Since(started))
	c.replies <- reply
}

// write sends replies, those that are there in one go. After an error it only takes them, so that the queries under way
// come to an end.
func (c *conn) write() {
	var failed bool
	for reply := range c.replies {
		batch := net.Buffers{reply}
		for range len(c.replies) {
			batch = append(batch, <-c.replies)
		}
		n := len(batch)
		if !failed {
			c.net.SetWriteDeadline(time.Now().Add(idleTimeout))
			if _, err := batch.WriteTo(c.net); err != nil {
				failed = true
				c.net.Close() // and run's read ends
			}
		}
		for range n {
			<-c.places
		}
	}
}
