package explain

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/wire"
)

// Why is an error of the Finder in the words of somebody who has resolvers, and has never heard of an upstream: which of them
// was asked, and what it said.
func (w *World) Why(err error) string {
	var u authority.Unresolved
	if !errors.As(err, &u) {
		return err.Error()
	}
	return strings.Replace(err.Error(), u.Error(), w.unresolved(u), 1)
}

func (w *World) unresolved(u authority.Unresolved) string {
	name, said := words(u.Name), "NODATA"
	if u.NXDOMAIN {
		said = dns.RcodeToString[dns.RcodeNameError]
	}
	says := "the resolver " + w.named(u.From) + " says " + said + " for " + name
	switch {
	case u.Err != nil:
		return w.unanswered(u)
	case u.Above:
		return says + ", and names no zone that it is in"
	case u.NXDOMAIN:
		return says + ": by its word there is no such domain"
	case u.Type == dns.TypeNS:
		return says + " NS: by its word it has no name servers"
	}
	return says + " " + typeName(u.Type) + ": by its word there is no zone of that name"
}

// unanswered says who gave no answer to a look-up.
func (w *World) unanswered(u authority.Unresolved) string {
	looking := "looking for the name servers of " + words(u.Name)
	if u.Type != dns.TypeNS {
		looking = "looking for the zone of " + words(u.Name)
	}
	var no noAnswer
	switch {
	case errors.As(u.Err, &no) && no.rcode != dns.RcodeSuccess:
		return looking + ": the resolver " + address(no.resolver) + " says " + wire.RcodeName(no.rcode) + meanings[no.rcode]
	case errors.As(u.Err, &no):
		return looking + " at the resolver " + address(no.resolver) + ": " + silence(no.err).Why
	case errors.Is(u.Err, context.DeadlineExceeded), errors.Is(u.Err, context.Canceled):
		return looking + " at " + w.all() + ": no answer in time"
	}
	return looking + ": " + u.Err.Error()
}

// meanings are what the rcodes say that resolvers fail with.
var meanings = map[int]string{
	dns.RcodeServerFailure: ": it could not find out",
	dns.RcodeRefused:       ": it does not answer who asks from here",
}

// named is the resolver at an address.
func (w *World) named(at netip.Addr) string {
	var found []string
	for _, r := range w.Resolvers {
		if r.Addr().Addr() == at {
			found = append(found, address(r.String()))
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return at.String() // of which there may be several, at ports of their own
}

// all are the resolvers.
func (w *World) all() string {
	var names []string
	for _, r := range w.Resolvers {
		names = append(names, address(r.String()))
	}
	return be(names, "the resolver ", "the resolvers ") + list(names)
}
