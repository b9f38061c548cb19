package explain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"notyet/config"
	"notyet/socket"
	"notyet/upstream"
	"notyet/wire"
)

const (
	// attempt is how long one question to a resolver may take, unless its context allows less.
	attempt = 2 * time.Second
	// stagger is how long a resolver is waited for before the next one is asked too.
	stagger = 300 * time.Millisecond
	// rounds is how often each resolver is asked: a packet may be lost.
	rounds = 2
)

// Resolver is one that this machine uses, or that was named in its place. It is safe for concurrent use.
type Resolver struct {
	upstream *upstream.Upstream
}

func newResolver(u config.Upstream, group *socket.Group, deadlines *upstream.Deadlines, bootstrap upstream.Bootstrap) *Resolver {
	c := upstream.Config{Name: u.String(), Addr: u.Addr, TCP: u.TCP, Group: group, Deadlines: deadlines}
	if u.TLS {
		c.TLS = &upstream.TLS{Name: u.Name, Path: u.Path}
		if u.Named() {
			c.TLS.Lookup = bootstrap.Lookup
		}
	}
	return &Resolver{upstream.New(c)}
}

// String is the resolver as the configuration spells it.
func (r *Resolver) String() string { return r.upstream.String() }

// Addr is where the resolver is; without an IP address when that has to be looked up.
func (r *Resolver) Addr() netip.AddrPort { return r.upstream.Addr() }

// Ask asks one question. Without rd a resolver says what it has and asks nobody else, or refuses. The reply may have any
// rcode.
func (r *Resolver) Ask(ctx context.Context, qname string, qtype uint16, rd bool) (*dns.Msg, error) {
	if rd {
		return r.ask(ctx, qname, qtype, wire.RD)
	}
	return r.ask(ctx, qname, qtype, 0)
}

// AskUnchecked is Ask with rd, and without validation.
func (r *Resolver) AskUnchecked(ctx context.Context, qname string, qtype uint16) (*dns.Msg, error) {
	return r.ask(ctx, qname, qtype, wire.RD|wire.CD)
}

func (r *Resolver) ask(ctx context.Context, qname string, qtype uint16, flags wire.Flags) (*dns.Msg, error) {
	name, err := wire.Name(qname)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", qname, err)
	}
	type result struct {
		reply []byte
		err   error
	}
	done := make(chan result, 1)
	x := &upstream.Exchange{
		Query: wire.AppendQuery(nil, name, qtype, flags, false), Name: name, Type: qtype,
		Deadline: time.Now().Add(attempt),
		Done:     func(reply []byte, err error) { done <- result{bytes.Clone(reply), err} },
	}
	r.upstream.Ask(x)
	select {
	case got := <-done:
		if got.err != nil {
			return nil, got.err
		}
		m := new(dns.Msg)
		if err := m.Unpack(got.reply); err != nil {
			return nil, fmt.Errorf("reply: %w", err)
		}
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// noAnswer is what a resolver does that neither answers nor denies.
type noAnswer struct {
	resolver string
	rcode    int   // of its reply
	err      error // the same, or why there is no reply
}

func (n noAnswer) Error() string { return n.resolver + ": " + n.err.Error() }
func (n noAnswer) Unwrap() error { return n.err }

var errNoResolver = errors.New("there is no resolver")

// firstOf asks the resolvers one after the other, each a little later, until one has an answer or a denial.
func firstOf(ctx context.Context, resolvers []*Resolver, qname string, qtype uint16) (*dns.Msg, netip.Addr, error) {
	type result struct {
		reply *dns.Msg
		from  netip.Addr
		err   error
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	most := rounds * len(resolvers)
	results := make(chan result, most)
	last := errNoResolver
	next := time.NewTimer(0)
	defer next.Stop()
	for begun, ended := 0, 0; ended < most; {
		select {
		case <-next.C:
			if begun == most {
				continue
			}
			r := resolvers[begun%len(resolvers)]
			begun++
			next.Reset(stagger)
			asking.Go(func() {
				m, err := r.Ask(ctx, qname, qtype, true)
				switch {
				case err != nil:
					err = noAnswer{resolver: r.String(), err: err}
				case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
					err = noAnswer{r.String(), m.Rcode, errors.New(wire.RcodeName(m.Rcode))}
				}
				results <- result{m, r.Addr().Addr(), err}
			})
		case got := <-results:
			if got.err == nil {
				return got.reply, got.from, nil
			}
			ended++
			last = got.err
			next.Reset(0)
		case <-ctx.Done():
			return nil, netip.Addr{}, ctx.Err()
		}
	}
	return nil, netip.Addr{}, last
}
