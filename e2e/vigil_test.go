//go:build e2e && linux

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	// quarter is how often a client asks that waits for a name.
	quarter = 250 * time.Millisecond
	// soon is how long after it was published a name is visible at the latest.
	soon = 1500 * time.Millisecond
	// tooLate ends a vigil: by then it is a failure that need not be measured.
	tooLate = 8 * time.Second
	// keptNXDOMAIN is for how long a watch's NXDOMAIN is kept at most, in seconds.
	keptNXDOMAIN = 2
)

// A vigil is a client that asks for something too early, and then every quarter second until it is there.
type vigil struct {
	q       *dns.Msg
	denied  int                 // the rcode until then
	after   time.Duration       // from the first answer until it is published
	publish func() error        //
	there   func(*dns.Msg) bool // whether it is in an answer; nil: has an answer of the qtype
	within  time.Duration       // how long after it was published it may be visible at the latest; 0: soon
}

// A sighting is what a vigil saw.
type sighting struct {
	began, published, visible time.Time
	answer                    *dns.Msg // the first that had it
}

func (s sighting) took() time.Duration { return s.visible.Sub(s.published) }

// keep keeps the vigil at a server over UDP.
func (v vigil) keep(at netip.AddrPort) (s sighting, err error) {
	conn, err := net.Dial("udp", at.String())
	if err != nil {
		return s, err
	}
	defer conn.Close()
	c := &client{Conn: conn, proto: "udp"}
	s.began = time.Now()
	if _, err := v.ask(c); err != nil {
		return s, fmt.Errorf("asked too early: %w", err)
	}
	due, tick := time.After(v.after), time.NewTicker(quarter)
	defer tick.Stop()
	var late <-chan time.Time
	for {
		select {
		case <-due:
			if err := v.publish(); err != nil {
				return s, err
			}
			s.published = time.Now()
			late = time.After(tooLate)
		case <-tick.C:
			there, err := v.ask(c)
			switch {
			case err != nil:
				return s, fmt.Errorf("%v after the first question: %w", time.Since(s.began), err)
			case there != nil && s.published.IsZero():
				return s, fmt.Errorf("%s: there before it was published\n%v", describe(v.q), there)
			case there != nil:
				s.visible, s.answer = time.Now(), there
				return s, nil
			}
		case <-late:
			return s, fmt.Errorf("%s: not visible %v after it was published", describe(v.q), tooLate)
		}
	}
}

// ask asks once. It returns the answer if what is waited for is in it, and nil if it is a denial as it should be.
func (v vigil) ask(c *client) (there *dns.Msg, err error) {
	r, err := c.try(v.q)
	switch {
	case err != nil:
		return nil, err
	case v.isThere(r):
		return r, nil
	case r.Rcode != v.denied:
		return nil, fmt.Errorf("%s: got %s, want %s until it is there\n%v", describe(v.q), rcode(r.Rcode), rcode(v.denied), r)
	case r.Rcode == dns.RcodeNameError:
		return nil, wantBrief(v.q, r)
	}
	return nil, nil
}

func (v vigil) isThere(r *dns.Msg) bool {
	if v.there != nil {
		return v.there(r)
	}
	return r.Rcode == dns.RcodeSuccess && len(ofType(r.Answer, v.q.Question[0].Qtype)) > 0
}

// wantBrief checks that all of an NXDOMAIN has a TTL that lets caches below forget it soon.
func wantBrief(q, r *dns.Msg) error {
	if len(ofType(r.Ns, dns.TypeSOA)) != 1 {
		return fmt.Errorf("%s: got no SOA in the denial\n%v", describe(q), r)
	}
	for _, rr := range r.Ns {
		if rr.Header().Ttl > keptNXDOMAIN {
			return fmt.Errorf("%s: got TTL %d of %q, want at most %d", describe(q), rr.Header().Ttl, rr, keptNXDOMAIN)
		}
	}
	return nil
}

// wantSoon keeps a vigil and checks that it ends in time, which includes that nothing fails before.
func wantSoon(t testing.TB, at netip.AddrPort, v vigil) sighting {
	t.Helper()
	s, err := v.keep(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: visible %v after it was published", describe(v.q), s.took().Round(time.Millisecond))
	if limit := cmp.Or(v.within, soon); s.took() > limit {
		t.Errorf("%s: visible %v after it was published, want at most %v", describe(v.q), s.took(), limit)
	}
	return s
}

// eachQuarter calls f every quarter second for a while, or until it says true.
func eachQuarter(while time.Duration, f func() bool) {
	tick := time.NewTicker(quarter)
	defer tick.Stop()
	for end := time.After(while); ; {
		select {
		case <-tick.C:
			if f() {
				return
			}
		case <-end:
			return
		}
	}
}

// try sends the query with a new id and returns the reply to it. It is exchange for goroutines, which can't end the test.
func (c *client) try(q *dns.Msg) (*dns.Msg, error) {
	q = q.Copy()
	q.Id = dns.Id()
	b, err := q.Pack()
	if err == nil {
		err = c.send(b)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", describe(q), err)
	}
	if b, err = c.receive(patience); err != nil {
		return nil, fmt.Errorf("%s: no answer: %w", describe(q), err)
	}
	r := new(dns.Msg)
	if err := r.Unpack(b); err != nil {
		return nil, fmt.Errorf("%s: unpack the reply: %w", describe(q), err)
	}
	if r.Id != q.Id || len(r.Question) != 1 || r.Question[0] != q.Question[0] {
		return nil, errors.New(describe(q) + ": got the reply to another query: " + describe(r))
	}
	return r, nil
}
