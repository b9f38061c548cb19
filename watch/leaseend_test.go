package watch

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPendingNameGoesWithItsLease(t *testing.T) {
	t.Parallel()
	for end, wait := range map[string]time.Duration{"by itself": time.Minute, "when it is ended": 0} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, defaults)
				const name = "pr-7.lz.shipit.dev. A"
				if err := b.Lease("lz.shipit.dev", defaults, time.Now().Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(50 * time.Second)
				b.want(web, noIP) // of the configuration's watch
				b.want(name, noIP)
				time.Sleep(1500 * time.Millisecond)
				b.want(name, noIP)
				time.Sleep(1500 * time.Millisecond)
				b.wantAsked("50s web.shipit.dev. A, 50s "+name+", 51.5s "+name+", 52.5s "+name, "")
				if wait == 0 {
					b.EndLease("lz.shipit.dev")
				}
				time.Sleep(wait - b.at()) // to the moment of its end
				synctest.Wait()
				if got := b.Pending(); len(got) != 1 || got[0].Name != "web.shipit.dev." {
					t.Errorf("got %+v pending, want web.shipit.dev alone", got)
				}
				if got, all := counted(t, b.Set, "notyet_watch_pending", "watch=lease"), b.Count().Pending; got != 0 || all != 1 {
					t.Errorf("got %v of %d pending under leases, want 0 of 1", got, all)
				}
				b.forget()
				time.Sleep(30 * time.Second)
				b.wantAsked("", "") // it is polled no more
				b.want(name, noIP)
				if got := b.Pending(); len(got) != 2 || got[1].Watch != "shipit.dev." {
					t.Errorf("got %+v pending, want it under the configuration's watch once it is asked for", got)
				}
			})
		})
	}
}

func TestHeldQuestionIsAnsweredWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		if err := b.Lease("lz.shipit.dev", holding(4*time.Second), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		elsewhere := b.start(web)
		if got, took := b.took(b.start("pr-7.lz.shipit.dev. A")); got != noIP || took != time.Second {
			t.Errorf("got %s after %v, want %s at the lease's end", got, took, noIP)
		}
		if got, took := b.took(elsewhere); got != noIP || took != 3*time.Second {
			t.Errorf("of another watch: got %s %v later, want %s after 3s", got, took, noIP)
		}
	})
}

// What is asked at the servers when the lease ends is answered, and not kept in mind.
func TestNameThatIsAskedForWhileItsLeaseEndsIsNotPending(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.ownDelay = time.Second
		if err := b.Lease("lz.shipit.dev", defaults, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		done := b.start("pr-7.lz.shipit.dev. A")
		synctest.Wait()
		b.EndLease("lz.shipit.dev")
		if got, took := b.took(done); got != noIP || took != time.Second {
			t.Errorf("got %s after %v, want %s after 1s", got, took, noIP)
		}
		if got := b.Pending(); len(got) != 0 {
			t.Errorf("got %+v pending", got)
		}
	})
}

func TestConfigurationsWatchHoldsFromTheMomentThatALeaseOfItsZoneEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		if err := b.Lease("shipit.dev", defaults, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		b.Set.mu.Lock() // the lease's timer has to wait
		time.Sleep(time.Minute)
		w := b.Find([]byte("\x03www\x06shipit\x03dev\x00"))
		b.Set.mu.Unlock()
		if w == nil || w.isLease() {
			t.Errorf("got %v, want the configuration's watch", w)
		}
	})
}
