// Package upstream asks one remote server: which sockets, which ids, whose reply it is, and how long to
// wait. What the reply means is for others.
package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"notyet/socket"
	"notyet/wire"
)

// poolSize is how many sockets a busy upstream is asked from, one at random per query: with as many ports and 16-bit ids a
// forger has to guess 22 bits within a round trip (RFC 5452, section 4.5).
const poolSize = 64

// A socket is retired after so many queries (unless Config says otherwise) or so long, so that a port that leaked is soon
// worth nothing.
const (
	maxSocketQueries = 1000
	maxSocketAge     = 10 * time.Second
)

// tryTimeout is how long one attempt may take.
const tryTimeout = 2 * time.Second

var (
	// ErrTimeout means that no reply came in time.
	ErrTimeout = errors.New("timeout")
	// ErrBusy means that too much is under way with this upstream.
	ErrBusy = errors.New("too many exchanges under way")
	// ErrStopped means that the upstream is closed.
	ErrStopped = errors.New("stopped")
)

// Config says which server an Upstream is and what it works with.
type Config struct {
	// Name is how the upstream is called in metrics and messages; empty: as the configuration spells Addr.
	Name string
	// Addr is where the server is. With TLS it may have a port alone: the address is looked up.
	Addr netip.AddrPort
	TCP  bool // ask over TCP only
	TLS  *TLS // ask over TLS only, and how; nil: in the clear
	// SocketQueries is how many queries a UDP socket is used for; 0: 1,000. With 1 every query comes from a port of its
	// own, and an upstream that nothing is under way with holds no socket.
	SocketQueries int
	// AsGiven leaves queries as they are given. Otherwise they are spelled at random, have cookies, and have what the upstream can't
	// do with left out; then all of them are to be made by wire.AppendQuery.
	AsGiven bool
	// Group has the UDP sockets, Deadlines the time-outs; both are shared by all upstreams, and whoever
	// made them runs them.
	Group     *socket.Group
	Deadlines *Deadlines
	Metrics   *Metrics // nil: nothing is counted
	// Connect opens UDP sockets whose packets receiver gets; nil: as Group does.
	Connect func(addr netip.AddrPort, receiver socket.Receiver) (Socket, error)
	// Dial opens TCP connections; nil: as net.Dialer does.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	Log  *slog.Logger // nil: nothing is told
}

// Socket is a UDP socket that is connected to a server. It is safe for concurrent use.
type Socket interface {
	Send(packet []byte) error
	LocalAddr() netip.AddrPort
	Close()
}

// Upstream is one remote server. It is safe for concurrent use.
type Upstream struct {
	config Config
	name   string
	meter  *meter // nil: nothing is counted
	health *Health
	habits *habits        // nil: queries are left as they are given
	pool   [poolSize]slot // empty when every query has a socket of its own

	streams   *streams
	https     *https      // nil: not asked over HTTPS
	secrets   *tls.Config // of every connection; nil: they are in the clear
	addresses addresses
	distrust  atomic.Pointer[certificateError] // what was wrong with the last certificate; nil and empty: nothing

	ctx context.Context

	mu   sync.Mutex           // guards all below, and is held when ctx is ended: nothing is added to them afterwards
	stop context.CancelFunc   // ends ctx
	open map[*source]struct{} // whose sockets aren't closed, those that are retired included
}

// slot has the socket that its queries are sent from at the moment.
type slot struct {
	mu     sync.Mutex // guards source
	source *source    // nil, or one that isn't retired unless by age
}

// New makes an upstream. Close ends what it started.
func New(config Config) *Upstream {
	idle := maxIdle
	switch config.SocketQueries {
	case 0:
		config.SocketQueries = maxSocketQueries
	case 1:
		idle = 0 // it holds no connection either
	}
	if config.Connect == nil {
		config.Connect = func(addr netip.AddrPort, receiver socket.Receiver) (Socket, error) {
			return config.Group.Dial(addr, receiver)
		}
	}
	if config.Dial == nil {
		config.Dial = new(net.Dialer).DialContext
	}
	if config.Name == "" {
		config.Name = Name(config.Addr, config.TCP)
	}
	u := &Upstream{config: config, name: config.Name, open: make(map[*source]struct{})}
	u.meter = config.Metrics.meter(u.name)
	u.health = newHealth(u.meter)
	if viaHTTP := config.TLS != nil && config.TLS.Path != ""; !config.AsGiven && !viaHTTP { // who speaks HTTP can do with EDNS
		u.habits = newHabits(config.Log, u.name)
	}
	u.ctx, u.stop = context.WithCancel(context.Background())
	u.streams = &streams{upstream: u, connect: u.dial, idle: idle}
	if config.TLS != nil {
		u.secure()
	}
	return u
}

