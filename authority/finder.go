// Package authority finds the servers of the zone that a name lives in and asks each of them, so that what they have
// is known at once, and nobody on the way is taught a denial that is about to be wrong. Where to begin it learns from the
// upstream, all below from the zones' own servers.
package authority

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/miekg/dns"
)

// maxZones is how many zones are kept; then the one that was not asked for longest goes.
const maxZones = 10_000

// Config is what a Finder works with. Its functions are called from many goroutines.
type Config struct {
	// Exchange asks one server and returns its reply, whose id, source and question it has checked; a truncated
	// one it asks for again over TCP. It leaves the query as it is, and returns when ctx ends. An error other than
	// upstream.ErrTimeout or ctx's counts as unreachable.
	Exchange func(ctx context.Context, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error)
	// Lookup asks the upstream, with recursion. From is the upstream that answered. It returns when ctx ends.
	Lookup func(ctx context.Context, qname string, qtype uint16) (reply *dns.Msg, from netip.Addr, err error)
	// Ours reports whether packets to the address come back to this process; nil: none do.
	Ours func(netip.AddrPort) bool
	// Changed is told when a zone becomes degraded, and when that is over. Calls come one after the other. It must not
	// block; nil: nobody is told.
	Changed func(Change)
	// Port is that of servers that are found; 0: 53.
	Port uint16
}

// Finder is safe for concurrent use. It may be asked before Run is called; once Run has returned, Ask returns ErrStopped.
type Finder struct {
	config  Config
	ctx     context.Context // of all that is started here; ends with Run
	running sync.WaitGroup

	mu       sync.Mutex         // guards all below, and is held when ctx is ended: nothing is started afterwards
	stop     context.CancelFunc // ends ctx
	zones    *simplelru.LRU[key, *zone]
	starts   *simplelru.LRU[string, string] // origin's qname → apex of the zone that discovery began in
	searches map[search]chan struct{}       // under way; closed at its end
	changes  []Change                       // that Changed has yet to be told
	telling  bool                           // somebody is doing that
}

// New makes a Finder that knows no zone.
func New(config Config) *Finder {
	if config.Port == 0 {
		config.Port = 53
	}
	f := &Finder{config: config, searches: make(map[search]chan struct{})}
	f.ctx, f.stop = context.WithCancel(context.Background())
	// The only error is a size below one.
	f.zones, _ = simplelru.NewLRU(maxZones, f.forgottenLocked)
	f.starts, _ = simplelru.NewLRU[string, string](maxZones, nil)
	return f
}

// Run blocks until ctx ends and all that the Finder has started has returned: questions, discoveries, and the probes that
// go on in the background.
func (f *Finder) Run(ctx context.Context) {
	<-ctx.Done()
	f.mu.Lock()
	f.stop()
	f.mu.Unlock()
	f.running.Wait()
}

// spawn starts a goroutine that Run waits for. After its end none is started: whoever waits for one waits for ctx too.
func (f *Finder) spawn(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spawnLocked(do)
}

func (f *Finder) spawnLocked(do func()) {
	if f.ctx.Err() == nil {
		f.running.Go(do)
	}
}

// What failed is tried again after minRetry, then after twice as long each time.
const (
	minRetry = 5 * time.Second
	maxRetry = 5 * time.Minute
)

// sleep reports whether the time went by before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
