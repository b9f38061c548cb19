package resolver

import (
	"errors"
	"sync"
	"time"

	"notyet/upstream"
)

// How long an upstream that is down waits for the next probe, from the end of the last: the least at first, twice as long
// each time, at most the most.
const (
	minProbeWait = time.Second
	maxProbeWait = 30 * time.Second
)

// checks has the upstreams that are down. Each is probed until it answers, a probe or a question.
type checks struct {
	mu  sync.Mutex // guards all below, and the fields of each check
	all map[Upstream]*check
}

type check struct {
	resolver *Resolver
	route    *Route
	upstream Upstream
	why      string        // it was lost
	wait     time.Duration // before the next probe
	timer    *time.Timer
}

// lost is called when an upstream is down from now on.
func (r *Resolver) lost(route *Route, up Upstream, why string) {
	r.config.Log.Warn("upstream lost", "upstream", up.String(), "err", why)
	c := &check{resolver: r, route: route, upstream: up, why: why, wait: minProbeWait}
	r.checks.mu.Lock()
	defer r.checks.mu.Unlock()
	if !up.Health().Down() {
		return // it has answered meanwhile
	}
	r.checks.endLocked(up)
	r.checks.all[up] = c
	c.timer = time.AfterFunc(c.wait, c.probe)
}

// back is called when an upstream that was down has answered.
func (r *Resolver) back(up Upstream) {
	r.config.Log.Info("upstream back", "upstream", up.String())
	r.checks.mu.Lock()
	defer r.checks.mu.Unlock()
	if !up.Health().Down() { // it may have been lost again meanwhile
		r.checks.endLocked(up)
	}
}

func (c *checks) endLocked(up Upstream) {
	if former := c.all[up]; former != nil {
		former.timer.Stop()
		delete(c.all, up)
	}
}

// lostFor reports whether that was the last straw.
func (c *checks) lostFor(up Upstream, why string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := c.all[up]
	return lost != nil && lost.why == why
}

// probe asks the upstream what shows whether it answers.
func (c *check) probe() {
	p, _ := c.resolver.loops.begin(c.upstream, c.route.Zone, time.Now())
	p.exchange.Done = func(reply []byte, err error) {
		c.resolver.probed(p, reply, err)
		c.again(err)
	}
	c.upstream.Ask(&p.exchange)
}

// again sees to the next probe, unless the upstream is back or, being stopped, is no more.
func (c *check) again(err error) {
	checks := &c.resolver.checks
	checks.mu.Lock()
	defer checks.mu.Unlock()
	switch {
	case checks.all[c.upstream] != c:
	case errors.Is(err, upstream.ErrStopped):
		delete(checks.all, c.upstream)
	default:
		c.wait = min(2*c.wait, maxProbeWait)
		c.timer.Reset(c.wait)
	}
}
