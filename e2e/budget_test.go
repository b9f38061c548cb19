//go:build e2e && linux

package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

const (
	floodRate    = 5000 // queries a second
	floodFor     = 20 * time.Second
	compareFor   = 4 * time.Second
	floodClients = 8  // sockets, as the buffer of one would run over while this program has no processor
	budget       = 50 // the default of queries_per_second

	cacheMemory = 16     // MiB
	mostPending = 10_000 // names
	// mostMemory is what all of the cache, that many pending names, and the questions under way make of the resident memory,
	// in MiB: the heap doubles until what is garbage is collected.
	mostMemory = 128
)

// TestFloodUnderAWatch asks for names that nobody has, thousands a second. It runs alone, as it measures latencies.
func TestFloodUnderAWatch(t *testing.T) {
	b := newFloodBed(t)
	timely(t, b.flooded)
}

// flooded tells what is wrong in a flood under the watch.
func (b *floodBed) flooded() error {
	before, other, err := b.compared()
	if err != nil {
		return err
	}
	asked, answered, over := b.asked.total(), b.fromUpstream(), b.overBudget()

	f := b.flood(plainZone, floodFor)
	var clients sync.WaitGroup
	var faults [5]error
	for k := range faults {
		clients.Go(func() { faults[k] = b.visible(time.Duration(2+2*k) * time.Second) })
	}
	now := measure(b.t, b.notyet, b.probes, floodFor)
	clients.Wait()
	err = f.end(b.t)

	asked, over = b.asked.total()-asked, b.overBudget()-over
	answered = b.fromUpstream() - answered - float64(now.asked())
	b.t.Logf("in %v the zone's servers were asked %d times, %d times in the busiest second; %v questions were over the budget, and the upstream answered %v",
		f.took, asked, b.asked.busiest(), over, answered)
	// What a second is good for may be saved for the next.
	if most := int(budget * (1 + f.took.Seconds())); asked > most || b.asked.busiest() > 2*budget {
		b.t.Errorf("the zone's servers were asked %d times in %v, and %d times in one second; want at most %d, and %d",
			asked, f.took, b.asked.busiest(), most, 2*budget)
	}
	if over < 0.98*answered || answered < 0.9*float64(f.answered.Load()) {
		err = errors.Join(err, fmt.Errorf("of %d questions the upstream answered %v, and %v were counted as over the budget; want nearly all, and each counted",
			f.answered.Load(), answered, over))
	}
	if !b.race {
		err = errors.Join(err, now.slower(b.t, before, other))
	}
	return errors.Join(err, b.tooBig(), errors.Join(faults[:]...))
}

// A floodBed is a notyet before an upstream that has a zone under watch and one that is not.
type floodBed struct {
	t      *testing.T
	race   bool
	rate   int // queries a second
	zone   *fakeZone
	asked  diary // of the zone's servers
	notyet *testbed.Notyet
	probes []probe
}

func newFloodBed(t *testing.T) *floodBed {
	t.Helper()
	b := &floodBed{t: t, rate: floodRate, zone: newZone(plainZone, "@ NS ns1", "@ NS ns2", "www A "+rightAddress, "*.wild A "+rightAddress)}
	if b.race = os.Getenv("NOTYET_E2E_RACE") == "1"; b.race {
		b.rate /= 10 // A program with the race detector takes that much longer.
	}
	for _, name := range []string{"ns1", "ns2"} {
		at := port53(t)
		b.zone.add(name + " A " + at.Addr().String())
		startServer(t, at, b.asked.kept(authoritative(b.zone)))
	}
	upstream := testbed.StartNSD(t,
		testbed.Zone{Name: plainZone, Text: b.zone.text()},
		testbed.Zone{Name: otherZone, Text: testbed.SOA("300", "60") + "www A " + rightAddress + "\n*.wild A " + rightAddress + "\n"})
	b.notyet = front(t, watchOf(plainZone)+fmt.Sprintf("cache: {memory: %dMiB}\n", cacheMemory), upstream.Addr)
	b.probes = []probe{
		{name: "hit", qname: func(int) string { return "www." + otherZone }},
		{name: "hit under the watch", qname: func(int) string { return "www." + plainZone }},
		{name: "miss", qname: func(i int) string { return label(i) + "wild." + otherZone }},
	}
	for _, p := range b.probes {
		over(t, "udp", b.notyet.Addr, ask(p.qname(0), dns.TypeA))
	}
	return b
}

// compared are the latencies without a flood, and those in a flood that is not under the watch. The flood's client and the
// upstream have the same processors as notyet: what they cost shows in that.
func (b *floodBed) compared() (before, other latencies, err error) {
	before = measure(b.t, b.notyet, b.probes, compareFor)
	f := b.flood(otherZone, compareFor)
	other = measure(b.t, b.notyet, b.probes, compareFor)
	return before, other, f.end(b.t)
}

// tooBig tells what is over its bound.
func (b *floodBed) tooBig() error {
	const mib = 1 << 20
	kept, pending := b.notyet.Metric(b.t, "notyet_cache_bytes")/mib, b.notyet.Metric(b.t, "notyet_watch_pending")
	rss := b.notyet.Metric(b.t, "process_resident_memory_bytes") / mib
	b.t.Logf("cache %.1f MiB, pending %v, resident memory %.1f MiB", kept, pending, rss)
	if kept > cacheMemory || pending > mostPending || !b.race && rss > mostMemory {
		return fmt.Errorf("got %.1f MiB in the cache, %v pending names and %.1f MiB of resident memory, want at most %d, %d and %d",
			kept, pending, rss, cacheMemory, mostPending, mostMemory)
	}
	return nil
}

