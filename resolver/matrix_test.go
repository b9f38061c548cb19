package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/cache"
	"notyet/upstream"
	"notyet/upstream/upstreamtest"
	"notyet/watch"
	"notyet/wire"
)

// situation is one cell of the matrix: what a name's own servers and the upstream say of it when it is asked for
// the first time.
type situation struct {
	denial      int // rcode of a "no": NXDOMAIN, or NOERROR for NODATA
	watched     bool
	verify      watch.Verify
	authorities string // yes, no, partly, silent
	upstream    string // yes, no, poisoned, blocked
}

func (s situation) String() string {
	return fmt.Sprint(map[int]string{dns.RcodeNameError: "NXDOMAIN", dns.RcodeSuccess: "NODATA"}[s.denial],
		" watched=", s.watched, " verify=", [...]string{"before", "after", "off"}[s.verify],
		" authorities=", s.authorities, " upstream=", s.upstream)
}

// outcome is the answer, and how many packets about the name the zone's three servers and the upstream saw.
type outcome struct {
	yes           bool
	own, upstream int
}

// want is what the design says, sentence by sentence.
func (s situation) want() outcome {
	servers := 3
	if s.authorities == "silent" {
		servers *= 2 // each is asked again
	}
	upstreamYes := s.upstream == "yes"
	ownYes := s.authorities == "yes" || s.authorities == "partly"
	switch {
	case !s.watched, s.verify == watch.Off:
		return outcome{yes: upstreamYes, upstream: 1}
	case s.verify == watch.Before && s.authorities == "silent":
		return outcome{yes: upstreamYes, own: servers, upstream: 1}
	case s.verify == watch.Before:
		return outcome{yes: ownYes, own: servers} // the upstream hears nothing of it
	case upstreamYes:
		return outcome{yes: true, upstream: 1}
	case s.upstream == "blocked":
		return outcome{upstream: 1} // policy stays in force
	}
	return outcome{yes: ownYes, own: servers, upstream: 1} // any yes overrules for a name never seen
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, denial := range []int{dns.RcodeNameError, dns.RcodeSuccess} {
		for _, watched := range []bool{true, false} {
			for _, verify := range []watch.Verify{watch.Before, watch.After, watch.Off} {
				for _, authorities := range []string{"yes", "no", "partly", "silent"} {
					for _, up := range []string{"yes", "no", "poisoned", "blocked"} {
						s := situation{denial, watched, verify, authorities, up}
						t.Run(s.String(), func(t *testing.T) {
							t.Parallel()
							inBubble(t, func(t *testing.T) { s.test(t) })
						})
					}
				}
			}
		}
	}
}

func (s situation) test(t *testing.T) {
	w := &world{situation: s}
	up := newFake("up", func(x *upstream.Exchange) { reply(x, upstreamtest.Pack(w.above(x))) })
	b := newBed(t, up)
	w.run(t, b)

	got := b.ask("www.example.com. A")
	want := s.want()
	text := "NXDOMAIN"
	switch {
	case want.yes:
		text = "NOERROR A 192.0.2.1"
	case s.denial == dns.RcodeSuccess:
		text = "NOERROR"
	}
	if answer, _, _ := strings.Cut(got.text, ` 0 "notyet`); !strings.HasPrefix(answer, text) || !want.yes && strings.Contains(answer, " A ") {
		t.Errorf("got %s, want %s", got.text, text)
	}
	time.Sleep(2 * time.Second) // for what comes after the answer
	if own, up := int(w.own.Load()), int(w.up.Load()); own != want.own || up != want.upstream {
		t.Errorf("the zone's servers saw %d questions and the upstream %d, want %d and %d", own, up, want.own, want.upstream)
	}
	// Somebody who asks only once is no reason to go on.
	if limit := 2 * time.Second; s.watched && got.took > limit {
		t.Errorf("it took %v, want at most %v", got.took, limit)
	}
}

// world has the zone's servers and the upstream's knowledge.
type world struct {
	situation
	own, up atomic.Int32 // questions about the name
}

