package authority

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"

	"notyet/wire"
)

// lookup is recurse within the bound of a discovery.
func (f *Finder) lookup(ctx context.Context, d *discovery, qname string, qtype uint16) (*dns.Msg, netip.Addr, error) {
	if !d.spend() {
		return nil, netip.Addr{}, errSpent
	}
	return f.recurse(ctx, qname, qtype)
}

// recurse asks the upstream. A reply is an answer or a denial.
func (f *Finder) recurse(ctx context.Context, qname string, qtype uint16) (*dns.Msg, netip.Addr, error) {
	reply, from, err := f.config.Lookup(ctx, qname, qtype)
	if err == nil && reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		err = errors.New(wire.RcodeName(reply.Rcode))
	}
	if err != nil {
		return nil, from, fmt.Errorf("look-up of %s %s at the upstream: %w", qname, dns.Type(qtype), plain(err))
	}
	return reply, from, nil
}
