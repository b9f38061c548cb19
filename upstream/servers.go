package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/miekg/dns"

	"notyet/socket"
	"notyet/wire"
)

// maxServers bounds the servers that are remembered.
const maxServers = 1024

// serverTimeout is how long an exchange with a server may take if its context allows more: an attempt over UDP and
// one over TCP.
const serverTimeout = 2 * tryTimeout

// Servers asks any number of servers that were found on the way, not configured: every query comes from a port of its own
// and in a spelling of its own, and nothing is counted. It is safe for concurrent use.
type Servers struct {
	group     *socket.Group
	deadlines *Deadlines

	mu sync.Mutex // guards all below
	// recent has the servers asked last. One that has to go needs no closing: its sockets and connections are
	// those of the exchanges under way, which end as if it had stayed.
	recent   *simplelru.LRU[netip.AddrPort, *Upstream]
	underWay map[*Upstream]int // server, recent or not → exchanges
	closed   bool
}

// NewServers makes an empty set. The group and the deadlines are as in Config.
func NewServers(group *socket.Group, deadlines *Deadlines) *Servers {
	recent, _ := simplelru.NewLRU[netip.AddrPort, *Upstream](maxServers, nil) // the only error is a size below one
	return &Servers{group: group, deadlines: deadlines, recent: recent, underWay: make(map[*Upstream]int)}
}

// Close ends what is under way, with ErrStopped, and lets nothing begin.
func (s *Servers) Close() {
	s.mu.Lock()
	s.closed = true
	busy := slices.Collect(maps.Keys(s.underWay))
	s.mu.Unlock()
	for _, u := range busy {
		u.Close()
	}
}

// Exchange asks one server and returns its reply, over UDP and if need be over TCP. query has one question, of class IN; it
// is left as it is, and sent without RD and with an OPT that announces wire.UDPSize and has the DO bit and options of
// query's own, if any. The reply has the id of query, and the qname as query spells it, also as an owner name in the answer and
// where names are compressed to it; other names are as the server spells them.
//
// The error is ErrTimeout also when ctx's deadline has passed, otherwise ctx's own when that has ended. An exchange that
// is left so ends by itself, at the latest after serverTimeout.
func (s *Servers) Exchange(ctx context.Context, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	return s.exchange(ctx, server, query, false)
}

// Recurse is Exchange with RD.
func (s *Servers) Recurse(ctx context.Context, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	return s.exchange(ctx, server, query, true)
}

func (s *Servers) exchange(ctx context.Context, server netip.AddrPort, query *dns.Msg, rd bool) (*dns.Msg, error) {
	if ctx.Err() != nil {
		return nil, contextError(ctx)
	}
	packed, err := pack(query, rd)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	var q wire.Query
	if err := wire.ParseQuery(packed, &q); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	qname := bytes.Clone(q.Name)
	mixCase(q.Name)
	reply, err := s.ask(ctx, server, &Exchange{Query: packed, Name: qname, Type: q.Type, Exact: true})
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	m.Id = query.Id
	return m, nil
}

// pack gives query in wire format as it is sent, but for its id and spelling.
func pack(query *dns.Msg, rd bool) ([]byte, error) {
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	if own := query.IsEdns0(); own != nil {
		*opt = *own
	}
	opt.SetUDPSize(wire.UDPSize)
	m := *query
	m.RecursionDesired = rd
	m.Extra = []dns.RR{opt}
	return m.Pack()
}

// ask makes the exchange and waits for its end or ctx's. The reply is the caller's.
func (s *Servers) ask(ctx context.Context, server netip.AddrPort, x *Exchange) (reply []byte, err error) {
	u, err := s.begin(server)
	if err != nil {
		return nil, err
	}
	var result []byte
	var failure error
	done := make(chan struct{}) // closed when both are set
	x.Done = func(reply []byte, err error) {
		result, failure = bytes.Clone(reply), err
		s.end(u)
		close(done)
	}
	x.Deadline = deadline(ctx, time.Now())
	u.Ask(x)
	select {
	case <-done:
		return result, failure
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
}

// begin returns the server, with one exchange more under way.
func (s *Servers) begin(server netip.AddrPort) (*Upstream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrStopped
	}
	u, ok := s.recent.Get(server)
	if !ok {
		u = New(Config{Addr: server, SocketQueries: 1, AsGiven: true, Group: s.group, Deadlines: s.deadlines})
		s.recent.Add(server, u)
	}
	s.underWay[u]++
	return u, nil
}

// end notes that an exchange has ended.
func (s *Servers) end(u *Upstream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.underWay[u]--; s.underWay[u] == 0 {
		delete(s.underWay, u)
	}
}

// deadline is when an exchange that begins at now has to be done.
func deadline(ctx context.Context, now time.Time) time.Time {
	limit := now.Add(serverTimeout)
	if t, ok := ctx.Deadline(); ok && t.Before(limit) {
		return t
	}
	return limit
}

// contextError is the error of an exchange whose context has ended.
func contextError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrTimeout
	}
	return ctx.Err()
}
