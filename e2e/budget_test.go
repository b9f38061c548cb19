//go:build e2e && linux

package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"notyet/e2e/testbed"
)

const (
	floodRate    = 5000 // queries a second
	floodFor     = 20 * time.Second
	compareFor   = 8 * time.Second // before the flood, and again after it
	floodClients = 8               // sockets, as the buffer of one would run over while this program has no processor
	budget       = 50              // the default of queries_per_second

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
	before := measure(b.t, b.notyet, b.probes, compareFor)
	asked, answered, over := b.asked.total(), b.fromUpstream(), b.overBudget()

	f := b.flood(plainZone, floodFor)
	var clients sync.WaitGroup
	var faults [5]error
	for k := range faults {
		clients.Go(func() { faults[k] = b.visible(time.Duration(2+2*k) * time.Second) })
	}
	now := measure(b.t, b.notyet, b.probes, floodFor)
	clients.Wait()
	err := f.end(b.t)

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
		after := measure(b.t, b.notyet, b.probes, compareFor)
		err = errors.Join(err, now.slower(b.t, before.with(after)))
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
	clients               []int        // sockets
	sent                  int64        // until ended
	answered, wrong, lame atomic.Int64 // lame: wrong by SERVFAIL
	took                  time.Duration
	ended                 chan struct{} // closed by the sender
	receiver              sync.WaitGroup
}

const existing = 'w' // what the names begin with that exist

func (b *floodBed) flood(zone string, long time.Duration) *flood {
	b.t.Helper()
	f := &flood{zone: zone, rate: b.rate, long: long, ended: make(chan struct{})}
	missing := pack(b.t, ask("f0123456789abcdef."+zone, dns.TypeA))
	exists := pack(b.t, ask("w0123456789abcdef.wild."+zone, dns.TypeA))
	for range floodClients {
		f.clients = append(f.clients, dialRaw(b.t, b.notyet.Addr))
	}
	f.receiver.Go(f.receive)
	go f.send(missing, exists)
	return f
}

// send sends evenly.
func (f *flood) send(missing, exists []byte) {
	defer close(f.ended)
	start := time.Now()
	keep(f.long, 2*time.Second/time.Duration(f.rate), func() {
		for due := int64(time.Since(start).Seconds() * float64(f.rate)); f.sent < due; f.sent++ {
			packet := missing
			if f.sent%10 == 0 {
				packet = exists
			}
			binary.BigEndian.PutUint16(packet, uint16(f.sent))
			copy(packet[headerSize+2:], fmt.Sprintf("%016x", rand.Uint64()))
			_, _ = unix.Write(f.clients[f.sent%floodClients], packet)
		}
	})
	f.took = time.Since(start)
}

// dialRaw opens a socket that the runtime knows nothing of: it would be woken by every packet.
func dialRaw(t *testing.T, at netip.AddrPort) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// receive takes what has come every few milliseconds, and not each packet as it comes, since the processors are the server's
// too. It ends a while after the sender, at the latest when all is answered.
func (f *flood) receive() {
	buf := make([]byte, 4096)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(f.long + patience)
	for {
		for _, fd := range f.clients {
			for n, err := unix.Read(fd, buf); err == nil; n, err = unix.Read(fd, buf) {
				f.take(buf[:n])
			}
		}
		select {
		case <-tick.C:
		case <-end:
			return
		}
		select {
		case <-f.ended:
			if f.answered.Load() == f.sent {
				return
			}
		default:
		}
	}
}

// take counts a reply.
func (f *flood) take(reply []byte) {
	if len(reply) <= headerSize+1 {
		return
	}
	f.answered.Add(1)
	code, records := int(reply[3]&0xf), binary.BigEndian.Uint16(reply[6:])
	right := code == dns.RcodeNameError
	if reply[headerSize+1] == existing {
		right = code == dns.RcodeSuccess && records == 1
	}
	if !right {
		f.wrong.Add(1)
	}
	if code == dns.RcodeServerFailure {
		f.lame.Add(1)
	}
}

// end waits for the end and for the last answers, and tells whether all of them were right.
func (f *flood) end(t *testing.T) error {
	<-f.ended
	f.receiver.Wait()
	for _, fd := range f.clients {
		unix.Close(fd)
	}
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