// secure lets every connection be one over TLS.
func (u *Upstream) secure() {
	t := u.config.TLS
	u.secrets = t.config(u.config.Addr.Addr())
	u.addresses.lookup = t.Lookup
	if t.Path != "" {
		u.https = newHTTPS(u)
		return
	}
	u.streams.padded = true
	u.streams.connect = func(ctx context.Context) (net.Conn, error) {
		conn, err := u.dial(ctx)
		if err != nil {
			return nil, err
		}
		return u.handshake(ctx, conn)
	}
}

// Name is how an upstream in the clear is called in the configuration, metrics and messages.
func Name(addr netip.AddrPort, tcp bool) string {
	if tcp {
		return "tcp://" + addr.String()
	}
	return addr.String()
}

func (u *Upstream) String() string { return u.name }

// Addr is where the server is; without an IP address if that has to be looked up.
func (u *Upstream) Addr() netip.AddrPort { return u.config.Addr }

// Close closes all sockets and connections; what is under way is told ErrStopped.
func (u *Upstream) Close() {
	u.mu.Lock()
	u.stop()
	open := slices.Collect(maps.Keys(u.open))
	u.mu.Unlock()
	for _, s := range open {
		s.fail(ErrStopped)
	}
	u.streams.close()
	if u.https != nil {
		u.https.close()
	}
}

// Exchange is one question to one server. Whoever makes it sets the first group of fields and leaves them
// alone until Done is called; then it may be used again.
type Exchange struct {
	// Query is the query in wire format. Its id and the spelling of its qname are overwritten at each attempt.
	Query []byte
	// Name and Type are the query's question; Name is in wire format.
	Name []byte
	Type uint16
	// Exact wants a reply over UDP to spell the qname as Query does, in which the sender has mixed upper and lower
	// case, and leaves the spelling alone: a forger has to guess a bit more for every letter (draft-vixie-dnsext-dns0x20-00). A
	// reply that is right but for the spelling is not believed; the question is asked again over TCP, where any spelling will do.
	Exact bool
	// Deadline is the moment by which Done is called at the latest, be it with ErrTimeout. The
	// attempt may end before.
	Deadline time.Time
	// Done is called exactly once, from any goroutine, also before Ask returns. reply
	// has the right id and question, spells the qname as Name, is not truncated, and is valid until Done returns; with err it is nil.
	Done func(reply []byte, err error)

	upstream *Upstream
	started  time.Time
	course
	timer timer // guarded by the wheel's lock

	// All below is guarded by the lock of the source or the streams it is under way at; seq of both, the others of streams.
	seq   uint64
	sent  time.Time // when the query was last sent, or queued
	until time.Time // when the attempt ends
	heard int       // messages that the connection had brought by then
	again bool      // it is asked a second time
}

// Ask starts an exchange. A truncated reply over UDP is followed by an attempt over TCP (RFC 7766, section 5).
func (u *Upstream) Ask(x *Exchange) {
	x.upstream = u
	x.started = time.Now()
	x.setOut()
	switch {
	case u.https != nil:
		u.https.ask(x)
	case u.config.TCP || u.config.TLS != nil:
		u.askTCP(x)
	default:
		u.askUDP(x)
	}
}

// askTCP makes an attempt over a connection.
func (u *Upstream) askTCP(x *Exchange) {
	x.stream = true
	x.unspell()
	if err := u.streams.ask(x); err != nil {
		x.finish(nil, err)
	}
}

// limit is when an attempt that starts at now ends.
func (x *Exchange) limit(now time.Time) time.Time {
	if t := now.Add(tryTimeout); t.Before(x.Deadline) {
		return t
	}
	return x.Deadline
}

// finish counts the result and gives it away, unless there is more to be tried. x belongs to Done's owner from then on.
func (x *Exchange) finish(reply []byte, err error) {
	if x.upstream.again(x, reply, err) {
		return
	}
	x.upstream.meter.observe(reply, err, time.Since(x.started))
	if err == nil && !bytes.Equal(reply[wire.HeaderLen:][:len(x.Name)], x.Name) {
		wire.Respell(reply, x.Name)
	}
	x.Done(reply, err)
}
