package upstream

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"notyet/wire"
)

var (
	errHungUp    = errors.New("closed the connection without a whole reply")
	errTruncated = errors.New("truncated reply over TCP")
	// errIdle means that a connection has been closed since nobody needs it.
	errIdle = errors.New("idle")
)

// maxBuffer is the longest reply, in bytes, whose memory a connection keeps.
const maxBuffer = 4 << 10

// stallTime is how long a connection may say nothing at all while an exchange that times out waits on it. After that it is
// taken for dead: what is sent over it arrives nowhere, and nobody will say so.
const stallTime = time.Second

// stream is one connection. The goroutine that runs it reads, another one writes.
type stream struct {
	streams *streams
	wake    chan struct{} // buffered; told when there is something to write
	gone    chan struct{} // closed when nothing more is written

	// All below is guarded by the lock of streams.
	conn    net.Conn             // nil until it is connected
	pending map[uint16]*Exchange // id → exchange under way
	out     []byte               // to be written
	queued  int                  // queries so far
	heard   int                  // messages so far
	idle    time.Duration
	retired bool // takes no more queries; closed when nothing is pending
}

// run connects, and serves the connection until it ends.
func (st *stream) run() {
	s := st.streams
	conn, err := st.begin()
	if err != nil {
		st.end(err)
		return
	}
	s.running.Go(func() { st.write(conn) })
	err = st.read(conn)
	st.end(err)
	close(st.gone)
	if errors.Is(err, errIdle) {
		conn.Close()
	} else {
		cut(conn)
	}
}

// begin connects. What has been asked meanwhile is sent then.
func (st *stream) begin() (net.Conn, error) {
	s := st.streams
	ctx, cancel := context.WithTimeout(s.upstream.ctx, tryTimeout)
	defer cancel()
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		cut(conn)
		return nil, ErrStopped
	}
	st.conn = conn
	s.upstream.meter.connect(1)
	if len(st.pending) == 0 {
		_ = conn.SetReadDeadline(time.Now().Add(st.idle))
	}
	return conn, nil
}

// write sends what is queued, all that there is at once.
func (st *stream) write(conn net.Conn) {
	var batch []byte
	for {
		select {
		case <-st.gone:
			return
		case <-st.wake:
		}
		st.streams.mu.Lock()
		batch, st.out = st.out, batch[:0]
		st.streams.mu.Unlock()
		if len(batch) == 0 {
			continue // it went with those before
		}
		_ = conn.SetWriteDeadline(time.Now().Add(tryTimeout))
		if _, err := conn.Write(batch); err != nil {
			cut(conn) // which the reader sees
			return
		}
	}
}

// read takes replies until the connection ends.
func (st *stream) read(conn net.Conn) error {
	r := bufio.NewReader(conn)
	var m []byte
	for {
		switch _, err := r.Peek(2); {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case st.retireIdle():
			return errIdle
		default:
			continue // asked again in the same moment
		}
		var err error
		if m, err = readMessage(r, m); err != nil {
			return err
		}
		st.receive(m)
		if cap(m) > maxBuffer {
			m = nil
		}
	}
}

// retireIdle lets the connection take no more queries, unless something is under way.
func (st *stream) retireIdle() bool {
	st.streams.mu.Lock()
	defer st.streams.mu.Unlock()
	if len(st.pending) > 0 {
		return false
	}
	st.retired = true
	return true
}

// receive takes a message. One that doesn't belong to a question under way is left.
func (st *stream) receive(m []byte) {
	u := st.streams.upstream
	x := st.match(m)
	if x == nil {
		u.meter.ignore()
		return
	}
	u.config.Deadlines.remove(x)
	if wire.Flags(binary.BigEndian.Uint16(m[2:])).Has(wire.TC) {
		x.finish(nil, errTruncated)
		return
	}
	x.finish(m, nil)
}

// match takes the exchange out that m is the reply to, or returns nil.
func (st *stream) match(m []byte) *Exchange {
	s := st.streams
	var idle time.Duration
	told := false
	if s.idle > 0 {
		idle, told = wire.Keepalive(m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.heard++
	if len(m) < wire.HeaderLen {
		return nil
	}
	id := binary.BigEndian.Uint16(m)
	x := st.pending[id]
	if x == nil || !wire.MatchesQuestion(m, x.Name, x.Type) {
		return nil
	}
	if told {
		st.idle = min(idle, mostIdle)
		st.retired = st.retired || idle == 0 // RFC 7828, section 3.2.2
	}
	st.takeLocked(id)
	return x
}

// take ends an attempt whose time is up. If the connection has said nothing since, it ends too.
func (st *stream) take(a attempt) bool {
	st.streams.mu.Lock()
	defer st.streams.mu.Unlock()
	x := st.pending[a.id]
	if x == nil || x != a.exchange || x.seq != a.seq {
		return false
	}
	st.takeLocked(a.id)
	if st.conn != nil && x.heard == st.heard && time.Since(x.sent) >= stallTime {
		st.retired = true
		cut(st.conn)
	}
	return true
}

// end takes the connection out. What is under way on it is asked again on a new one, once: the server may have closed it in
// the moment in which the query was sent (RFC 7766, section 6.2.4). If there was no connection at all, err is final.
func (st *stream) end(err error) {
	s := st.streams
	s.mu.Lock()
	s.open = slices.DeleteFunc(s.open, func(other *stream) bool { return other == st })
	if st.conn != nil {
		s.upstream.meter.connect(-1)
	}
	var failed []*Exchange
	for id, x := range st.pending {
		delete(st.pending, id)
		if st.conn == nil || x.again {
			s.underWay--
			failed = append(failed, x)
			continue
		}
		s.upstream.config.Deadlines.remove(x)
		x.again = true
		x.sent = time.Now()
		s.pickLocked(true).addLocked(x)
	}
	s.mu.Unlock()
	s.fail(failed, s.upstream.connError(err))
}

// connError says in few words what was wrong with a connection: clients get to see them, but not our addresses.
func (u *Upstream) connError(err error) error {
	var timeout net.Error
	var op *net.OpError
	switch {
	case u.ctx.Err() != nil:
		return ErrStopped
	case errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return errHungUp
	case errors.As(err, &op):
		return op.Err
	}
	return err
}

// readMessage reads one message with its length before it (RFC 1035, section 4.2.2), into b if that is long enough.
func readMessage(r *bufio.Reader, b []byte) ([]byte, error) {
	length, err := r.Peek(2)
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length))
	_, _ = r.Discard(len(length)) // it has as many
	b = slices.Grow(b[:0], n)[:n]
	_, err = io.ReadFull(r, b)
	return b, err
}

// appendMessage appends m with its length before it.
func appendMessage(dst, m []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(m))), m...)
}
