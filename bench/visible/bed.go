//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

const zone = "shipit.dev" // .test and the like are answered by some forwarders themselves

// bed is the zone's own server, and the resolver that every program forwards to.
type bed struct {
	knot     *testbed.Knot
	upstream *testbed.Unbound
}

func startBed(o testbed.Owner) *bed {
	at := netip.AddrPortFrom(testbed.Address(o), testbed.DNSPort)
	mayListen(o, at)
	knot := testbed.StartKnot(o, testbed.KnotConfig{Addr: at, Zones: []testbed.Zone{
		{Name: zone, Text: testbed.Apex("3600", fmt.Sprint(negativeTTL.Seconds()), at.Addr())},
	}})
	return &bed{knot: knot, upstream: testbed.StartUnbound(o, testbed.UnboundConfig{
		Zones: map[string]netip.AddrPort{zone: at},
	})}
}

// mayListen says what to do when a name server's own port is not ours to listen on.
func mayListen(o testbed.Owner, at netip.AddrPort) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		o.Fatalf("%v: run it as root, or set net.ipv4.ip_unprivileged_port_start to 53", err)
	}
	conn.Close()
}

// forwarder is a program that runs.
type forwarder struct {
	title string
	addr  netip.AddrPort
}

// sighting is what came of one name.
type sighting struct {
	first string    // the answer to the first question
	seen  time.Time // when the record's answer was there; zero: it never was
}

// measure asks every program for names of its own, all at the same time, publishes the records a little later and waits
// until every program has them.
func (b *bed) measure(ctx context.Context, o testbed.Owner, programs []forwarder) ([]result, error) {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	sightings := make([][names]sighting, len(programs))
	var asking sync.WaitGroup
	for i, p := range programs {
		for n := range names {
			// Spread over the interval, so that no program is lucky with all of them.
			delay := time.Duration(n) * interval / names
			asking.Go(func() { sightings[i][n] = await(within, delay, p.addr, qname(i, n)) })
		}
	}
	defer asking.Wait()
	if !wait(within, publishedAfter) {
		return nil, ctx.Err()
	}
	asked := b.upstream.Asked()
	published := time.Now()
	b.publish(o, len(programs))
	asking.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results := make([]result, len(programs))
	for i, p := range programs {
		results[i].Program = p.title
		for n, s := range sightings[i] {
			if want := dns.RcodeToString[dns.RcodeNameError]; s.first != want {
				return nil, fmt.Errorf("%s: the first answer was %s, not %s", p.title, s.first, want)
			}
			found := sample{AskedEarly: count(asked, qname(i, n))}
			if !s.seen.IsZero() {
				found.Seconds = new(s.seen.Sub(published).Round(time.Millisecond).Seconds())
			}
			results[i].Names = append(results[i].Names, found)
		}
	}
	return results, nil
}

// qname is the name that program i is asked for as its nth.
func qname(i, n int) string { return fmt.Sprintf("app%d-%d.%s.", i+1, n+1, zone) }

// publish adds the records of all programs at once.
func (b *bed) publish(o testbed.Owner, programs int) {
	var lines []string
	for i := range programs {
		for n := range names {
			lines = append(lines, "add "+qname(i, n)+" 60 A 192.0.2.7")
		}
	}
	b.knot.Update(o, zone, lines...)
}

// await asks for the name after delay and then every interval until it has an address or ctx ends.
func await(ctx context.Context, delay time.Duration, at netip.AddrPort, qname string) (s sighting) {
	wait(ctx, delay)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		r, err := exchange(ctx, at, qname, dns.TypeA)
		if s.first == "" {
			s.first = outcome(r, err)
		}
		if err == nil && len(r.Answer) > 0 {
			s.seen = time.Now()
			return s
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return s
		}
	}
}

func exchange(ctx context.Context, at netip.AddrPort, qname string, qtype uint16) (*dns.Msg, error) {
	client := dns.Client{Timeout: 3 * time.Second}
	r, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(qname, qtype), at.String())
	return r, err
}

func outcome(r *dns.Msg, err error) string {
	if err != nil {
		return err.Error()
	}
	return dns.RcodeToString[r.Rcode]
}

// wait returns false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// count is how often name is among names.
func count(names []string, name string) int {
	return len(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n != name }))
}
