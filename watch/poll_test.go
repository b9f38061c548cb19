package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"notyet/authority"
)

// times are the moments at which something was asked.
func times(asked []string) string {
	var all []string
	for _, a := range asked {
		all = append(all, strings.Fields(a)[0])
	}
	return strings.Join(all, " ")
}

func (b *bed) times() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.asked = nil }()
	return times(b.asked)
}

func TestPollingSlowsDownAndEndsWhenNobodyAsks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		time.Sleep(time.Second)
		b.want(web, noIP)
		time.Sleep(3 * time.Minute)
		want := "0s 1s 2s 3s 4s 5s 6s 7s 9s 13s 18s 23s 28s 33s 38s 43s 48s 53s 58s"
		if got := b.times(); got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
		if got := counted(t, b.Set, "notyet_watch_pending"); got != 0 {
			t.Errorf("got %v pending a minute later, want 0", got)
		}
	})
}

func TestPollingGoesOnAtFullSpeedWhileSomebodyAsks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		for range 39 {
			b.want(web, noIP)
			time.Sleep(250 * time.Millisecond)
		}
		want := "0s 1s 2s 3s 4s 5s 6s 7s 8s 9s"
		if got := b.times(); got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func TestPollingIsGivenUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.GiveUp = 5 * time.Second
		options.UpstreamAfter = 0
		b := newBed(t, options)
		sub := b.Subscribe(10)
		defer sub.Close()
		b.want(web, noIP)
		time.Sleep(time.Second)
		b.want(web, noIP)
		time.Sleep(50 * time.Second)
		b.want(web, noIP) // a client's question is still asked
		if got, want := b.times(), "0s 1s 2s 3s 4s 51s"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
		<-sub.C
		if e := <-sub.C; e.Kind != GaveUp || e.Name != "web.shipit.dev." || e.Took != 5*time.Second {
			t.Errorf("got event %+v, want that it was given up after 5 s", e)
		}
	})
}

func TestNothingIsPolledWhenPollIsZero(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Poll = 0
		b := newBed(t, options)
		for range 3 {
			b.want(web, noIP)
			time.Sleep(1500 * time.Millisecond)
		}
		if got, want := b.times(), "0s 1.5s 3s"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func TestClientsQuestionIsAskedAnewAfterASecond(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Poll = 0
		options.NegativeTTL = time.Hour
		b := newBed(t, options)
		for range 9 {
			b.want(web, noIP)
			time.Sleep(500 * time.Millisecond)
		}
		if got, want := b.times(), "0s 1s 2s 3s 4s"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func TestDenialThatIsNotKeptIsAskedForEachTime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.NegativeTTL = 0
		b := newBed(t, options)
		for range 3 {
			b.want(web, noIP)
			time.Sleep(100 * time.Millisecond)
		}
		if got, want := b.times(), "0s 100ms 200ms"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func TestNODATAIsPolledWhereItMayEndSoon(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, qtype string
		has         string // the type that the name has
		polled      bool
	}{
		{name: "TXT", qtype: "TXT", has: "A", polled: true},
		{name: "A of a name without addresses", qtype: "A", has: "TXT", polled: true},
		{name: "AAAA of a name without addresses", qtype: "AAAA", has: "TXT", polled: true},
		{name: "AAAA of a name with A", qtype: "AAAA", has: "A"},
		{name: "A of a name with AAAA", qtype: "A", has: "AAAA"},
		{name: "MX", qtype: "MX", has: "A"},
		{name: "HTTPS", qtype: "HTTPS", has: "A"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, defaults)
				rdata := map[string]string{"A": "192.0.2.7", "AAAA": "2001:db8::7", "TXT": "x"}[tt.has]
				b.publish("web.shipit.dev. "+tt.has, "60 "+tt.has+" "+rdata)
				for range 4 {
					b.want("web.shipit.dev. "+tt.qtype, "NOERROR")
					time.Sleep(1100 * time.Millisecond)
				}
				b.forget()
				time.Sleep(4 * time.Second)
				if got := len(b.times()) > 0; got != tt.polled {
					t.Errorf("polled: got %v, want %v", got, tt.polled)
				}
			})
		})
	}
}

