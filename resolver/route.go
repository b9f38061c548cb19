package resolver

import (
	"math/rand/v2"
	"net/netip"

	"notyet/upstream"
	"notyet/wire"
)

// Upstream is a server that questions are forwarded to.
type Upstream interface {
	Ask(*upstream.Exchange)
	// Health is what it has shown, always the same one. It lives as long as the upstream, whatever routes that is in.
	Health() *upstream.Health
	Addr() netip.AddrPort
	String() string
}

// Route sends a zone's names to its upstreams.
type Route struct {
	Zone      []byte // wire format, lower case
	Upstreams []Upstream
	Policy    Policy
}

// allDown reports whether there is no upstream that is best asked.
func (r *Route) allDown() bool {
	for _, up := range r.Upstreams {
		if !up.Health().Down() {
			return false
		}
	}
	return true
}

// routes finds the route of a name: the longest zone that the name is in wins.
type routes struct {
	all    []*Route
	byZone map[string]*Route
	root   *Route
}

func newRoutes(all []Route) *routes {
	r := &routes{byZone: make(map[string]*Route)}
	for _, route := range all {
		route.Upstreams = route.Upstreams[:min(len(route.Upstreams), maxUpstreams)] // as many as there is time for, and more
		r.all = append(r.all, &route)
		if len(route.Zone) == 1 {
			r.root = &route
			continue
		}
		r.byZone[string(route.Zone)] = &route
	}
	return r
}

func (r *routes) find(qname []byte) *Route {
	if len(r.byZone) > 0 {
		for n := qname; len(n) > 1; n = wire.Parent(n) {
			if route := r.byZone[string(n)]; route != nil {
				return route
			}
		}
	}
	return r.root
}

// SetRoutes replaces the routes by others, as Config has them, and probes upstreams that are new. Questions under way go on by
// the routes that they began with, for as long as a question may take: 5 s; but when one is asked again it goes by the new
// routes for all who wait for it, since the former upstreams may be out of reach.
func (r *Resolver) SetRoutes(all []Route) {
	next := newRoutes(all)
	r.routes.Store(next)
	r.loops.keep(next)
	r.Probe()
}

// Routes are those that questions take now, the root's among them. They are not to be changed.
func (r *Resolver) Routes() (all []Route) {
	for _, route := range r.routes.Load().all {
		all = append(all, *route)
	}
	return all
}

// RouteOf is the route that a name, in wire format and lower case, takes now. It is not to be changed.
func (r *Resolver) RouteOf(qname []byte) Route { return *r.routes.Load().find(qname) }

// Policy says which of several upstreams is asked first.
type Policy int

const (
	// Sequential asks them in the order in which they are configured.
	Sequential Policy = iota
	// Random begins with any of them, and goes on in order.
	Random
)

// first is the index of the upstream to begin with. If that is down, the next in order is in its place; so Random draws
// again, for its neighbour not to have both shares.
func (p Policy) first(upstreams []Upstream) (i int) {
	if p == Sequential {
		return 0
	}
	for range upstreams {
		if i = rand.IntN(len(upstreams)); !upstreams[i].Health().Down() {
			break
		}
	}
	return i
}
