package watch

import (
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"notyet/wire"
)

// replace makes shipit.dev's options others, with more zones if there are any.
func (b *bed) replace(options Options, more ...Zone) {
	b.t.Helper()
	if err := b.Replace(append([]Zone{{Name: "shipit.dev", Options: options}}, more...)); err != nil {
		b.t.Errorf("Replace: %v", err)
	}
}

func TestWatchThatStaysKeepsWhatIsPending(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{"the same": defaults, "with other options": holding(time.Second)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, defaults)
				b.want(web, noIP)
				time.Sleep(time.Second)
				b.want(web, noIP) // from now on it is polled
				b.replace(options, Zone{Name: "elsewhere.net", Options: defaults})
				b.forget()
				time.Sleep(1100 * time.Millisecond)
				b.publish(web, "60 A 192.0.2.7")
				time.Sleep(time.Second)
				if got, want := b.times(), "2s 3s"; got != want {
					t.Errorf("asked in the background at %s, want %s", got, want)
				}
				b.want(web, yes)
				if got := counted(t, b.Set, "notyet_watch_visible_seconds", "watch=shipit.dev."); got != 1 {
					t.Errorf("got %v names that became visible, want 1", got)
				}
			})
		})
	}
}

func TestWatchThatStaysKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.publish(web, "1 A 192.0.2.7")
		b.upstream(constant("1 A 192.0.2.7"))
		b.want(web, yes)
		b.replace(holding(time.Second))
		time.Sleep(2 * time.Second)
		b.forget()
		b.want(web, yes)
		b.wantAsked("", "2s "+web)
	})
}

func TestHeldClientsWaitOnWhenTheirWatchStays(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		held := b.start(web)
		time.Sleep(time.Second)
		b.replace(holding(2 * time.Second))
		time.Sleep(1500 * time.Millisecond)
		b.publish(web, "60 A 192.0.2.7")
		if got, took := b.took(held); got != yes || took > holdInterval {
			t.Errorf("got %s %v after it was published, want %s within %v", got, took, yes, holdInterval)
		}
	})
}

func TestHeldClientsGetTheirDenialWhenTheWatchGoes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, holding(4*time.Second))
		held := b.start(web)
		time.Sleep(time.Second)
		if err := b.Replace(nil); err != nil {
			t.Errorf("Replace: %v", err)
		}
		if got, took := b.took(held); got != noIP || took != 0 {
			t.Errorf("got %s %v after the watch went, want %s at once", got, took, noIP)
		}
	})
}

func TestWatchThatGoesLeavesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		time.Sleep(time.Second)
		b.want(web, noIP)
		if err := b.Replace([]Zone{{Name: "elsewhere.net", Options: defaults}}); err != nil {
			t.Errorf("Replace: %v", err)
		}
		b.forget()
		time.Sleep(10 * time.Second)
		b.wantAsked("", "")
		if w := b.Find(wireName(t, "web.shipit.dev")); w != nil {
			t.Errorf("got watch %s, want none", w.name)
		}
		for _, metric := range []string{"notyet_watch_pending", "notyet_negative_shortened_total", "notyet_authority_queries_total", "notyet_watch_degraded"} {
			if got := samples(t, b.Set, metric, "watch=shipit.dev."); got != 0 {
				t.Errorf("%s: got %d samples of the watch that went, want none", metric, got)
			}
		}
	})
}

func TestNewWatchCountsAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		// What stood in the cache while nobody watched is not believed any longer.
		q, _ := b.question("web.elsewhere.net. A")
		b.ask0(q.Key, func(r *wire.Reply, _ []byte) { b.cache.Put(q.Key, r, time.Now()) })
		b.replace(defaults, Zone{Name: "Elsewhere.net", Options: defaults})
		if e := b.cache.Peek(q.Key, time.Now()); e != nil {
			t.Errorf("a denial from before the watch is still in the cache")
		}
		b.forget()
		b.want("web.elsewhere.net. A", noIP)
		b.wantAsked("0s web.elsewhere.net. A", "")
	})
}