func TestOtherQuestionsOfANameThatIsVisibleAreAskedAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		const txt = "web.shipit.dev. TXT"
		b.want(txt, noIP) // once only, so that it is not polled
		b.want(web, noIP)
		time.Sleep(1100 * time.Millisecond)
		b.want(web, noIP)
		b.publish(web, "60 A 192.0.2.7")
		time.Sleep(time.Second)
		b.wantAsked("0s web.shipit.dev. TXT, 0s web.shipit.dev. A, 1.1s web.shipit.dev. A, 2.1s web.shipit.dev. A, 2.1s web.shipit.dev. TXT", "")
	})
}

func TestMostPendingNamesAreBounded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.QueriesPerSecond = 10 * maxPending
		options.Poll = 0
		b := newBed(t, options)
		for i := range maxPending + 100 {
			<-b.start(fmt.Sprintf("n%d.shipit.dev. A", i))
		}
		if got := counted(t, b.Set, "notyet_watch_pending"); got != maxPending {
			t.Errorf("got %v pending, want %d", got, maxPending)
		}
	})
}

func TestPendingNamesHaveHalfOfTheBudgetForThemselves(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		time.Sleep(2 * time.Second)
		for i := range 1000 { // all at once
			b.start(fmt.Sprintf("n%d.shipit.dev. A", i))
		}
		b.want(web, noIP)
		time.Sleep(1001 * time.Millisecond)
		b.mu.Lock()
		defer b.mu.Unlock()
		pending := 0
		for _, a := range b.asked {
			if strings.Contains(a, web) {
				pending++
			}
		}
		if pending < 3 {
			t.Errorf("the pending name was asked for %d times, want 3: %v", pending, b.asked)
		}
		over := counted(t, b.Set, "notyet_authority_queries_total", "result=over_budget")
		if len(b.forward) < 950 || over != float64(len(b.forward)) {
			t.Errorf("the upstream was asked %d times and %v were over the budget, want most of 1000 and as many", len(b.forward), over)
		}
	})
}

func TestPendingNameOverBudgetKeepsItsDenial(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		b.mu.Lock()
		b.ownErr = authority.ErrBudget
		b.mu.Unlock()
		time.Sleep(1100 * time.Millisecond)
		b.want(web, noIP)
		if got, want := b.ede(web), "notyet: NXDOMAIN, kept 1.1s instead of 60s; queries_per_second is used up"; got != want {
			t.Errorf("got extended error %q, want %q", got, want)
		}
		b.wantAsked("0s web.shipit.dev. A, 1.1s web.shipit.dev. A", "")
	})
}

func TestRemovedRecordIsNotPolledBackToLife(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish(web, "1 A 192.0.2.7")
		b.want(web, yes)
		time.Sleep(2 * time.Second)
		b.publish(web, "", 0, 1) // the third lags behind
		for range 40 {
			b.want(web, noIP)
			time.Sleep(250 * time.Millisecond)
		}
		b.publish(web, "60 A 192.0.2.8") // it is back
		time.Sleep(time.Second)
		b.want(web, "NOERROR A 192.0.2.8")
	})
}

func TestDenialByPolicyIsNotPolled(t *testing.T) {
	t.Parallel()
	for _, says := range []string{"BLOCKED", "FOREIGN"} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				options := defaults
				options.Verify = After
				b := newBed(t, options)
				b.publish(web, "60 A 192.0.2.7")
				b.upstream(constant(says))
				for range 40 {
					b.want(web, noIP)
					time.Sleep(250 * time.Millisecond)
				}
			})
		})
	}
}

func TestBlockedNameIsBlockedAgainAfterUpstreamAfter(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish(web, "300 A 192.0.2.7")
		b.upstream(constant("BLOCKED"))
		b.want(web, yes)
		time.Sleep(10 * time.Second)
		for range 40 {
			b.want(web, noIP)
			time.Sleep(250 * time.Millisecond)
		}
	})
}

// What is published makes the empty non-terminals above it exist.
func TestNamesAboveOneThatBecomesVisibleAreDeniedNoLonger(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		const above = "preview.shipit.dev. A"
		below := "a.b." + above
		b.want(below, noIP)
		time.Sleep(900 * time.Millisecond)
		b.want(above, noIP) // kept for a second
		b.publish(below, "60 A 192.0.2.7")
		time.Sleep(100 * time.Millisecond)
		b.want(below, yes)
		b.want(above, "NOERROR")
	})
}