func (b *floodBed) overBudget() float64 {
	return b.notyet.Metric(b.t, "notyet_authority_queries_total", `result="over_budget"`)
}

// fromUpstream is how many answers have come from the upstream.
func (b *floodBed) fromUpstream() float64 {
	const answers = "notyet_upstream_queries_total"
	return b.notyet.Metric(b.t, answers, `result="answered"`) + b.notyet.Metric(b.t, answers, `result="nxdomain"`)
}

// visible has a client ask, after a while, for a name that is published 3 s later.
func (b *floodBed) visible(after time.Duration) error {
	const early, every = 3 * time.Second, 250 * time.Millisecond
	name := newLabel()
	q := ask(name+"."+plainZone, dns.TypeA)
	within(after, after, func() bool { return false })
	c := dial(b.t, "udp", b.notyet.Addr)
	var got string
	look := func() {
		got = "no answer"
		_ = c.send(pack(b.t, q))
		if reply, err := c.receive(2 * time.Second); err == nil { // A first question may have to wait a second for its turn.
			got = outcome(parse(b.t, q, reply))
		}
	}
	var faults []error
	keep(early, every, func() {
		if look(); got != "NXDOMAIN" {
			faults = append(faults, fmt.Errorf("%s: got %s during the flood, want NXDOMAIN", describe(q), got))
		}
	})
	b.zone.add(name + " A " + rightAddress)
	published := time.Now()
	if !within(3*time.Second, every, func() bool { look(); return got == "NOERROR "+rightAddress }) {
		faults = append(faults, fmt.Errorf("%s: got %s 3 s after it was published during the flood, want NOERROR", describe(q), got))
	}
	b.t.Logf("%s: visible %v after it was published", describe(q), time.Since(published).Round(time.Millisecond))
	return errors.Join(faults...)
}

// A flood is random names below a zone, of which every tenth exists.
type flood struct {
	zone                  string
	rate                  int // queries a second
	long                  time.Duration
	clients               []*client
	sent                  int64        // until ended
	answered, wrong, lame atomic.Int64 // lame: wrong by SERVFAIL
	took                  time.Duration
	ended                 chan struct{} // closed by the sender
	receivers             sync.WaitGroup
}

const existing = 'w' // what the names begin with that exist

func (b *floodBed) flood(zone string, long time.Duration) *flood {
	b.t.Helper()
	f := &flood{zone: zone, rate: b.rate, long: long, ended: make(chan struct{})}
	missing := pack(b.t, ask("f0123456789abcdef."+zone, dns.TypeA))
	exists := pack(b.t, ask("w0123456789abcdef.wild."+zone, dns.TypeA))
	for range floodClients {
		c := dial(b.t, "udp", b.notyet.Addr)
		f.clients = append(f.clients, c)
		f.receivers.Go(func() { f.receive(c) })
	}
	go f.send(missing, exists)
	return f
}

func (f *flood) send(missing, exists []byte) {
	defer close(f.ended)
	start := time.Now()
	keep(f.long, 2*time.Millisecond, func() {
		for due := int64(time.Since(start).Seconds() * float64(f.rate)); f.sent < due; f.sent++ {
			packet := missing
			if f.sent%10 == 0 {
				packet = exists
			}
			binary.BigEndian.PutUint16(packet, uint16(f.sent))
			copy(packet[headerSize+2:], fmt.Sprintf("%016x", rand.Uint64()))
			_ = f.clients[f.sent%floodClients].send(packet)
		}
	})
	f.took = time.Since(start)
}

func (f *flood) receive(c *client) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil || n <= headerSize+1 {
			return
		}
		f.answered.Add(1)
		code, records := int(buf[3]&0xf), binary.BigEndian.Uint16(buf[6:])
		right := code == dns.RcodeNameError
		if buf[headerSize+1] == existing {
			right = code == dns.RcodeSuccess && records == 1
		}
		if !right {
			f.wrong.Add(1)
		}
		if code == dns.RcodeServerFailure {
			f.lame.Add(1)
		}
	}
}

// end waits for the end and for the last answers, and tells whether all of them were right.
func (f *flood) end(t *testing.T) error {
	<-f.ended
	testbed.Within(patience, func() bool { return f.answered.Load() == f.sent })
	for _, c := range f.clients {
		c.Close()
	}
	f.receivers.Wait()
	answered, wrong, lame := f.answered.Load(), f.wrong.Load(), f.lame.Load()
	said := fmt.Sprintf("flood of %s: sent %d in %v, answered %d, of which %d were wrong, %d of those by SERVFAIL", f.zone, f.sent, f.took, answered, wrong, lame)
	t.Log(said)
	if wrong > lame {
		t.Error(said)
	}
	if f.sent < int64(f.rate)*int64(f.long/time.Second)*9/10 || answered < f.sent*999/1000 || lame > 0 {
		return errors.New(said)
	}
	return nil
}
