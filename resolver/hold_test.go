package resolver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/cache"
	"notyet/upstream/upstreamtest"
	"notyet/watch"
	"notyet/wire"
)

// heldBed watches example.com, whose servers have nothing until published is closed, and holds questions for 4 s.
func heldBed(t *testing.T, published <-chan struct{}) *bed {
	t.Helper()
	b := newBed(t, newFake("up", nxdomain))
	watches, err := watch.New(watch.Config{
		Watches: []watch.Zone{{Name: "example.com", Options: watch.Options{
			NegativeTTL: 2 * time.Second, Hold: 4 * time.Second, QueriesPerSecond: 1000, GiveUp: time.Minute,
		}}},
		Cache: b.cache, Log: b.config.Log,
		Ask: func(_ context.Context, r authority.Request) (*authority.Answer, error) {
			a := &authority.Answer{Kind: wire.NXDOMAIN, Zone: "example.com.", Lack: []string{"ns.example.com"}}
			a.Msg = new(dns.Msg).SetQuestion(r.Name, r.Type)
			select {
			case <-published:
				a.Kind = wire.Positive
				a.Msg.Answer = []dns.RR{upstreamtest.RR(r.Name + " 60 A 192.0.2.1")}
			default:
				a.Msg.Rcode = dns.RcodeNameError
				a.Msg.Ns = []dns.RR{upstreamtest.RR("example.com. 60 SOA ns.example.com. admin.example.com. 1 7200 900 1209600 60")}
			}
			return a, nil
		},
		Forward: forwarder(b),
	})
	if err != nil {
		t.Fatalf("watch.New: %v", err)
	}
	b.config.Watches = watches
	running(t, watches)
	return b
}

func forwarder(b *bed) func(cache.Key, func(*wire.Reply, []byte)) {
	return func(k cache.Key, done func(*wire.Reply, []byte)) {
		b.Forward(k, true, func(o Outcome) { done(o.Reply, o.EDE) })
	}
}

// running runs watches until the test ends.
func running(t *testing.T, watches *watch.Set) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); watches.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
}

func TestRetransmissionsJoinTheQueryThatIsHeld(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		published := make(chan struct{})
		b := heldBed(t, published)
		var all []<-chan answer
		for range 3 {
			all = append(all, b.start("www.example.com. A"))
			time.Sleep(time.Second)
		}
		if got := b.held.Load(); got != 3 {
			t.Errorf("got %d queries held, want 3", got)
		}
		close(published)
		for i, done := range all {
			if got := b.wait(done); got.text != "NOERROR A 192.0.2.1" || got.took > 3250*time.Millisecond {
				t.Errorf("query %d: got %v, want the address at once", i, got)
			}
		}
		synctest.Wait()
		if got := b.held.Load(); got != 0 {
			t.Errorf("got %d queries held afterwards, want 0", got)
		}
		b.idle()
	})
}

func TestThousandQueriesAreHeldAndTheNextIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := heldBed(t, make(chan struct{}))
		first := b.start("www.example.com. A")
		time.Sleep(time.Millisecond)
		b.held.Add(maxHeld - 1)
		// While a query is held its denial isn't kept, or it would be given to who asks again.
		const no = `NXDOMAIN 0 "notyet: NXDOMAIN, not kept; ns.example.com not yet"`
		for question, want := range map[string]string{
			"www.example.com. A":   no, // joins
			"other.example.com. A": `NXDOMAIN 0 "notyet: NXDOMAIN, kept 1s instead of 60s; ns.example.com not yet"`,
		} {
			if got := b.wait(b.start(question)); got.text != want || got.took != 0 {
				t.Errorf("%s: got %v, want %s at once", question, got, want)
			}
		}
		b.held.Add(1 - maxHeld)
		const last = `NXDOMAIN 0 "notyet: NXDOMAIN, kept 2s instead of 60s; ns.example.com not yet"`
		if got := b.wait(first); got.text != last || got.took != 4*time.Second {
			t.Errorf("got %v, want %s after 4s", got, last)
		}
		synctest.Wait()
		b.idle()
	})
}

func TestQueryWithoutRDIsNotWatched(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := heldBed(t, make(chan struct{}))
		b.want("www.example.com. A +norec", "NXDOMAIN", 0)
	})
}
