package authority

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// An apex probe takes this long with one address and, the first time, in all.
const (
	tryTime   = 500 * time.Millisecond
	probeTime = 1 * time.Second
)

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
	s.heard(soa, err)
	first <- probe{s, soa, err}
	for delay := minRetry; soa == nil && sleep(z.ctx, delay) && time.Now().Before(z.expires); delay = min(2*delay, maxRetry) {
		soa, err = f.probe(z.ctx, s, z.apex, soaOf)
		s.heard(soa, err)
	}
}

// pick finds the SOA in a reply to the question for that of a name, or nil.
type pick func(reply *dns.Msg, qname string) *dns.SOA

// probe asks a server for the SOA of a name, at one address after the other; a single one is asked again when it keeps
// silent. The first where the server answers with authority and has the SOA is used from then on. Where port 53 is
// intercepted a recursor answers, without aa.
func (f *Finder) probe(ctx context.Context, s *server, qname string, find pick) (soa *dns.SOA, err error) {
	n, start := len(s.addrs), int(s.current.Load())
	for i := range max(n, 2) {
		if i >= n && !timedOut(err) || i > 0 && over(ctx) {
			break
		}
		at := (start + i) % n
		var m *dns.Msg
		if m, err = f.once(ctx, s.addrs[at], qname, dns.TypeSOA); err == nil {
			soa = find(m, qname)
			if err = unfit(m, soa); err == nil {
				s.current.Store(int32(at))
				return soa, nil
			}
		}
	}
	return nil, s.fault(err)
}

// over reports whether a context's time is up, at that very moment too.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// unfit says what is wrong with a reply to an apex probe.
func unfit(m *dns.Msg, soa *dns.SOA) error {
	if err := lame(m); err != nil {
		return err
	}
	if soa == nil {
		return errors.New("has no SOA of the zone")
	}
	return nil
}

// lame says why a reply is no answer and no denial that a server stands for.
func lame(m *dns.Msg) error {
	switch {
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return errors.New(wire.RcodeName(m.Rcode))
	case !m.Authoritative:
		return ErrNoAuthority
	}
	return nil
}

// once sends a question to one address, once.
func (f *Finder) once(ctx context.Context, at netip.AddrPort, qname string, qtype uint16) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	return f.config.Exchange(ctx, at, newQuery(qname, qtype, false))
}
