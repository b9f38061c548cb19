package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/upstream/upstreamtest"
)

func TestFailedDiscoveryNamesTheResolverAndWhatItSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer func(*upstreamtest.Query)
		want   string // with RESOLVER
	}{
		"nxdomain": {func(q *upstreamtest.Query) { q.Rcode(dns.RcodeNameError) },
			"the resolver RESOLVER says NXDOMAIN for shipit.dev: by its word there is no such domain"},
		"nodata": {func(q *upstreamtest.Query) { q.Rcode(dns.RcodeSuccess) },
			"the resolver RESOLVER says NODATA for shipit.dev NS: by its word it has no name servers"},
		"servfail": {func(q *upstreamtest.Query) { q.Rcode(dns.RcodeServerFailure) },
			"looking for the name servers of shipit.dev: the resolver RESOLVER says SERVFAIL: it could not find out"},
		"refused": {func(q *upstreamtest.Query) { q.Rcode(dns.RcodeRefused) },
			"looking for the name servers of shipit.dev: the resolver RESOLVER says REFUSED: it does not answer who asks from here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := upstreamtest.New(t, test.answer)
			w := open(t, r)
			_, err := w.Finder.Ask(t.Context(), w.Request("www.shipit.dev.", dns.TypeA))
			var degraded authority.Degraded
			if !errors.As(err, &degraded) {
				t.Fatalf("got %v, want the zone degraded", err)
			}
			want := strings.ReplaceAll(test.want, "RESOLVER", r.Addr.String())
			if got := w.Why(degraded.Why); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestLookUpsInWords has two resolvers at one address.
func TestLookUpsInWords(t *testing.T) {
	t.Parallel()
	one := upstreamtest.New(t, func(*upstreamtest.Query) {})
	w := open(t, one, upstreamtest.New(t, func(*upstreamtest.Query) {}))
	at := one.Addr.Addr()
	for _, test := range []struct {
		err  error
		want string
	}{
		{authority.Unresolved{Name: "2.0.192.in-addr.arpa.", Type: dns.TypeSOA, From: at, NXDOMAIN: true, Above: true},
			"the resolver 127.0.0.1 says NXDOMAIN for 2.0.192.in-addr.arpa, and names no zone that it is in"},
		{authority.Unresolved{Name: "shipit.dev.", Type: dns.TypeSOA, From: at},
			"the resolver 127.0.0.1 says NODATA for shipit.dev SOA: by its word there is no zone of that name"},
		{authority.Unresolved{Name: "shipit.dev.", Type: dns.TypeSOA, Err: context.DeadlineExceeded},
			"looking for the zone of shipit.dev at the resolvers " + w.Resolvers[0].String() + " and " + w.Resolvers[1].String() + ": no answer in time"},
		{authority.Unresolved{Name: "shipit.dev.", Type: dns.TypeNS, Err: errNoResolver}, "looking for the name servers of shipit.dev: there is no resolver"},
		{fmt.Errorf("ns1: %w", authority.ErrNoAuthority), "ns1: answers without authority"},
	} {
		if got := w.Why(test.err); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
