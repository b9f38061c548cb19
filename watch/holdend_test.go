package watch

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/cache"
)

// denial starts a question and returns what is to come of it: the SOA's serial and TTL, and the text of the extended error.
func (b *bed) denial(text string) <-chan string {
	b.t.Helper()
	q, asked := b.question(text)
	done := make(chan string, 1)
	q.Hold = func(*cache.Entry) bool { return true }
	q.Done = func(e *cache.Entry) {
		m := b.message(e, &asked)
		said := fmt.Sprint(b.at(), " ", dns.RcodeToString[m.Rcode])
		for _, rr := range m.Ns {
			said += fmt.Sprint(" serial ", rr.(*dns.SOA).Serial, " TTL ", rr.Header().Ttl)
		}
		for _, o := range m.IsEdns0().Option {
			said += " " + o.(*dns.EDNS0_EDE).ExtraText
		}
		done <- said
	}
	var e cache.Entry
	if b.cache.Get(&e, q.Key, time.Now()) {
		q.Done(&e)
		return done
	}
	b.Serve(q)
	return done
}

func TestEndOfAHoldGivesAndKeepsTheLastDenial(t *testing.T) {
	t.Parallel()
	const lack = "; ns1.shipit.dev and ns2.shipit.dev and ns3.shipit.dev not yet"
	shorter, unkept := holding(4*time.Second), holding(4*time.Second)
	shorter.NegativeTTL, unkept.NegativeTTL = time.Second, 0
	for _, tt := range []struct {
		name    string
		options Options
		silent  time.Duration // from when on the servers are; 0: they never are
		held    string
		next    string // who asks right behind it
	}{
		{"kept", holding(4 * time.Second), 0,
			"4s NXDOMAIN serial 2 TTL 1 notyet: NXDOMAIN, kept 2s instead of 60s" + lack,
			"4s NXDOMAIN serial 2 TTL 1 notyet: NXDOMAIN, kept 2s instead of 60s" + lack},
		{"kept for a second", shorter, 0,
			"4s NXDOMAIN serial 2 TTL 0 notyet: NXDOMAIN, kept 1s instead of 60s" + lack,
			"4s NXDOMAIN serial 2 TTL 0 notyet: NXDOMAIN, kept 1s instead of 60s" + lack},
		{"not kept by the options", unkept, 0,
			"4s NXDOMAIN serial 2 TTL 0 notyet: NXDOMAIN, not kept" + lack,
			"4.1s NXDOMAIN serial 2 TTL 0 notyet: NXDOMAIN, not kept" + lack},
		{"of long ago", holding(4 * time.Second), 2 * time.Second,
			"4s NXDOMAIN serial 1 TTL 0 notyet: NXDOMAIN, not kept" + lack,
			"4.1s NXDOMAIN serial 1 TTL 1 notyet: NXDOMAIN, kept 1s instead of 60s; " + authority.ErrSilent.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, tt.options)
				b.ownDelay = 100 * time.Millisecond // the last denial is that of 3.95s
				first := b.denial(web)
				if tt.silent > 0 {
					time.Sleep(tt.silent)
					b.mu.Lock()
					b.ownErr = authority.ErrSilent
					b.mu.Unlock()
				}
				time.Sleep(3800*time.Millisecond - b.at())
				b.mu.Lock()
				b.updates = 1
				b.mu.Unlock()
				if got := <-first; got != tt.held {
					t.Errorf("held: got %s\nwant %s", got, tt.held)
				}
				if got := <-b.denial(web); got != tt.next {
					t.Errorf("next: got %s\nwant %s", got, tt.next)
				}
			})
		})
	}
}

// The denial is one of the question as it was asked last, which may be another client's.
func TestEndOfAHoldGivesEachClientADenialOfItsOwnQuestion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		plain := b.denial(web)
		time.Sleep(time.Second)
		secure := b.denial(web + " +do")
		time.Sleep(2 * time.Second)
		b.mu.Lock()
		b.updates = 1
		b.mu.Unlock()
		for what, done := range map[string]<-chan string{"plain": plain, "secure": secure} {
			got := <-done
			want := "4s NXDOMAIN serial 2 TTL"
			if len(got) < len(want) || got[:len(want)] != want {
				t.Errorf("%s: got %s, want %s", what, got, want)
			}
		}
	})
}
