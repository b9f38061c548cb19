//go:build e2e && linux

package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// A probe is a kind of question whose latency is measured. Its answer is positive.
type probe struct {
	name  string
	qname func(i int) string // of the i-th
}

const probeEvery = 5 * time.Millisecond

// latencies are what answers took, and how late a timer of this process was meanwhile.
type latencies struct {
	probes []probe
	took   [][]time.Duration // of each probe, in the order it was asked
	late   []time.Duration
}

// measure asks a question of each kind in turn, one at a time.
func measure(t *testing.T, n *testbed.Notyet, probes []probe, long time.Duration) latencies {
	t.Helper()
	l := latencies{probes: probes, took: make([][]time.Duration, len(probes))}
	c := dialStamped(t, n.Addr)
	first := rand.IntN(1 << 40)
	keep(long, probeEvery, func() {
		for i := range probes {
			k := (i + len(l.late)) % len(probes) // the first of them wakes the server, and pays for it
			p := probes[k]
			q := ask(p.qname(first+len(l.took[k])), dns.TypeA)
			reply, took, err := c.exchange(pack(t, q))
			if err != nil {
				t.Fatalf("%s: no answer: %v", describe(q), err)
			}
			wantRcode(t, q, parse(t, q, reply), dns.RcodeSuccess)
			l.took[k] = append(l.took[k], took)
		}
		start := time.Now()
		<-time.After(time.Millisecond)
		l.late = append(l.late, time.Since(start)-time.Millisecond)
	})
	return l
}

// asked is how many questions there were of each kind.
func (l latencies) asked() int { return len(l.took[0]) }

// busy is how late one timer in a hundred is on a machine that has other things to do. There a p99 says nothing of notyet.
const busy = time.Millisecond

// with adds those of another measurement: a machine is not as fast at all times.
func (l latencies) with(other latencies) latencies {
	sum := latencies{probes: l.probes, late: slices.Concat(l.late, other.late)}
	for k := range l.probes {
		sum.took = append(sum.took, slices.Concat(l.took[k], other.took[k]))
	}
	return sum
}

// slower tells which kinds of answers take more than twice as long as in a quiet time: half of them, and where the machine was
// not busy, 99 of 100.
func (l latencies) slower(t *testing.T, quiet latencies) error {
	t.Helper()
	late := quantile(quiet.late, 0.99)
	var faults []error
	for k, p := range l.probes {
		said := fmt.Sprintf("%s (timers are %v late):", p.name, late)
		slow := false
		for _, part := range []float64{0.5, 0.99} {
			now, before := usual(l.took[k], part), usual(quiet.took[k], part)
			said += fmt.Sprintf(" p%v %v, %.2f times the %v without a flood;", 100*part, now, float64(now)/float64(before), before)
			slow = slow || now > 2*before && (part == 0.5 || late < busy)
		}
		t.Log(said)
		if slow {
			faults = append(faults, errors.New(said))
		}
	}
	return errors.Join(faults...)
}

// usual is a quantile in a usual second, so that the seconds do not count in which something else has the processors.
func usual(took []time.Duration, part float64) time.Duration {
	var seconds []time.Duration
	for second := range slices.Chunk(took, int(time.Second/probeEvery)) {
		seconds = append(seconds, quantile(second, part))
	}
	return quantile(seconds, 0.5)
}

func quantile(took []time.Duration, part float64) time.Duration {
	return slices.Sorted(slices.Values(took))[int(part*float64(len(took)-1))]
}
