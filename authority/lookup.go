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
		return nil, from, Unresolved{Name: qname, Type: qtype, Err: err}
	}
	return reply, from, nil
}

// Unresolved is a reason of a degraded zone, and an error: the upstream did not say what discovery begins with.
type Unresolved struct {
	Name     string
	Type     uint16     // NS or SOA, mostly
	From     netip.Addr // the upstream that replied that there is none; zero: none replied
	NXDOMAIN bool       // so it said; otherwise NODATA
	Above    bool       // the SOA of a zone above would have done
	Err      error      // why there is no reply, as Lookup has it; nil: there is one
}

func (u Unresolved) Error() string {
	switch {
	case u.Err != nil:
		return fmt.Sprintf("look-up of %s %s at the upstream: %v", u.Name, dns.Type(u.Type), plain(u.Err))
	case u.Above:
		return fmt.Sprintf("the upstream has no %s above %s", dns.Type(u.Type), u.Name)
	}
	return fmt.Sprintf("the upstream has no %s of %s", dns.Type(u.Type), u.Name)
}

func (u Unresolved) Unwrap() error {
	if u.Err == nil {
		return nil
	}
	return plain(u.Err)
}

// lacking is the reason when a reply does not have the records.
func lacking(reply *dns.Msg, from netip.Addr, qname string, qtype uint16) Unresolved {
	return Unresolved{Name: qname, Type: qtype, From: from, NXDOMAIN: reply.Rcode == dns.RcodeNameError}
}
