package watch

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/cache"
)

const (
	web  = "web.shipit.dev. A"
	noIP = "NXDOMAIN"
	yes  = "NOERROR A 192.0.2.7"
)

func TestNameIsAskedAtItsOwnServersAndNotAtTheUpstream(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		b.wantAsked("0s "+web, "")
	})
}

func TestPendingNameIsVisibleWhenItsServersHaveIt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		time.Sleep(1100 * time.Millisecond)
		b.want(web, noIP) // the second question: from now on it is polled
		b.publish(web, "60 A 192.0.2.7")
		time.Sleep(999 * time.Millisecond)
		b.want(web, noIP) // from the cache
		time.Sleep(2 * time.Millisecond)
		b.want(web, yes)
		b.wantAsked("0s web.shipit.dev. A, 1.1s web.shipit.dev. A, 2.1s web.shipit.dev. A", "")
		if got := counted(t, b.Set, "notyet_watch_rescues_total", "how=poll", "watch=shipit.dev."); got != 1 {
			t.Errorf("got %v rescues, want 1", got)
		}
	})
}

func TestSecondQuestionWithinASecondDoesNotBeginPolling(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		for range 4 {
			b.want(web, noIP)
			time.Sleep(240 * time.Millisecond)
		}
		time.Sleep(50 * time.Second)
		b.wantAsked("0s "+web, "")
	})
}

func TestKnownNameIsAskedAtTheUpstream(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish(web, "60 A 192.0.2.7")
		b.upstream(constant("60 A 192.0.2.7"))
		b.want(web, yes)
		b.wantAsked("0s "+web, "")
		time.Sleep(10 * time.Second) // kept for upstream_after, not for its TTL
		b.want(web, yes)
		b.wantAsked("", "10s "+web)
		time.Sleep(59 * time.Second)
		b.want(web, yes)
		b.wantAsked("", "")
	})
}

func TestNameThatSomeServersHaveIsNotAskedAtTheUpstream(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish(web, "5 A 192.0.2.7", 1)
		b.want(web, yes)
		time.Sleep(5 * time.Second)
		b.want(web, yes)
		b.publish(web, "5 A 192.0.2.7")
		time.Sleep(5 * time.Second)
		b.want(web, yes)
		b.wantAsked("0s web.shipit.dev. A, 5s web.shipit.dev. A, 10s web.shipit.dev. A", "")
		time.Sleep(5 * time.Second)
		b.upstream(constant("5 A 192.0.2.7"))
		b.want(web, yes)
		b.wantAsked("", "15s "+web)
	})
}

