//go:build e2e && linux

package e2e

import (
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A diary is when servers were asked for names. It is safe for concurrent use.
type diary struct {
	mu     sync.Mutex
	asked  map[string][]time.Time // qname, lower case
	moment []time.Time            // of all
}

// kept has a server keep it.
func (d *diary) kept(handle func(*incoming)) func(*incoming) {
	return func(in *incoming) {
		d.mu.Lock()
		if d.asked == nil {
			d.asked = make(map[string][]time.Time)
		}
		qname, now := strings.ToLower(in.Question[0].Name), time.Now()
		d.asked[qname] = append(d.asked[qname], now)
		d.moment = append(d.moment, now)
		d.mu.Unlock()
		handle(in)
	}
}

// since are the moments after a start at which a name was asked for.
func (d *diary) since(start time.Time, qname string) []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	var after []time.Duration
	for _, at := range d.asked[dns.Fqdn(qname)] {
		if !at.Before(start) {
			after = append(after, at.Sub(start))
		}
	}
	return after
}

// busiest is how many questions there were in the second with most of them.
func (d *diary) busiest() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	most, from := 0, 0
	for to, at := range d.moment {
		for at.Sub(d.moment[from]) >= time.Second {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

// total is how many questions there were.
func (d *diary) total() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.moment)
}
