package upstream

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// minUsual is the least that is taken for an upstream's usual time: what is faster is not worth another question.
const minUsual = 50 * time.Millisecond

// paceSize is how many answers an upstream's usual time is that of, and pacePart how many of 100 are no slower.
const (
	paceSize = 128
	pacePart = 95
)

// pace is how long the last answers took.
type pace struct {
	p95 atomic.Int64 // ns; 0 as long as nothing is known

	mu   sync.Mutex      // guards all below
	last []time.Duration // at most paceSize, the oldest of which is at seen modulo paceSize
	seen int
}

// add notes how long an answer took. One that comes while another is being noted may go by: a sample will do.
func (p *pace) add(d time.Duration) {
	if !p.mu.TryLock() {
		return
	}
	defer p.mu.Unlock()
	if len(p.last) < paceSize {
		p.last = append(p.last, d)
	} else {
		p.last[p.seen%paceSize] = d
	}
	p.seen++
	if p.seen > paceSize && p.seen%(paceSize/4) != 0 {
		return // what is known has hardly changed
	}
	var known [paceSize]time.Duration
	n := copy(known[:], p.last)
	slices.Sort(known[:n])
	p.p95.Store(int64(known[n*pacePart/100]))
}

func (p *pace) usual() time.Duration { return time.Duration(p.p95.Load()) }
