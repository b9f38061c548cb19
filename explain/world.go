// Package explain finds out from outside, without a running server, where a record is on its way: what the servers of
// its zone say, and until when others will say something else. Nothing that it asks teaches a cache a denial.
package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/config"
	"notyet/socket"
	"notyet/upstream"
)

// Config says where a World begins.
type Config struct {
	// Resolvers say where to begin; system stands for those of the resolv.conf. None: nobody can be asked but servers
	// that are given.
	Resolvers []config.Upstream
	// ResolvConf is the path of the resolv.conf. It is read only if there is need.
	ResolvConf string
}

// World is whom one process can ask: the resolvers that it has, and the name servers that are found from there. It is
// safe for concurrent use.
type World struct {
	// Finder finds the servers of zones. From the resolvers it learns nothing about the names that are spared.
	Finder    *authority.Finder
	Resolvers []*Resolver

	servers *upstream.Servers
	resolve func(config.Upstream) *Resolver // makes one, for Close to end
	running sync.WaitGroup
	stop    context.CancelFunc

	mu     sync.Mutex        // guards all below
	spared map[string]string // name → where discovery begins for it
	kept   []string          // names that the resolvers would have been asked about
	behind []*Resolver       // that somebody else asks, and that nothing is looked up at
}

// Open makes a World. Close ends it.
func Open(c Config) (*World, error) {
	resolvers, err := resolverList(c)
	if err != nil {
		return nil, err
	}
	group, err := socket.NewGroup(new(socket.Batch))
	if err != nil {
		return nil, err
	}
	deadlines := upstream.NewDeadlines()
	w := &World{servers: upstream.NewServers(group, deadlines), spared: make(map[string]string)}
	bootstrap := upstream.Bootstrap{
		Servers:  func() ([]netip.AddrPort, error) { return config.Config{}.BootstrapServers(c.ResolvConf) },
		Exchange: w.servers.Recurse,
	}
	w.resolve = func(u config.Upstream) *Resolver { return newResolver(u, group, deadlines, bootstrap) }
	for _, u := range resolvers {
		w.Resolvers = append(w.Resolvers, w.resolve(u))
	}
	w.Finder = authority.New(authority.Config{Exchange: w.servers.Exchange, Lookup: w.lookup})
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.running.Go(func() { group.Run(ctx) })
	w.running.Go(func() { deadlines.Run(ctx) })
	w.running.Go(func() { w.Finder.Run(ctx) })
	return w, nil
}

// resolverList puts the servers of resolv.conf in the place of system.
func resolverList(c Config) ([]config.Upstream, error) {
	var all []config.Upstream
	for _, u := range c.Resolvers {
		servers := []config.Upstream{u}
		if u.System {
			system, err := config.System(c.ResolvConf, nil)
			if err != nil {
				return nil, err
			}
			servers = system.Upstreams()
		}
		for _, s := range servers {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	named := config.Config{Upstreams: all}
	return all, named.CheckNames(c.ResolvConf)
}

// Close ends what is under way and returns when nothing is left of the World.
func (w *World) Close() {
	w.servers.Close()
	w.mu.Lock()
	behind := w.behind
	w.mu.Unlock()
	for _, r := range append(behind, w.Resolvers...) {
		r.upstream.Close()
	}
	w.stop()
	w.running.Wait()
}

// another makes a resolver that is no place to begin at: one that a notyet forwards to, as that spells it.
func (w *World) another(text string) (resolver, error) {
	u, err := config.ParseUpstream(text)
	if err != nil {
		return nil, err
	}
	r := w.resolve(u)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind = append(w.behind, r)
	return r, nil
}

// Request is a question to the servers of a name's zone, all of which the resolvers are spared: the name, and the names
// between it and where discovery begins. qname is in lower case and ends in a dot.
func (w *World) Request(qname string, qtype uint16) authority.Request {
	r := authority.Request{Name: qname, Type: qtype, Watch: watch(qname)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spared[qname] = r.Start()
	return r
}

// watch is the domain that discovery may begin at, at the lowest. Of a name that was registered itself that is the suffix, as
// the resolvers are not to hear of the name. Where the reverse zone of an IPv6 address begins nobody knows; it is looked for from
// the /64 upwards, since of the labels further down hardly one is there that the resolvers could be asked about.
func watch(qname string) string {
	const slash64 = 16 + 2 // labels
	labels := dns.Split(qname)
	if dns.IsSubDomain("ip6.arpa.", qname) && len(labels) > slash64 {
		return qname[labels[len(labels)-slash64]:]
	}
	if len(labels) < 2 {
		return "."
	}
	return qname[labels[1]:]
}

// Kept are the names that the resolvers were not asked about, although a name server has that name.
func (w *World) Kept() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.kept)
}

// lookup asks the resolvers on behalf of the Finder.
func (w *World) lookup(ctx context.Context, qname string, qtype uint16) (*dns.Msg, netip.Addr, error) {
	if w.spares(qname) {
		return nil, netip.Addr{}, fmt.Errorf("%s %s is not asked for at the resolvers", qname, typeName(qtype))
	}
	return firstOf(ctx, w.Resolvers, qname, qtype)
}

// spares reports whether the resolvers are not to be asked about a name, and notes it.
func (w *World) spares(qname string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, start := range w.spared {
		if qname == name || qname != start && dns.IsSubDomain(start, qname) && dns.IsSubDomain(qname, name) {
			if !slices.Contains(w.kept, qname) {
				w.kept = append(w.kept, qname)
			}
			return true
		}
	}
	return false
}
