package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// againAfter is how long addresses that are known stay in use when they can't be looked up again.
const againAfter = 10 * time.Second

// addresses are those of an upstream that is given by name.
type addresses struct {
	lookup func(ctx context.Context, name string) ([]netip.Addr, time.Duration, error)

	mu    sync.Mutex   // guards all below
	known []netip.Addr // the one that was connected to last is the first; never written to
	until time.Time    // they are looked up again from then on
}

// dial opens a TCP connection to the server.
func (u *Upstream) dial(ctx context.Context) (net.Conn, error) {
	if u.config.Addr.Addr().IsValid() {
		return u.config.Dial(ctx, "tcp", u.config.Addr.String())
	}
	known, current := u.addresses.current(time.Now())
	if current {
		half, cancel := share(ctx, 2)
		defer cancel()
		if conn, err := u.dialAny(half, known); err == nil {
			return conn, nil
		}
	}
	found, err := u.find(ctx)
	if err != nil && len(known) == 0 {
		return nil, err
	}
	if err != nil {
		found = known // the certificate says whether they are still right
	}
	return u.dialAny(ctx, found)
}

// dialAny tries one address after the other, each for its share of the time that is left.
func (u *Upstream) dialAny(ctx context.Context, all []netip.Addr) (net.Conn, error) {
	var last error
	for i, addr := range all {
		part, cancel := share(ctx, len(all)-i)
		conn, err := u.config.Dial(part, "tcp", netip.AddrPortFrom(addr, u.config.Addr.Port()).String())
		cancel()
		if err == nil {
			u.addresses.worked(addr)
			return conn, nil
		}
		last = err
	}
	return nil, last
}

// find looks the addresses up, in half the time that is left.
func (u *Upstream) find(ctx context.Context) ([]netip.Addr, error) {
	half, cancel := share(ctx, 2)
	defer cancel()
	name := u.config.TLS.Name
	found, ttl, err := u.addresses.lookup(half, name)
	now := time.Now()
	a := &u.addresses
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.until = now.Add(againAfter)
		// Not wrapped: that a look-up timed out does not mean that the upstream did.
		return nil, fmt.Errorf("its address is not known: %v", err)
	}
	a.known, a.until = found, now.Add(ttl)
	return found, nil
}

// current are the addresses known so far; ok is false when there are none, or they have to be looked up.
func (a *addresses) current(now time.Time) (known []netip.Addr, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known, len(a.known) > 0 && now.Before(a.until)
}

// worked lets an address be the first.
func (a *addresses) worked(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.known, addr); i > 0 {
		a.known = slices.Concat(a.known[i:i+1], a.known[:i], a.known[i+1:])
	}
}

// share is ctx with its part of the time that is left, one of n. ctx has a deadline.
func share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	deadline, _ := ctx.Deadline()
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
}
