package watch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/cache"
	"notyet/wire"
)

// maxLeases bounds the watches that end by themselves.
const maxLeases = 10_000

// ErrTooManyLeases means that there are as many leases as there may be.
var ErrTooManyLeases = errors.New("too many leases")

// Zone is a watch from the configuration.
type Zone struct {
	Name string // of the apex; any case, the final dot may be left out
	Options
}

// Config is what a Set works with.
type Config struct {
	Watches []Zone
	Cache   *cache.Cache
	// Ask asks a zone's own servers: authority.Finder's.
	Ask func(context.Context, authority.Request) (*authority.Answer, error)
	// Forward asks the upstream, past cache and watches. done is called exactly once with the reply, which is valid
	// until done returns, or nil and the reason as wire.AppendEDE makes it.
	Forward func(k cache.Key, done func(reply *wire.Reply, ede []byte))
	Notify  Notify
	// LeasesChanged is called when leases have begun or ended, but by Restore. It must not block. nil: nobody cares.
	LeasesChanged func()
	Log           *slog.Logger
}

// Set is all watches, and what is pending under them. It is safe for concurrent use.
type Set struct {
	config  Config
	known   *known
	events  events
	metrics *metrics
	notify  notifier
	byZone  atomic.Pointer[map[string]*Watch] // zone in wire format → watch; replaced whole

	ctx  context.Context // ends with Run
	stop context.CancelFunc

	mu      sync.Mutex // guards all below, the map behind byZone while it is replaced, and the pending names' fields
	pending *simplelru.LRU[question, *pending]
	// appeared are the names that exist by now, without the type that was asked for → the question.
	appeared *simplelru.LRU[string, *pending]
	degraded map[servers]error // that can't be asked → why; there are as many as authority.Finder remembers
	leases   int
	rescued  uint64 // ever
	stopped  bool
	// holdsNone says that no client may be held: the end is near.
	holdsNone bool
	running   sync.WaitGroup // goroutines; added to with the lock held and only while not stopped
}

// question is a name and a type.
type question struct {
	qname string
	qtype uint16
}

// New makes a set. Run has to be called for anything to end.
func New(config Config) (*Set, error) {
	s := &Set{config: config, known: newKnown(), degraded: make(map[servers]error)}
	s.events.subs = make(map[*Subscription]struct{})
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.pending, _ = simplelru.NewLRU(maxPending, s.evicted) // the only error is a size below one
	s.appeared, _ = simplelru.NewLRU[string, *pending](maxAppeared, nil)
	s.metrics = newMetrics(s)
	s.notify.init(config.Notify)
	s.byZone.Store(new(map[string]*Watch))
	if err := s.Replace(config.Watches); err != nil {
		return nil, err
	}
	return s, nil
}

// Run lasts until ctx ends and everything that the set started has returned.
func (s *Set) Run(ctx context.Context) {
	<-ctx.Done()
	s.ReleaseHeld()
	s.mu.Lock()
	s.stopped = true
	for _, p := range s.pending.Values() {
		p.timer.Stop()
	}
	for _, w := range *s.byZone.Load() {
		if w.timer != nil {
			w.timer.Stop()
		}
	}
	s.mu.Unlock()
	s.stop()
	s.running.Wait()
}

// start runs f in a goroutine that Run waits for. It returns false when the set has stopped.
func (s *Set) start(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.running.Go(f)
	return true
}

// Find returns the watch that a name, in wire format and lower case, is under: the longest that has not ended; nil: none.
func (s *Set) Find(qname []byte) *Watch {
	byZone := *s.byZone.Load()
	if len(byZone) == 0 {
		return nil
	}
	for n := qname; len(n) > 1; n = wire.Parent(n) {
		w := byZone[string(n)]
		if w.isLease() && w.ended(time.Now()) {
			w = w.below // its timer is still to come
		}
		if w != nil {
			return w
		}
	}
	return nil
}

// client is a question, and when it was asked.
type client struct {
	Question
	key     cache.Key // with bytes of its own
	started time.Time
}

// Question is one that the cache can't answer, or not for much longer, for all clients that ask it meanwhile.
type Question struct {
	Key cache.Key // its bytes stay untouched until Done is called
	// Done gets the answer. It is called exactly once, from any goroutine.
	Done func(*cache.Entry)
	// Hold says that the answer will take a while, and what those get at once for whom there is no place to wait. It
	// returns false when there is none at all; then nothing was answered.
	Hold func(no *cache.Entry) bool
	// Anew says that the cache has an answer, and that it is to be had anew.
	Anew bool
}

// Serve answers a question that is under watch.
func (s *Set) Serve(q Question) {
	key := q.Key
	key.Name = bytes.Clone(key.Name) // for what is done once it is answered
	c := client{q, key, time.Now()}
	if !s.servePassed(c) && !s.start(func() { s.serve(c) }) {
		q.Done(cache.Failure(q.Key, wire.AppendEDE(nil, dns.ExtendedErrorCodeOther, "notyet: stopping")))
	}
}
