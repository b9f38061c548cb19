package watch

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"notyet/authority"
	"notyet/wire"
)

func TestNamesUnderALeaseAreWatchedUntilItEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		const name = "pr-7.preview.elsewhere.net. A"
		if w := b.Find(wireName(t, "pr-7.preview.elsewhere.net")); w != nil {
			t.Fatalf("got a watch before the lease")
		}
		if err := b.Lease("Preview.elsewhere.net", defaults, time.Now().Add(time.Minute)); err != nil {
			t.Fatalf("Lease: %v", err)
		}
		b.want(name, noIP)
		b.wantAsked("0s "+name, "")
		if got := counted(t, b.Set, "notyet_watch_pending", "watch=lease"); got != 1 {
			t.Errorf("got %v pending under leases, want 1", got)
		}
		time.Sleep(time.Minute + time.Millisecond)
		if w := b.Find(wireName(t, "pr-7.preview.elsewhere.net")); w != nil {
			t.Errorf("got a watch after the lease's end")
		}
		if b.EndLease("preview.elsewhere.net") {
			t.Errorf("a lease that has ended was ended")
		}
	})
}

func TestLongestWatchCounts(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		if err := b.Lease("a.b.shipit.dev", defaults, time.Now().Add(time.Hour)); err != nil {
			t.Fatalf("Lease: %v", err)
		}
		for name, want := range map[string]string{
			"x.a.b.shipit.dev": "a.b.shipit.dev.", "a.b.shipit.dev": "a.b.shipit.dev.",
			"b.shipit.dev": "shipit.dev.", "shipit.dev": "shipit.dev.", "xshipit.dev": "", "dev": "",
		} {
			got := ""
			if w := b.Find(wireName(t, name)); w != nil {
				got = w.name
			}
			if got != want {
				t.Errorf("%s: got watch %q, want %q", name, got, want)
			}
		}
	})
}

// TestRenewedLeaseKeepsWhatIsPending moves the end to later, and to sooner.
func TestRenewedLeaseKeepsWhatIsPending(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		began := time.Now()
		lease := func(until time.Duration) {
			t.Helper()
			if err := b.Lease("preview.elsewhere.net", defaults, began.Add(until)); err != nil {
				t.Fatalf("Lease: %v", err)
			}
		}
		has := func() bool { return b.Find(wireName(t, "pr-7.preview.elsewhere.net")) != nil }
		lease(time.Minute)
		const name = "pr-7.preview.elsewhere.net. A"
		b.want(name, noIP)
		time.Sleep(30 * time.Second)
		lease(2 * time.Minute)
		b.want(name, noIP)
		if got := b.Pending(); len(got) != 1 || !got[0].Since.Equal(began) {
			t.Errorf("got %+v pending, want what has been since the beginning", got)
		}
		if got := b.Count().Leases; got != 1 {
			t.Errorf("got %d leases, want 1", got)
		}
		time.Sleep(60 * time.Second)
		if !has() {
			t.Error("got no watch at the first lease's end")
		}
		lease(100 * time.Second)
		time.Sleep(10*time.Second + time.Millisecond)
		if has() || b.Count().Leases != 0 {
			t.Error("got a watch at the end that was moved to sooner")
		}
	})
}

func TestLeaseStandsBeforeTheConfigurationsWatchAndGivesItBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.want(web, noIP)
		leased := defaults
		leased.Hold = 2 * time.Second
		if err := b.Lease("shipit.dev", leased, time.Now().Add(time.Minute)); err != nil {
			t.Fatalf("Lease: %v", err)
		}
		if got, took := b.took(b.start(web)); got != noIP || took != 2*time.Second {
			t.Errorf("got %s after %v, want %s after 2s: the old denial goes", got, took, noIP)
		}
		longer := leased
		longer.Hold = 3 * time.Second
		if err := b.Lease("shipit.dev", longer, time.Now().Add(time.Minute)); err != nil {
			t.Fatalf("Lease: %v", err)
		}
		if !b.EndLease("shipit.dev.") {
			t.Errorf("the lease was not there to end")
		}
		if w := b.Find(wireName(t, "shipit.dev")); w == nil || w.options().Hold != 0 {
			t.Errorf("got %+v, want the configuration's watch", w)
		}
		if got := counted(t, b.Set, "notyet_watch_leases"); got != 0 {
			t.Errorf("got %v leases, want 0", got)
		}
	})
}

// TestLeaseIsMadeFromTheWatchOfThatMoment has two clients change one key each of the same lease, at once and often.
func TestLeaseIsMadeFromTheWatchOfThatMoment(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		change := func(key func(*Options)) {
			for range 100 {
				_, err := b.Set.Lease("lz.shipit.dev", func(over *Options) Options { o := *over; key(&o); return o }, time.Now().Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
			}
		}
		done := make(chan struct{})
		go func() { defer close(done); change(func(o *Options) { o.Hold++ }) }()
		change(func(o *Options) { o.Poll++ })
		<-done
		want := defaults
		want.Hold, want.Poll = 100, defaults.Poll+100
		if got := b.Find(wireName(t, "lz.shipit.dev")).options(); !reflect.DeepEqual(*got, want) {
			t.Errorf("got %+v, want %+v", *got, want)
		}
	})
}

func TestLeaseIsReturnedAsItStands(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.Changed(authority.Change{Zone: "shipit.dev.", Why: errClosed.Why})
		until := time.Now().Add(time.Minute)
		got, err := b.Set.Lease("LZ.shipit.dev", func(over *Options) Options { return *over }, until)
		want := Info{Name: "lz.shipit.dev.", Options: defaults, Until: until, Degraded: "shipit.dev.: connection refused"}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
}

func TestLeasesAreBounded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.locked(func() { b.leases = maxLeases })
		err := b.Lease("preview.elsewhere.net", defaults, time.Now().Add(time.Minute))
		if !errors.Is(err, ErrTooManyLeases) {
			t.Errorf("got %v, want %v", err, ErrTooManyLeases)
		}
		b.locked(func() { b.leases = 0 })
	})
}

func TestLeaseOfABadNameIsAnError(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		if err := b.Lease("a..b", defaults, time.Now().Add(time.Minute)); err == nil {
			t.Errorf("got no error for %q", "a..b")
		}
		if b.EndLease("a..b") {
			t.Errorf("a lease with a bad name was ended")
		}
	})
}

// locked runs f with the set's lock.
func (b *bed) locked(f func()) {
	b.Set.mu.Lock()
	defer b.Set.mu.Unlock()
	f()
}

func wireName(t testing.TB, name string) []byte {
	t.Helper()
	n, err := wire.Name(name)
	if err != nil {
		t.Fatal(fmt.Errorf("name %q: %w", name, err))
	}
	return n
}