// run puts a watch over example.com into the resolver, if there is to be one.
func (w *world) run(t *testing.T, b *bed) {
	t.Helper()
	finder := authority.New(authority.Config{
		Exchange: w.exchange,
		Lookup: func(ctx context.Context, qname string, qtype uint16) (*dns.Msg, netip.Addr, error) {
			return w.lookup(b, qname, qtype)
		},
	})
	var zones []watch.Zone
	if w.watched {
		zones = []watch.Zone{{Name: "example.com", Options: watch.Options{
			NegativeTTL: 2 * time.Second, NODATATTL: 30 * time.Second, Verify: w.verify, UpstreamAfter: 10 * time.Second,
			Poll: time.Second, GiveUp: 15 * time.Minute, QueriesPerSecond: 50,
		}}}
	}
	watches, err := watch.New(watch.Config{
		Watches: zones, Cache: b.cache, Ask: finder.Ask, Log: b.config.Log,
		Forward: func(k cache.Key, done func(*wire.Reply, []byte)) {
			b.Forward(k, true, func(o Outcome) { done(o.Reply, o.EDE) })
		},
	})
	if err != nil {
		t.Fatalf("watch.New: %v", err)
	}
	b.config.Watches = watches
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2)
	go func() { watches.Run(ctx); ended <- struct{}{} }()
	go func() { finder.Run(ctx); ended <- struct{}{} }()
	t.Cleanup(func() { cancel(); <-ended; <-ended })
}

// lookup asks the upstream as discovery does.
func (w *world) lookup(b *bed, qname string, qtype uint16) (*dns.Msg, netip.Addr, error) {
	name, err := wire.Name(qname)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	var m *dns.Msg
	b.Forward(b.cache.Key(nil, name, qtype, false, false), true, func(o Outcome) { m, err = o.Reply.Msg() })
	return m, netip.MustParseAddr("192.0.2.53"), err
}

const soa = "example.com. 60 SOA ns1.example.com. admin.example.com. 1 7200 900 1209600 60"

// above is what the upstream says.
func (w *world) above(x *upstream.Exchange) *dns.Msg {
	m := upstreamtest.Reply(x.Query)
	q := m.Question[0]
	switch q.Name + " " + dns.TypeToString[q.Qtype] {
	case "example.com. NS":
		for i := range 3 {
			m.Answer = append(m.Answer, upstreamtest.RR(fmt.Sprintf("example.com. 60 NS ns%d.example.com.", i+1)))
		}
	case "example.com. SOA":
		m.Answer = []dns.RR{upstreamtest.RR(soa)}
	case "ns1.example.com. A", "ns2.example.com. A", "ns3.example.com. A":
		m.Answer = []dns.RR{upstreamtest.RR(q.Name + " 60 A 203.0.113." + q.Name[2:3])}
	case "www.example.com. A":
		w.up.Add(1)
		w.say(m, w.upstream == "yes")
		if w.upstream == "blocked" {
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeBlocked}}
		}
	default:
		if strings.HasPrefix(q.Name, "ns") {
			m.Ns = []dns.RR{upstreamtest.RR(soa)}
		} else {
			m.Rcode = dns.RcodeRefused
		}
	}
	return m
}

// say makes a reply a yes or a no.
func (w *world) say(m *dns.Msg, yes bool) {
	if yes {
		m.Answer = []dns.RR{upstreamtest.RR("www.example.com. 60 A 192.0.2.1")}
		return
	}
	m.Rcode = w.denial
	m.Ns = []dns.RR{upstreamtest.RR(soa)}
}

// exchange is what the zone's servers say.
func (w *world) exchange(ctx context.Context, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	m := new(dns.Msg).SetReply(query)
	m.Authoritative = true
	q := query.Question[0]
	switch {
	case q.Name == "example.com." && q.Qtype == dns.TypeSOA:
		m.Answer = []dns.RR{upstreamtest.RR(soa)}
		return m, nil
	case q.Name != "www.example.com.":
		return nil, fmt.Errorf("unexpected question %v", q)
	case q.Qtype != dns.TypeA: // discovery's, and whether a name has the other family
		w.say(m, false)
		return m, nil
	}
	w.own.Add(1)
	if w.authorities == "silent" {
		<-ctx.Done()
		return nil, upstream.ErrTimeout
	}
	w.say(m, w.authorities == "yes" || w.authorities == "partly" && server.Addr() == netip.MustParseAddr("203.0.113.3"))
	return m, nil
}
