//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"notyet/e2e/testbed"
)

const (
	clients = 8
	// straggle is how long after the last query an answer is waited for: what a stub waits.
	straggle = 5 * time.Second
	// maxBurst bounds what a client sends at once after it was held up itself.
	maxBurst = 64
)

// A load is the clients and what they count. Its counters are safe for concurrent use.
type load struct {
	clients []*client
	misses  atomic.Uint32 // the next name that nobody asked for

	asked      atomic.Int64 // queries that get an answer
	answered   atomic.Int64
	unanswered atomic.Int64
	wrong      atomic.Int64
}

// A client is one socket on an address of its own.
type client struct {
	load *load
	conn *net.UDPConn

	mu      sync.Mutex             // guards waiting
	waiting [1 << 16]waitingAnswer // by id
}

type waitingAnswer struct {
	question
	open bool // no answer yet
}

func newLoad(o testbed.Owner, at netip.AddrPort) *load {
	l := &load{}
	for range clients {
		local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(testbed.Address(o), 0))
		conn, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(at))
		if err != nil {
			o.Fatalf("%v", err)
		}
		_ = conn.SetReadBuffer(1 << 20) // What the system gives will do.
		l.clients = append(l.clients, &client{load: l, conn: conn})
	}
	return l
}

// run asks until ctx ends, and then waits for the last answers.
func (l *load) run(ctx context.Context, qps int) {
	var senders, receivers sync.WaitGroup
	for _, c := range l.clients {
		receivers.Go(c.receive)
		senders.Go(func() { c.send(ctx, float64(qps)/clients) })
	}
	senders.Wait()
	testbed.Within(straggle, func() bool { return l.answered.Load() == l.asked.Load()-l.unanswered.Load() })
	for _, c := range l.clients {
		c.conn.Close()
	}
	receivers.Wait()
	for _, c := range l.clients {
		for i := range c.waiting {
			if c.waiting[i].open {
				l.unanswered.Add(1)
			}
		}
	}
}

// send keeps up the rate, in queries a second.
func (c *client) send(ctx context.Context, rate float64) {
	rng := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	id, due, last := uint16(rng.Uint32()), 0.0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			due = min(due+rate*now.Sub(last).Seconds(), maxBurst)
			last = now
		}
		for ; due >= 1; due-- {
			c.ask(id, c.load.next(rng))
			id++
		}
	}
}

// next draws a question: 80 % hits, 5 % misses, 10 % names that do not exist, 5 % malformed.
func (l *load) next(rng *rand.Rand) question {
	q := question{edns: rng.IntN(2) == 0}
	switch p := rng.IntN(100); {
	case p < 80:
		q.kind, q.n = hit, rng.Uint32N(hitNames)
	case p < 85:
		q.kind, q.n = miss, l.misses.Add(1)
	case p < 95:
		q.kind, q.n = gone, rng.Uint32N(goneNames)
	default:
		q.kind, q.n, q.edns = malformed, rng.Uint32N(uint32(len(faults))), false
	}
	return q
}

func (c *client) ask(id uint16, q question) {
	c.mu.Lock()
	if c.waiting[id].open {
		c.load.unanswered.Add(1)
	}
	c.waiting[id] = waitingAnswer{question: q, open: q.answered()}
	c.mu.Unlock()
	if q.answered() {
		c.load.asked.Add(1)
	}
	_, _ = c.conn.Write(q.packet(id)) // What is not sent counts as unanswered.
}

// receive checks the answers until the socket is closed.
func (c *client) receive() {
	buf := make([]byte, 65536)
	for {
		n, err := c.conn.Read(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // Nobody was there: connection refused.
		}
		c.take(buf[:n])
	}
}

func (c *client) take(reply []byte) {
	if len(reply) < 12 {
		c.load.fault(fmt.Errorf("got %x, want a header", reply))
		return
	}
	id := binary.BigEndian.Uint16(reply)
	c.mu.Lock()
	w := c.waiting[id]
	c.waiting[id].open = false
	c.mu.Unlock()
	if !w.open {
		c.load.fault(fmt.Errorf("got an answer that nobody waits for: %x", reply))
		return
	}
	c.load.answered.Add(1)
	if err := w.check(id, reply); err != nil {
		c.load.fault(err)
	}
}

// fault counts a wrong answer and shows the first ones.
func (l *load) fault(err error) {
	if l.wrong.Add(1) <= 10 {
		fmt.Println("WRONG:", err)
	}
}