func TestUpstreamIsOverruled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		verify   Verify
		known    bool
		question string
		servers  []int // that have it
		upstream string
		want     string
		own      bool // its servers are asked
	}{
		{name: "by all when the name is known", known: true, servers: []int{0, 1, 2}, upstream: "NXDOMAIN", want: yes, own: true},
		{name: "not by one that lags behind", known: true, servers: []int{2}, upstream: "NXDOMAIN", want: noIP, own: true},
		{name: "not by two of three", known: true, servers: []int{0, 1}, upstream: "NODATA", want: "NOERROR", own: true},
		{name: "NODATA by all", known: true, servers: []int{0, 1, 2}, upstream: "NODATA", want: yes, own: true},
		{name: "by one when the name was never seen", verify: After, servers: []int{1}, upstream: "NXDOMAIN", want: yes, own: true},
		{name: "by nobody", verify: After, upstream: "NXDOMAIN", want: noIP, own: true},
		{name: "not when it blocks", verify: After, servers: []int{0, 1, 2}, upstream: "BLOCKED", want: noIP},
		{name: "not when it blocks a name that is known", known: true, servers: []int{0, 1, 2}, upstream: "BLOCKED", want: noIP},
		{name: "not when the denial is of another zone", verify: After, servers: []int{0, 1, 2}, upstream: "FOREIGN", want: noIP, own: true},
		{name: "when the denial is of a zone above and the name is known", known: true, servers: []int{0, 1, 2}, upstream: "ABOVE", want: yes, own: true},
		{name: "not when the denial is of a zone above and the name was never seen", verify: After, servers: []int{0, 1, 2}, upstream: "ABOVE", want: noIP, own: true},
		{name: "not when the denial of a known name is of another zone", known: true, servers: []int{0, 1, 2}, upstream: "FOREIGN", want: noIP, own: true},
		{name: "not when the denial of a known name is of no zone", known: true, servers: []int{0, 1, 2}, upstream: "BARE", want: noIP, own: true},
		{name: "not when it fails", verify: After, servers: []int{0, 1, 2}, upstream: "SERVFAIL", want: "SERVFAIL"},
		{name: "when it fails and the client validates", verify: After, question: web + " +cd", servers: []int{0}, upstream: "SERVFAIL", want: yes, own: true},
		{name: "not when it is never to be verified", verify: Off, servers: []int{0, 1, 2}, upstream: "NXDOMAIN", want: noIP},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				options := defaults
				options.Verify = tt.verify
				b := newBed(t, options)
				question := web
				if tt.question != "" {
					question = tt.question
				}
				if tt.known {
					b.publish(web, "60 A 192.0.2.7")
					b.want(question, yes)
					b.publish(web, "")
					time.Sleep(10 * time.Second)
					b.forget()
				}
				b.publish(web, "60 A 192.0.2.7", append(tt.servers, []int{}...)...)
				if len(tt.servers) == 0 {
					b.publish(web, "")
				}
				b.upstream(constant(tt.upstream))
				b.want(question, tt.want)
				b.mu.Lock()
				defer b.mu.Unlock()
				if got := len(b.asked) > 0; got != tt.own {
					t.Errorf("the zone's servers were asked: got %v, want %v", got, tt.own)
				}
				if len(b.forward) != 1 {
					t.Errorf("the upstream was asked %q, want once", b.forward)
				}
			})
		})
	}
}

func TestUpstreamIsAskedOnceWhenANameHasBeenPendingForLong(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		for range 20 {
			b.want(web, noIP)
			time.Sleep(time.Second)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.forward) != 1 || b.forward[0] != "10s "+web {
			t.Errorf("the upstream was asked %q, want once after 10 s", b.forward)
		}
	})
}

func TestNameThatOnlyTheUpstreamGetsIsVisibleWhenItsDenialHasRunOut(t *testing.T) {
	t.Parallel()
	for name, ownErr := range map[string]error{"denied by its servers": nil, "its servers are silent": authority.ErrSilent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, defaults)
				b.want(web, noIP)
				b.ownErr = ownErr
				for b.at() < 15*time.Second {
					b.want(web, noIP)
					time.Sleep(time.Second)
				}
				b.upstream(constant("60 A 192.0.2.7"))
				for b.at() < 70*time.Second { // it was asked after 10 s, and has a "no" for 60 s
					b.want(web, noIP)
					time.Sleep(time.Second)
				}
				time.Sleep(2 * time.Second)
				b.want(web, yes)
				b.mu.Lock()
				defer b.mu.Unlock()
				if len(b.forward) != 2 {
					t.Errorf("the upstream was asked %q, want twice", b.forward)
				}
			})
		})
	}
}

func TestPrivateNameIsVisibleAfterUpstreamAfterAndTheWatchIsDegraded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.upstream(constant("60 A 192.0.2.7"))
		b.want(web, noIP)
		time.Sleep(10 * time.Second)
		b.want(web, yes)
		if got := counted(t, b.Set, "notyet_watch_degraded", "watch=shipit.dev."); got != 1 {
			t.Errorf("got degraded %v, want 1", got)
		}
		if got := counted(t, b.Set, "notyet_watch_rescues_total"); got != 0 {
			t.Errorf("got %v rescues, want 0: a plain cache would have had it all along", got)
		}
		b.want("other.shipit.dev. A", yes) // at once: the upstream comes first
		time.Sleep(privateFor)
		if got := counted(t, b.Set, "notyet_watch_degraded"); got != 0 {
			t.Errorf("got degraded %v after %v, want 0", got, privateFor)
		}
	})
}

