//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// client asks over one socket, at its own pace whether or not it is answered.
type client struct {
	conn *net.UDPConn

	mu      sync.Mutex // guards all below
	began   time.Time
	answers []answer
	waiting [1 << 16]int // id → index of its answer, and one
}

func newClient(at netip.AddrPort) (*client, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(4 << 20) // what the system gives will do
	return &client{conn: conn}, nil
}

// run asks for a new name each time, and returns what came of that once the last answer is there or too late. It closes
// the client.
func (c *client) run(ctx context.Context, qps int, long time.Duration) ([]answer, error) {
	var receiving sync.WaitGroup
	receiving.Go(c.receive)
	defer receiving.Wait()
	defer c.conn.Close()
	c.began = time.Now()
	tick := time.NewTicker(time.Second / time.Duration(qps))
	defer tick.Stop()
	total := qps * int(long/time.Second)
	for asked := 0; asked < total; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case now := <-tick.C:
			due := min(total, int(now.Sub(c.began).Seconds()*float64(qps)))
			for ; asked < due; asked++ {
				if err := c.ask(asked); err != nil {
					return nil, err
				}
			}
		}
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(straggle):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers, nil
}

// ask asks for the i-th name.
func (c *client) ask(i int) error {
	m := new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.%s.", i, zone), dns.TypeA)
	m.Id = uint16(i)
	packet, err := m.Pack()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.answers = append(c.answers, answer{asked: time.Since(c.began)})
	c.waiting[m.Id] = len(c.answers)
	c.mu.Unlock()
	_, err = c.conn.Write(packet)
	return err
}

func (c *client) receive() {
	const header = 12
	b := make([]byte, 1<<12)
	for {
		n, err := c.conn.Read(b)
		if err != nil {
			return // closed
		}
		if n < header {
			continue
		}
		id := binary.BigEndian.Uint16(b)
		good := b[3]&0xF == dns.RcodeSuccess && binary.BigEndian.Uint16(b[6:]) > 0
		c.mu.Lock()
		if i := c.waiting[id] - 1; i >= 0 {
			a := &c.answers[i]
			a.took, a.good = time.Since(c.began)-a.asked, good
			c.waiting[id] = 0
		}
		c.mu.Unlock()
	}
}
