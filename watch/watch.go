// Package watch makes a record visible the moment its own name servers have it. Names under a watch are asked at the zone's
// own servers before the upstream is, so that nobody above is taught a premature "no"; a "no" is kept for seconds; and a name
// that clients wait for is asked again until it is there.
package watch

import (
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// Verify says when the zone's own servers are asked.
type Verify int

const (
	// Before asks them first: the upstream hears of a name when all of them have it.
	Before Verify = iota
	// After asks them when the upstream says no: for one that filters or validates for policy.
	After
	// Off never asks them.
	Off
)

// Options are how one watch behaves.
type Options struct {
	NegativeTTL      time.Duration    // longest life of an NXDOMAIN here; 0: not kept
	NODATATTL        time.Duration    // longest life of a NODATA here; 0: not kept
	Verify           Verify           //
	UpstreamAfter    time.Duration    // a name pending this long is asked at the upstream once; 0: never
	Hold             time.Duration    // how long a first question waits for a yes; 0: it doesn't
	Poll             time.Duration    // first interval of asking in the background; 0: none
	GiveUp           time.Duration    // a name pending this long is no longer asked in the background
	QueriesPerSecond int              // to the authorities, all told; at least 1
	Authorities      []netip.AddrPort // all servers of the zone; empty: found
}

// privateFor is how long the upstream comes first once it knew a name that the zone's servers did not have: they are not
// the ones that it asks.
const privateFor = 5 * time.Minute

// Watch is one name under watch, with all below it. It is safe for concurrent use.
type Watch struct {
	zone    []byte // wire format, lower case
	name    string
	current atomic.Pointer[Options]   // replaced with the set's lock held
	until   atomic.Pointer[time.Time] // the end of a lease, and likewise; nil: it stays
	budget  budget
	meter   *meter
	timer   *time.Timer // ends a lease; nil: none
	below   *Watch      // the configuration's, which a lease for the same zone stands before; nil: none
	pending int         // how many questions; guarded by the set's lock

	mu      sync.Mutex // guards all below
	private time.Time  // until then the upstream comes first; zero: it does not
	agreed  bool       // a name became visible at its authorities, and then the upstream had it too
}

func newWatch(zone []byte, name string, options Options, m *meter) *Watch {
	w := &Watch{zone: zone, name: name, meter: m, budget: newBudget(options.QueriesPerSecond)}
	w.current.Store(&options)
	return w
}

// options are how the watch behaves now.
func (w *Watch) options() *Options { return w.current.Load() }

// ended reports whether the watch is a lease that is over.
func (w *Watch) ended(now time.Time) bool {
	until := w.until.Load()
	return until != nil && !now.Before(*until)
}

// changeLocked makes the options those of the watch, and reports whether they are others.
func (w *Watch) changeLocked(options Options) bool {
	if reflect.DeepEqual(*w.options(), options) {
		return false
	}
	w.current.Store(&options)
	w.budget.set(options.QueriesPerSecond)
	return true
}

// isPrivate reports whether the upstream has shown that it sees other zones than the authorities.
func (w *Watch) isPrivate(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return now.Before(w.private)
}

// hasAgreed reports whether the upstream has been seen to have what the authorities have.
func (w *Watch) hasAgreed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.agreed
}

func (w *Watch) agree() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.agreed = true
}