func TestUpstreamThatAgreedIsNotAskedForPendingNames(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		b.publish(web, "60 A 192.0.2.7")
		time.Sleep(2 * time.Second)
		b.want(web, yes)
		b.upstream(func(q string) string {
			if q == web {
				return "60 A 192.0.2.7"
			}
			return "NXDOMAIN"
		})
		time.Sleep(10 * time.Second)
		b.want(web, yes) // the upstream's
		b.forget()
		for range 15 {
			b.want("new.shipit.dev. A", noIP)
			time.Sleep(time.Second)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.forward) != 0 {
			t.Errorf("the upstream was asked %q, want nothing", b.forward)
		}
	})
}

func TestNamesOfADegradedZoneGoToTheUpstreamAndAreKeptForSeconds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.ownErr = errClosed
		b.want(web, noIP)
		if got, want := b.ede(web), "notyet: NXDOMAIN, kept 1s instead of 60s; "+errClosed.Error(); got != want {
			t.Errorf("got extended error %q, want %q", got, want)
		}
		time.Sleep(5 * time.Second)
		b.want(web, noIP)
		time.Sleep(1999 * time.Millisecond)
		b.want(web, noIP)
		time.Sleep(time.Millisecond)
		b.forget()
		b.want(web, noIP)
		b.wantAsked("7s "+web, "7s "+web)
	})
}

func TestSilentServersSendAFirstQuestionToTheUpstream(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.ownErr = authority.ErrSilent
		b.upstream(constant("60 A 192.0.2.7"))
		b.want(web, yes)
		b.wantAsked("0s "+web, "0s "+web)
	})
}

func TestPendingNameIsNotAskedAtTheUpstreamWhenItsServersAreSilent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		b.ownErr = authority.ErrSilent
		time.Sleep(3 * time.Second)
		b.want(web, noIP)
		b.wantAsked("0s "+web+", 3s "+web, "")
	})
}

// Some caches below keep a denial without SOA very long.
func TestDenialWithoutSOAGetsTheZonesForTwoSeconds(t *testing.T) {
	t.Parallel()
	for _, verify := range []Verify{Before, After} {
		inBubble(t, func(t *testing.T) {
			options := defaults
			options.Verify = verify
			b := newBed(t, options)
			b.bare = true
			b.upstream(constant("BARE"))
			q, asked := b.question(web)
			done := make(chan []dns.RR, 1)
			q.Done = func(e *cache.Entry) { done <- b.message(e, &asked).Ns }
			b.Serve(q)
			ns := <-done
			if len(ns) != 1 || ns[0].Header().Rrtype != dns.TypeSOA || ns[0].Header().Ttl > soaTTL {
				t.Errorf("verify %v: got authority section %v, want the zone's SOA with a TTL of at most %d", verify, ns, soaTTL)
			}
		})
	}
}

// A client may have looked into the cache just before a poll found the name.
func TestQuestionThatTheCacheCanAnswerByNowIsNotAskedAnywhere(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish(web, "60 A 192.0.2.7")
		b.want(web, yes)
		b.forget()
		for _, anew := range []bool{false, true} {
			q, asked := b.question(web)
			done := make(chan string, 1)
			q.Done, q.Anew = func(e *cache.Entry) { done <- b.text(e, &asked) }, anew
			b.upstream(constant("60 A 192.0.2.7"))
			b.Serve(q)
			if got := <-done; got != yes {
				t.Errorf("anew %v: got %s, want %s", anew, got, yes)
			}
			upstream := ""
			if anew {
				upstream = "0s " + web // which it is known at
			}
			b.wantAsked("", upstream)
		}
	})
}