func TestLongerWatchTakesThePendingNamesBelowIt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		b.want("other.shipit.dev. A", noIP)
		b.replace(defaults, Zone{Name: "web.shipit.dev", Options: defaults})
		if got := counted(t, b.Set, "notyet_watch_pending", "watch=shipit.dev."); got != 1 {
			t.Errorf("got %v pending under the shorter watch, want 1", got)
		}
		b.want(web, noIP)
		if got := counted(t, b.Set, "notyet_watch_pending", "watch=web.shipit.dev."); got != 1 {
			t.Errorf("got %v pending under the longer watch, want 1", got)
		}
	})
}

func TestLeasesOutliveTheWatchesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		until := time.Now().Add(time.Minute)
		for _, name := range []string{"shipit.dev", "preview.elsewhere.net"} {
			if err := b.Lease(name, holding(time.Second), until); err != nil {
				t.Fatalf("Lease: %v", err)
			}
		}
		if err := b.Replace([]Zone{{Name: "preview.elsewhere.net", Options: holding(3 * time.Second)}}); err != nil {
			t.Errorf("Replace: %v", err)
		}
		hold := func(name string) time.Duration {
			w := b.Find(wireName(t, name))
			if w == nil {
				return -1
			}
			return w.options().Hold
		}
		for _, name := range []string{"web.shipit.dev", "pr-7.preview.elsewhere.net"} {
			if got := hold(name); got != time.Second {
				t.Errorf("%s: got hold %v, want 1s, the lease's", name, got)
			}
		}
		time.Sleep(time.Minute + time.Millisecond)
		if got := hold("web.shipit.dev"); got != -1 {
			t.Errorf("after the lease: got a watch with hold %v, want none: the file has it no more", got)
		}
		if got := hold("pr-7.preview.elsewhere.net"); got != 3*time.Second {
			t.Errorf("after the lease: got hold %v, want 3s, the file's", got)
		}
	})
}

func TestPollThatIsSwitchedOffEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		time.Sleep(time.Second)
		b.want(web, noIP)
		off := defaults
		off.Poll = 0
		b.replace(off)
		b.forget()
		time.Sleep(30 * time.Second)
		b.wantAsked("", "")
	})
}

func TestBudgetIsTheNewOne(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		few := defaults
		few.QueriesPerSecond = 2
		b.replace(few)
		w := b.Find(wireName(t, "shipit.dev"))
		taken := 0
		for range 50 {
			if w.budget.now(true) {
				taken++
			}
		}
		if taken != 2 {
			t.Errorf("got %d queries at once, want 2", taken)
		}
	})
}

func TestBadWatchChangesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		if err := b.Replace([]Zone{{Name: "elsewhere.net", Options: defaults}, {Name: "a..b", Options: defaults}}); err == nil {
			t.Errorf("got no error for %q", "a..b")
		}
		if b.Find(wireName(t, "shipit.dev")) == nil || b.Find(wireName(t, "elsewhere.net")) != nil {
			t.Errorf("got other watches than before")
		}
	})
}

func TestNotifySendersAreTheNewOnes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := notifying(t, defaults)
		b.SetNotify(Notify{Allow: []netip.Prefix{netip.PrefixFrom(stranger, 32)}, Keys: []Key{testKey}})
		if got := b.notified(notifyPacket(t, "shipit.dev.", nil), primary); got != "REFUSED" {
			t.Errorf("the former sender: got %s, want REFUSED", got)
		}
		if got := b.notified(notifyPacket(t, "shipit.dev.", nil), stranger); got != "NOTAUTH" {
			t.Errorf("unsigned: got %s, want NOTAUTH", got)
		}
		if got := b.notified(notifyPacket(t, "shipit.dev.", &testKey), stranger); got != "NOERROR signed" {
			t.Errorf("signed: got %s, want NOERROR signed", got)
		}
	})
}

// samples is how many samples of a metric have the label.
func samples(t testing.TB, s *Set, name, label string) (n int) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(s.Metrics()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName()+"="+l.GetValue() == label {
					n++
				}
			}
		}
	}
	return n
}
