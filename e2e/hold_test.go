//go:build e2e && linux

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// holdFor is the watch's hold.
const holdFor = 4 * time.Second

// heldClients are the ways in which a client waits for an answer.
var heldClients = []struct {
	name  string
	proto string
	again bool // the client sends its query again every second
}{
	{"udp", "udp", false},
	{"udp, retransmitting", "udp", true},
	{"tcp", "tcp", false},
	{"tcp, retransmitting", "tcp", true},
}

// TestHeldQueryIsAnsweredWhenTheNameIsPublished wants the first query answered, and no client that asks twice.
func TestHeldQueryIsAnsweredWhenTheNameIsPublished(t *testing.T) {
	t.Parallel()
	b, n := holding(t)
	const after, limit = 2 * time.Second, 700 * time.Millisecond
	for _, c := range heldClients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			timely(t, func() error {
				q := ask(newLabel()+"."+plainZone, dns.TypeA)
				h := hold(t, n, c.proto, q)
				var published time.Time
				a := h.wait(c.again, time.After(after), func() {
					if err := b.add(q.Question[0].Name + " 60 A 192.0.2.7"); err != nil {
						t.Fatal(err)
					}
					published = time.Now()
				})
				if published.IsZero() {
					t.Fatalf("%s: got %s before it was published", describe(q), rcode(a.Rcode))
				}
				wantRcode(t, q, a.Msg, dns.RcodeSuccess)
				if len(a.Answer) != 1 {
					t.Errorf("%s: got %d records, want 1", describe(q), len(a.Answer))
				}
				h.wantRest(a)
				b.wantUnasked(t, q.Question[0].Name)
				took := a.at.Sub(published)
				t.Logf("%s: answered %v after it was published", describe(q), took.Round(time.Millisecond))
				if took > limit {
					return fmt.Errorf("%s: answered %v after it was published, want at most %v", describe(q), took, limit)
				}
				return nil
			})
		})
	}
}

func TestHeldQueryIsDeniedWhenTheHoldIsOver(t *testing.T) {
	t.Parallel()
	b, n := holding(t)
	const tolerance = 200 * time.Millisecond
	for _, c := range heldClients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			timely(t, func() error {
				q := ask(newLabel()+"."+plainZone, dns.TypeA)
				h := hold(t, n, c.proto, q)
				a := h.wait(c.again, nil, nil)
				wantRcode(t, q, a.Msg, dns.RcodeNameError)
				if err := wantBrief(q, a.Msg); err != nil {
					t.Error(err)
				}
				h.wantRest(a)
				b.wantUnasked(t, q.Question[0].Name)
				took := a.at.Sub(h.sent)
				t.Logf("%s: denied after %v", describe(q), took.Round(time.Millisecond))
				if took < holdFor-tolerance || took > holdFor+tolerance {
					return fmt.Errorf("%s: denied after %v, want it after %v ± %v", describe(q), took, holdFor, tolerance)
				}
				return nil
			})
		})
	}
}

func holding(t testing.TB) (*watchBed, *testbed.Notyet) {
	t.Helper()
	b := watching()
	return b, b.front(t, plainZone+roomy+", hold: "+holdFor.String())
}

// A heldQuery is one that a client has sent and waits for.
type heldQuery struct {
	t       testing.TB
	c       *client
	q       *dns.Msg
	packet  []byte
	sent    time.Time // the first time
	times   int       // how often
	answers chan timed
}

// timed is a reply, and when it came.
type timed struct {
	*dns.Msg
	at time.Time
}

// hold sends a query.
func hold(t testing.TB, n *testbed.Notyet, proto string, q *dns.Msg) *heldQuery {
	t.Helper()
	h := &heldQuery{t: t, c: dial(t, proto, n.Addr), q: q, packet: pack(t, q), sent: time.Now(), answers: make(chan timed, 10)}
	h.send()
	go func() {
		defer close(h.answers)
		for {
			b, err := h.c.receive(2 * holdFor)
			if err != nil {
				return // The test is over.
			}
			at := time.Now()
			r := new(dns.Msg)
			if err := r.Unpack(b); err != nil {
				t.Errorf("%s: unpack the reply: %v", describe(q), err)
				return
			}
			h.answers <- timed{r, at}
		}
	}()
	return h
}

func (h *heldQuery) send() {
	h.t.Helper()
	h.times++
	if err := h.c.send(h.packet); err != nil {
		h.t.Fatalf("%s: %v", describe(h.q), err)
	}
}

// wait returns the first answer. Meanwhile it sends the query again every second, if it is to, and does what is due.
func (h *heldQuery) wait(again bool, due <-chan time.Time, do func()) timed {
	h.t.Helper()
	var second <-chan time.Time
	if again {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		second = tick.C
	}
	for {
		select {
		case <-second:
			h.send()
		case <-due:
			do()
		case a, ok := <-h.answers:
			if !ok {
				h.t.Fatalf("%s: no answer after %v", describe(h.q), time.Since(h.sent))
			}
			return a
		}
	}
}

// wantRest wants an answer like the first one for every query that was sent over TCP, where none gets lost and the client
// could have sent each for a reason of its own.
func (h *heldQuery) wantRest(first timed) {
	h.t.Helper()
	if h.c.proto != "tcp" {
		return
	}
	late := time.After(time.Second)
	for range h.times - 1 {
		select {
		case a := <-h.answers:
			if a.Msg == nil || a.Rcode != first.Rcode {
				h.t.Fatalf("%s: got another answer than the first one to a query that was sent again: %v", describe(h.q), a.Msg)
			}
		case <-late:
			h.t.Fatalf("%s: got no answer to a query that was sent again within a second of the first answer", describe(h.q))
		}
	}
}
