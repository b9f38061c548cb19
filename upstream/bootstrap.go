package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// otherFamily is how long addresses of one family wait for those of the other (RFC 8305, section 3).
const otherFamily = 50 * time.Millisecond

// maxAddressLife is the longest that addresses are used before they are looked up again.
const maxAddressLife = 24 * time.Hour

// Bootstrap looks up the addresses of upstreams that are given by name.
type Bootstrap struct {
	// Servers are who is asked, one after the other. They are read for every look-up.
	Servers func() ([]netip.AddrPort, error)
	// Exchange asks one of them, with recursion, as Servers.Recurse does.
	Exchange func(ctx context.Context, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error)
}

// found is what a look-up brought for one family.
type found struct {
	addrs []netip.Addr
	ttl   time.Duration
	err   error
}

// Lookup finds the addresses of name, those of IPv4 first, and for how long they are good. Without an error there is at least
// one. ctx has a deadline.
func (b Bootstrap) Lookup(ctx context.Context, name string) ([]netip.Addr, time.Duration, error) {
	servers, err := b.Servers()
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	four, six := make(chan found, 1), make(chan found, 1)
	go func() { four <- b.find(ctx, servers, name, dns.TypeA) }()
	go func() { six <- b.find(ctx, servers, name, dns.TypeAAAA) }()
	var a, aaaa found
	select {
	case a = <-four:
		aaaa = other(six, a)
	case aaaa = <-six:
		a = other(four, aaaa)
	}
	switch {
	case a.err != nil && aaaa.err != nil:
		return nil, 0, a.err
	case a.err != nil:
		return aaaa.addrs, aaaa.ttl, nil
	case aaaa.err != nil:
		return a.addrs, a.ttl, nil
	}
	return append(a.addrs, aaaa.addrs...), min(a.ttl, aaaa.ttl), nil
}

// other waits for the second family, and not for long if the first has addresses.
func other(second <-chan found, first found) found {
	if first.err != nil {
		return <-second
	}
	select {
	case f := <-second:
		return f
	case <-time.After(otherFamily):
		return found{err: ErrTimeout}
	}
}

// find asks the servers for the addresses of one family, each twice: a packet may be lost.
func (b Bootstrap) find(ctx context.Context, servers []netip.AddrPort, name string, qtype uint16) found {
	const rounds = 2
	var last error
	for i := range rounds * len(servers) {
		server := servers[i%len(servers)]
		part, cancel := share(ctx, rounds*len(servers)-i)
		reply, err := b.Exchange(part, server, new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype))
		cancel()
		if err == nil && reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
			err = errors.New(wire.RcodeName(reply.Rcode))
		}
		if err == nil {
			return read(reply, qtype)
		}
		last = fmt.Errorf("%v: %w", server, err)
	}
	return found{err: last}
}

// read takes the addresses from a reply, which may have aliases on the way to them.
func read(reply *dns.Msg, qtype uint16) found {
	f := found{ttl: maxAddressLife}
	for _, rr := range reply.Answer {
		f.ttl = min(f.ttl, time.Duration(wire.TTL(rr.Header().Ttl))*time.Second)
		var ip []byte
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A.To4()
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if addr, ok := netip.AddrFromSlice(ip); ok && rr.Header().Rrtype == qtype {
			f.addrs = append(f.addrs, addr)
		}
	}
	if len(f.addrs) == 0 {
		f.err = fmt.Errorf("%s of %s: there is none", dns.Type(qtype), reply.Question[0].Name)
	}
	return f
}
