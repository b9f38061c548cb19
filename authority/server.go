package authority

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
	"notyet/wire"
)

// An apex probe takes this long with one address and, the first time, in all.
const (
	tryTime   = 500 * time.Millisecond
	probeTime = 1 * time.Second
)

// server is one server of a zone.
type server struct {
	name    string                  // as people know it
	addrs   []netip.AddrPort        // at least one
	current atomic.Int32            // index of the one that is asked
	silent  atomic.Int32            // questions in a row that it left without a reply
	soa     atomic.Pointer[dns.SOA] // what its apex probe had; nil: it does not count
}

func (s *server) address() netip.AddrPort { return s.addrs[s.current.Load()] }

// fault says what is wrong with the server.
func (s *server) fault(err error) error { return fmt.Errorf("%s: %w", s.name, plain(err)) }

// plain calls every way to run out of time a timeout.
func plain(err error) error {
	if timedOut(err) {
		return upstream.ErrTimeout
	}
	return err
}

// none says why no server counts.
func none(faults []error) error {
	if len(faults) == 0 {
		return errNoServer
	}
	all := make([]string, len(faults))
	for i, err := range faults {
		all[i] = err.Error()
	}
	return errors.New(strings.Join(sorted(all), "; "))
}

// probe is what an apex probe of a server came to.
type probe struct {
	server *server
	soa    *dns.SOA
	err    error // nil: the server counts
}

// tend probes a server until it counts. What the first probe comes to goes to first.
func (f *Finder) tend(z *zone, s *server, first chan<- probe) {
	ctx, cancel := context.WithTimeout(z.ctx, probeTime)
	soa, err := f.probe(ctx, s, z.apex, soaOf)
	cancel()
	s.soa.Store(soa)
	first <- probe{s, soa, err}
	for delay := minRetry; soa == nil && sleep(z.ctx, delay) && time.Now().Before(z.expires); delay = min(2*delay, maxRetry) {
		soa, _ = f.probe(z.ctx, s, z.apex, soaOf)
		s.soa.Store(soa)
	}
}

// probe asks a server for the SOA of a name, at one address after the other; a single one is asked again when it keeps silent. The
// server is known by the first where it answers with authority and pick finds an SOA in the reply: where port 53 is
// intercepted, a recursor answers, without aa.
func (f *Finder) probe(ctx context.Context, s *server, qname string, pick func(*dns.Msg, string) *dns.SOA) (soa *dns.SOA, err error) {
	n, start := len(s.addrs), int(s.current.Load())
	for i := range max(n, 2) {
		if i >= n && !timedOut(err) {
			break
		}
		at := (start + i) % n
		var m *dns.Msg
		if m, err = f.once(ctx, s.addrs[at], qname, dns.TypeSOA); err == nil {
			soa = pick(m, qname)
			if err = unfit(m, soa); err == nil {
				s.current.Store(int32(at))
				return soa, nil
			}
		}
	}
	return nil, s.fault(err)
}

// unfit says what is wrong with a reply to an apex probe.
func unfit(m *dns.Msg, soa *dns.SOA) error {
	switch {
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return errors.New(wire.RcodeName(m.Rcode))
	case !m.Authoritative:
		return errors.New("answers without authority")
	case soa == nil:
		return errors.New("has no SOA of the zone")
	}
	return nil
}

// once sends a question to one address, once.
func (f *Finder) once(ctx context.Context, at netip.AddrPort, qname string, qtype uint16) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	return f.config.Exchange(ctx, at, newQuery(qname, qtype, false))
}
