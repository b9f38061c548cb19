package upstream

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxFailures is how many questions in a row an upstream may fail before it is down. A name that it is silent about counts
// once, however often it is asked for: it may be the name's servers that are dead.
const maxFailures = 3

// maxSilence is how long an upstream that others overtake may say nothing before it is down. A burst of questions that
// it is slow with, its cache being cold, takes less; who asks it meanwhile waits for the others instead.
const maxSilence = 500 * time.Millisecond

// Health is what an upstream has shown of late. Whoever asks it says what came of that, since only they know what a reply
// is worth. It is safe for concurrent use.
type Health struct {
	meter   *meter // nil: nothing is counted
	epoch   time.Time
	heard   atomic.Int64 // when the latest question was asked that had an answer, ns since epoch
	failing atomic.Bool  // there are failures in a row; written with the lock held
	down    atomic.Bool  // written with the lock held
	pace    pace
	seed    maphash.Seed

	mu       sync.Mutex          // guards all below
	failures int                 // in a row
	since    time.Time           // the first of them
	silent   [maxFailures]uint64 // hashes of the names that the first of them were silence about; 0: it says something by itself
}

// NewHealth makes that of an upstream that is up and of which nothing is known.
func NewHealth() *Health { return newHealth(nil) }

func newHealth(m *meter) *Health {
	return &Health{meter: m, epoch: time.Now(), seed: maphash.MakeSeed()}
}

// Health returns what the upstream has shown.
func (u *Upstream) Health() *Health { return u.health }

// Down reports whether it is best left alone.
func (h *Health) Down() bool { return h.down.Load() }

// Answered notes that a question asked at that moment had an answer, if only that the upstream can't help; it reports
// whether the upstream was down until now.
func (h *Health) Answered(asked time.Time) (back bool) {
	if at := int64(asked.Sub(h.epoch)); at > h.heard.Load() {
		h.heard.Store(at)
	}
	if !h.failing.Load() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = 0
	h.failing.Store(false)
	if !h.down.Load() {
		return false
	}
	h.setDownLocked(false)
	return true
}

// Failed notes that a question asked at that moment could not be asked, or had an answer that is of no use for any question; it
// reports whether the upstream is down from now on.
func (h *Health) Failed(asked time.Time) (lost bool) { return h.fail(asked, 0, 0) }

// TimedOut notes that a question for a qname, asked at that moment, had no answer; it reports whether the upstream is down from
// now on.
func (h *Health) TimedOut(asked time.Time, qname []byte) (lost bool) {
	return h.fail(asked, 0, h.hash(qname))
}

// Overtaken notes that another upstream has answered a question that was put to this one at that moment and is still
// open; it reports whether the upstream is down from now on.
func (h *Health) Overtaken(asked time.Time) (lost bool) { return h.fail(asked, maxSilence, 0) }

// Answerable notes that another upstream has answered for a qname that this one was silent about: if it is so again, that counts.
func (h *Health) Answerable(qname []byte) {
	name := h.hash(qname)
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(h.silent[:], name); i >= 0 {
		h.silent[i] = 0
	}
}

// hash is never 0.
func (h *Health) hash(qname []byte) uint64 { return maphash.Bytes(h.seed, qname) | 1 }

// fail notes a failure, which has to come so long after the first in a row to take the upstream down. It isn't in a row
// when a later question has been answered: a packet was lost, or the upstream has come back meanwhile. Silence about a name (0:
// it is no silence) that has been counted says nothing new.
func (h *Health) fail(asked time.Time, silence time.Duration, name uint64) (lost bool) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if int64(asked.Sub(h.epoch)) < h.heard.Load() {
		return false
	}
	if h.failures == 0 {
		h.since = now
	}
	if counted := h.silent[:min(h.failures, maxFailures)]; name != 0 && slices.Contains(counted, name) {
		return false
	}
	if h.failures < maxFailures {
		h.silent[h.failures] = name
	}
	h.failures++
	h.failing.Store(true)
	if h.failures < maxFailures || now.Sub(h.since) < silence || h.down.Load() {
		return false
	}
	h.setDownLocked(true)
	return true
}

func (h *Health) setDownLocked(down bool) {
	h.down.Store(down)
	h.meter.setDown(down)
}

// Took notes how long a good answer took.
func (h *Health) Took(d time.Duration) { h.pace.add(d) }

// Usual is how long the upstream usually takes at most; with nothing known, minUsual.
func (h *Health) Usual() time.Duration { return max(minUsual, h.pace.usual()) }
