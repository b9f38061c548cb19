package watch

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"notyet/authority"
)

// next is the next event without its time.
func next(t *testing.T, sub *Subscription) Event {
	t.Helper()
	select {
	case e := <-sub.C:
		e.Time = time.Time{}
		return e
	default:
		t.Fatal("no event")
		return Event{}
	}
}

func TestRescueIsToldWithItsTimes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		sub := b.Subscribe(10)
		defer sub.Close()
		b.want(web, noIP)
		time.Sleep(3 * time.Second)
		b.publish(web, "60 A 192.0.2.7")
		b.want(web, yes)
		name := "web.shipit.dev."
		for _, want := range []Event{
			{Kind: Pending, Watch: "shipit.dev.", Name: name, Type: 1},
			{Kind: Visible, Watch: "shipit.dev.", Name: name, Type: 1, How: "query", Took: 3 * time.Second},
			{Kind: Rescued, Watch: "shipit.dev.", Name: name, Type: 1, How: "query", Took: 3 * time.Second, Avoided: 57 * time.Second},
		} {
			if got := next(t, sub); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		want := "msg=rescued qname=web.shipit.dev. qtype=A zone=shipit.dev. how=query took=3s avoided=57s"
		if got := b.log.String(); !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("got log %q, want one line with %q", got, want)
		}
	})
}

// TestRescueOfANameThatWasAskedForByAnotherTypeFirstIsTold: so does gethostbyname, which asks for A once AAAA is answered.
func TestRescueOfANameThatWasAskedForByAnotherTypeFirstIsTold(t *testing.T) {
	t.Parallel()
	const negativeTTL = time.Minute
	for hold, took := range map[time.Duration]time.Duration{0: 2900 * time.Millisecond, 4 * time.Second: 3 * time.Second} {
		inBubble(t, func(t *testing.T) {
			b := newBed(t, holding(hold))
			first := b.start("web.shipit.dev. AAAA")
			time.Sleep(2900 * time.Millisecond) // a held question's servers are asked at 3 s
			b.publish(web, "60 A 192.0.2.7")
			if hold == 0 {
				if got := <-first; got != noIP {
					t.Errorf("before: got %s, want %s", got, noIP)
				}
				first = b.start("web.shipit.dev. AAAA")
			}
			if got := <-first; got != "NOERROR" {
				t.Errorf("hold %v: got %s, want NOERROR", hold, got)
			}
			sub := b.Subscribe(10)
			defer sub.Close()
			b.want(web, yes)
			for _, want := range []Event{
				{Kind: Visible, Watch: "shipit.dev.", Name: "web.shipit.dev.", Type: 1, How: "query", Took: took},
				{Kind: Rescued, Watch: "shipit.dev.", Name: "web.shipit.dev.", Type: 1, How: "query", Took: took, Avoided: negativeTTL - took},
			} {
				if got := next(t, sub); got != want {
					t.Errorf("hold %v: got %+v, want %+v", hold, got, want)
				}
			}
			time.Sleep(2 * time.Minute)
			b.want(web, yes)
			if len(sub.C) > 0 {
				t.Errorf("hold %v: got %+v for an answer that is had anew, want nothing", hold, next(t, sub))
			}
		})
	}
}

func TestVisibleNameIsNoRescueWhenAPlainCacheWouldHaveItToo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		options := defaults
		options.Poll = 0
		b := newBed(t, options)
		b.want(web, noIP)
		time.Sleep(59 * time.Second)
		b.want(web, noIP)
		time.Sleep(2 * time.Second)
		b.publish(web, "60 A 192.0.2.7")
		b.want(web, yes)
		if got := counted(t, b.Set, "notyet_watch_rescues_total"); got != 0 {
			t.Errorf("got %v rescues, want 0", got)
		}
		if got := counted(t, b.Set, "notyet_watch_visible_seconds"); got != 1 {
			t.Errorf("got %v visible, want 1", got)
		}
	})
}

func TestSlowSubscriberLosesEventsAndIsTold(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		slow, fast := b.Subscribe(2), b.Subscribe(100)
		defer slow.Close()
		for range 5 {
			b.events.send(Event{Kind: Pending})
		}
		next(t, slow)
		next(t, slow)
		b.events.send(Event{Kind: Visible})
		if got := next(t, slow); got.Kind != Lost || got.Lost != 3 {
			t.Errorf("got %+v, want that 3 were lost", got)
		}
		if got := next(t, slow); got.Kind != Visible {
			t.Errorf("got %+v, want what came after", got)
		}
		fast.Close()
		fast.Close()
		n := 0
		for range fast.C {
			n++
		}
		if n != 6 {
			t.Errorf("the fast one got %d events, want 6", n)
		}
	})
}

func TestDegradedZoneIsToldOnceAndSoIsItsRecovery(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		sub := b.Subscribe(10)
		defer sub.Close()
		for range 2 {
			b.Changed(authority.Change{Zone: "shipit.dev.", Why: errClosed.Why})
		}
		b.Changed(authority.Change{Zone: "elsewhere.net.", Why: errClosed.Why})
		if got := counted(t, b.Set, "notyet_watch_degraded", "watch=shipit.dev."); got != 1 {
			t.Errorf("got degraded %v, want 1", got)
		}
		b.Changed(authority.Change{Zone: "shipit.dev."})
		b.Changed(authority.Change{Zone: "shipit.dev."})
		if got := counted(t, b.Set, "notyet_watch_degraded"); got != 0 {
			t.Errorf("got degraded %v, want 0", got)
		}
		for _, want := range []Event{
			{Kind: WentDegraded, Watch: "shipit.dev.", Name: "shipit.dev.", Why: "connection refused"},
			{Kind: Recovered, Watch: "shipit.dev.", Name: "shipit.dev."},
		} {
			if got := next(t, sub); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		if got := strings.Count(b.log.String(), "\n"); got != 2 {
			t.Errorf("got %d lines in the log, want 2:\n%s", got, b.log.String())
		}
	})
}

func TestExtendedErrorSaysWhoHasTheRecord(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		if got, want := b.ede(web), "notyet: NXDOMAIN, kept 1s instead of 60s; ns1.shipit.dev and ns2.shipit.dev and ns3.shipit.dev not yet"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		const other = "other.shipit.dev. A"
		b.publish(other, "1 A 192.0.2.7")
		b.want(other, yes)
		time.Sleep(2 * time.Second)
		b.publish(other, "", 0)
		b.want(other, noIP) // known, and two of three lag behind
		if got, want := b.ede(other), "notyet: NXDOMAIN, kept 1s instead of 60s; ns2.shipit.dev and ns3.shipit.dev have it, ns1.shipit.dev not yet"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestMetricsOfShortenedDenials(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP) // kept for 1 s of 60
		synctest.Wait()
		if got := counted(t, b.Set, "notyet_negative_shortened_total"); got != 1 {
			t.Errorf("got %v shortened, want 1", got)
		}
		if got := counted(t, b.Set, "notyet_negative_seconds_avoided_total"); got != 59 {
			t.Errorf("got %v s avoided, want 59", got)
		}
	})
}
