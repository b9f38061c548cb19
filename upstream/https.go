package upstream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"notyet/wire"
)

// httpsPort is the one that a URL leaves out.
const httpsPort = 443

// pingAfter is how long a connection over HTTP/2 may say nothing until it is asked whether it is alive, and how long it may
// take to answer.
const pingAfter = 2 * time.Second

const mediaType = "application/dns-message"

// https asks over HTTP (RFC 8484). net/http has the connections, how many there are and what is sent over which; here they
// are made, and closed with the upstream.
type https struct {
	upstream  *Upstream
	url       string
	transport *http.Transport
	running   sync.WaitGroup // exchanges

	mu       sync.Mutex // guards all below
	underWay int        // exchanges
	conns    map[*httpsConn]struct{}
	stopped  bool // nothing is added to them
}

// connectError is that of a connection which did not come about: there is no use in another try.
type connectError struct{ error }

func (e connectError) Unwrap() error { return e.error }

func newHTTPS(u *Upstream) *https {
	h := &https{upstream: u, conns: make(map[*httpsConn]struct{})}
	h.url = "https://" + host(u.config.TLS.Name, u.config.Addr) + u.config.TLS.Path
	h.transport = &http.Transport{
		DialTLSContext:     func(context.Context, string, string) (net.Conn, error) { return h.connect() },
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
		MaxConnsPerHost:    maxStreams,
		IdleConnTimeout:    maxIdle,

		MaxResponseHeaderBytes: 16 << 10,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
	}
	return h
}

// host is that of a URL, with the port if it is needed.
func host(name string, addr netip.AddrPort) string {
	switch ip := addr.Addr(); {
	case name == "" && ip.Is6():
		name = "[" + ip.WithZone("").String() + "]"
	case name == "":
		name = ip.String()
	}
	if addr.Port() == httpsPort {
		return name
	}
	return name + ":" + strconv.Itoa(int(addr.Port()))
}

// ask makes an attempt, in a goroutine of its own: net/http has no other way.
func (h *https) ask(x *Exchange) {
	if err := h.begin(x); err != nil {
		x.finish(nil, err)
	}
}

func (h *https) begin(x *Exchange) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopped:
		return ErrStopped
	case h.underWay >= maxTCP:
		return ErrBusy
	}
	h.underWay++
	h.running.Go(func() {
		reply, err := h.exchange(x)
		h.mu.Lock()
		h.underWay--
		h.mu.Unlock()
		x.finish(reply, err)
	})
	return nil
}

// exchange asks, and once more when the connection went away.
func (h *https) exchange(x *Exchange) ([]byte, error) {
	ctx, cancel := context.WithDeadline(h.upstream.ctx, x.limit(time.Now()))
	defer cancel()
	binary.BigEndian.PutUint16(x.Query, 0)            // so that caches on the way know it again (RFC 8484, section 4.1)
	query := wire.Pad(bytes.Clone(x.Query), padBlock) // net/http may read it for longer than x lives
	response, err := h.post(ctx, query)
	if lost(err) && ctx.Err() == nil {
		response, err = h.post(ctx, query)
	}
	if err != nil {
		return nil, h.upstream.httpsError(err)
	}
	return response.reply(x)
}

// lost reports whether a connection ended under an exchange.
func lost(err error) bool {
	var never connectError
	return err != nil && !errors.As(err, &never)
}

// response is what came over HTTP.
type response struct {
	status int
	header http.Header
	body   []byte
}

// post sends a query.
func (h *https) post(ctx context.Context, query []byte) (response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(query))
	if err != nil {
		return response{}, connectError{err}
	}
	request.Header = http.Header{"Content-Type": {mediaType}, "Accept": {mediaType}, "User-Agent": {""}}
	r, err := h.transport.RoundTrip(request) // which follows no redirection, unlike a client
	if err != nil {
		return response{}, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, wire.MaxMessage+1))
	return response{r.StatusCode, r.Header, body}, err
}

// reply is the reply to x that the response has.
func (r response) reply(x *Exchange) ([]byte, error) {
	m := r.body
	switch {
	case r.status != http.StatusOK:
		return nil, fmt.Errorf("answers with HTTP status %d: write the right path, or ask its operator", r.status)
	case !r.isMessage():
		return nil, errors.New("answers with something else than " + mediaType + ": write the right path")
	case len(m) > wire.MaxMessage || !wire.MatchesQuestion(m, x.Name, x.Type):
		x.upstream.meter.ignore()
		return nil, errors.New("answers another question")
	case wire.Flags(binary.BigEndian.Uint16(m[2:])).Has(wire.TC):
		return nil, errTruncated
	}
	copy(m, x.Query[:2])
	r.age(x)
	return m, nil
}

func (r response) isMessage() bool {
	media, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	return err == nil && media == mediaType
}

// age takes off every TTL how long the response lay in a cache for HTTP (RFC 8484, section 5.1).
func (r response) age(x *Exchange) {
	age, err := strconv.ParseUint(r.header.Get("Age"), 10, 31)
	var reply wire.Reply
	if err != nil || age == 0 || wire.ParseReply(r.body, x.Name, x.Type, &reply) != nil {
		return
	}
	var offsets []byte
	for _, off := range reply.TTLs {
		offsets = binary.BigEndian.AppendUint16(offsets, off)
	}
	wire.Age(r.body, offsets, uint32(age))
}

// httpsError is connError for what net/http says.
func (u *Upstream) httpsError(err error) error {
	var refused connectError
	if errors.As(err, &refused) {
		err = refused.error
	}
	err = u.connError(err)
	switch {
	case errors.Is(err, ErrStopped), errors.Is(err, ErrTimeout), refused.error != nil:
		return err
	}
	return errHungUp
}

// httpsConn is a connection of which https knows until it is closed.
type httpsConn struct {
	net.Conn
	https *https
}

// Close closes the connection. A second call does nothing.
func (c *httpsConn) Close() error {
	c.https.forget(c)
	return c.Conn.Close()
}

// connect opens a connection. It ends with the upstream, not with the exchange that it is first for: others may use it.
func (h *https) connect() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(h.upstream.ctx, tryTimeout)
	defer cancel()
	conn, err := h.upstream.dial(ctx)
	if err != nil {
		return nil, connectError{err}
	}
	c, err := h.keep(conn)
	if err != nil {
		return nil, connectError{err}
	}
	secured, err := h.upstream.handshake(ctx, c)
	if err != nil {
		return nil, connectError{err}
	}
	return secured, nil
}

func (h *https) keep(conn net.Conn) (*httpsConn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		conn.Close()
		return nil, ErrStopped
	}
	c := &httpsConn{Conn: conn, https: h}
	h.conns[c] = struct{}{}
	h.upstream.meter.connect(1)
	return c, nil
}

func (h *https) forget(c *httpsConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, kept := h.conns[c]; kept {
		delete(h.conns, c)
		h.upstream.meter.connect(-1)
	}
}

// close ends everything that is under way, with ErrStopped, and lets nothing begin. The upstream's context has ended.
func (h *https) close() {
	h.mu.Lock()
	h.stopped = true
	for c := range h.conns {
		c.Conn.Close() // net/http then closes the rest
		h.upstream.meter.connect(-1)
	}
	clear(h.conns)
	h.mu.Unlock()
	h.running.Wait()
	h.transport.CloseIdleConnections()
}
