package authority

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// maxCuts is how many zone cuts one question follows that were not known before.
const maxCuts = 8

var (
	// ErrSilent means that no server gave an answer that is worth anything.
	ErrSilent = errors.New("no server of the zone gives an answer")
	// ErrBudget means that Request.Take allowed no packet.
	ErrBudget = errors.New("over budget")
	// ErrDiffers is among the reasons of a degraded zone when its servers have another SOA than the upstream: it asks others.
	ErrDiffers = errors.New("SOA differs from the upstream's")
	// ErrNoAuthority is what is wrong with a server that answers as one that does not have the zone, such as a resolver.
	ErrNoAuthority = errors.New("answers without authority")
	// ErrStopped means that Run has ended.
	ErrStopped = errors.New("stopped")
)

// Degraded means that the zone's servers cannot be asked, and why.
type Degraded struct {
	Zone    string
	Why     error
	Servers []Server // that were tried; none: they could not be found
}

func (d Degraded) Error() string {
	return fmt.Sprintf("servers of %s cannot be asked: %v", d.Zone, d.Why)
}

func (d Degraded) Unwrap() error { return d.Why }

// Silent is ErrSilent with what each of the servers did instead of answering.
type Silent struct {
	Zone    string
	Replies []Reply
}

func (s Silent) Error() string { return ErrSilent.Error() }

func (s Silent) Unwrap() error { return ErrSilent }

// Request is a question to the servers of the zone that the name lives in. Names are in lower case with the final dot.
type Request struct {
	Name string
	Type uint16
	DO   bool
	// Watch is the zone of the watch that the name is under. Discovery begins there when the registrable domain is
	// below, and the upstream is asked for addresses of name servers below it only when there is no glue.
	Watch string
	// Servers are all that serve the watch; empty: they are found. They are not asked for names outside it.
	Servers []netip.AddrPort
	// Few asks two servers, and the rest once one of them has the name.
	Few bool
	// Turn is how often the question has been asked with Few before: each time begins where the last one ended.
	Turn int
	// Take asks for leave to send n packets, from any goroutine; nil: it is given. Servers for which it isn't are not asked.
	Take func(n int) bool
	// Observe is told the result of each packet to a server that Take gave leave for: "yes", "nxdomain", "nodata",
	// "referral", "lame", "timeout" or "unreachable". It is called from many goroutines, also after Ask has
	// returned; nil: nobody is told.
	Observe func(result string)
}

func (r *Request) take(n int) bool { return r.Take == nil || r.Take(n) }

func (r *Request) observe(result string) {
	if r.Observe != nil {
		r.Observe(result)
	}
}

// Ask asks the servers of the deepest zone known above the name, which is found first when there is none. A referral, or the
// SOA of a zone further down, leads on to that zone's servers. The answer is the first positive one, else the best of
// those that come within 300 ms of the first. Other errors than those above and Silent are ctx's.
func (f *Finder) Ask(ctx context.Context, r Request) (*Answer, error) {
	z, err := f.find(ctx, &r)
	for range maxCuts {
		if err != nil {
			return nil, err
		}
		if z.why != nil {
			return nil, Degraded{z.key.name, z.why, z.public().Servers}
		}
		t := f.ask(z, &r)
		if err := t.wait(ctx); err != nil {
			return nil, err
		}
		if t.cut == nil {
			return t.answer(), nil
		}
		z, err = f.enter(ctx, newDiscovery(), z, t.cut)
	}
	return nil, ErrSilent
}

// find returns the deepest zone known above the name. If there is none it joins or starts a discovery.
func (f *Finder) find(ctx context.Context, r *Request) (*zone, error) {
	o, qname := r.origin()
	for range 2 {
		var done <-chan struct{}
		f.mu.Lock()
		z := f.knownLocked(o, qname)
		if z == nil {
			done = f.searchLocked(search{o.key(), true}, newDiscovery(), func(ctx context.Context, d *discovery) {
				f.first(ctx, d, o, qname)
			})
		}
		f.mu.Unlock()
		if z != nil {
			return z, nil
		}
		if err := f.await(ctx, done); err != nil {
			return nil, err
		}
	}
	return nil, ErrSilent // what was found had to make room for others at once
}

// await waits for a search.
func (f *Finder) await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	case <-f.ctx.Done():
	}
	if f.ctx.Err() != nil {
		return ErrStopped
	}
	return nil
}
