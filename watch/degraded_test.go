package watch

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"notyet/authority"
)

// given are the options of a watch with servers of its own.
func given(addrs ...string) Options {
	o := defaults
	for _, addr := range addrs {
		o.Authorities = append(o.Authorities, netip.MustParseAddrPort(addr))
	}
	return o
}

// degraded are the zones of the watches that are, as they are listed, and those that the metric says it of.
func (b *bed) degraded() (listed, metered []string) {
	b.t.Helper()
	for _, w := range b.List() {
		if w.Degraded != "" {
			listed = append(listed, w.Name)
		}
		if counted(b.t, b.Set, "notyet_watch_degraded", "watch="+w.Name) > 0 {
			metered = append(metered, w.Name)
		}
	}
	return listed, metered
}

func TestOnlyWatchesThatAskTheServersAreDegraded(t *testing.T) {
	t.Parallel()
	off := defaults
	off.Verify = Off
	watches := []Zone{
		{"shipit.dev", defaults},
		{"a.given.shipit.dev", defaults}, // below the next
		{"given.shipit.dev", given("127.77.1.77:53")},
		{"found.shipit.dev", defaults},
		{"off.shipit.dev", off},
		{"same.shipit.dev", given("127.77.1.77:53")},
	}
	for _, tt := range []struct {
		name string
		authority.Change
		want string // watches
	}{
		{"given", authority.Change{Zone: "given.shipit.dev.", Servers: given("127.77.1.77:53").Authorities}, "given.shipit.dev."},
		{"given before a reload", authority.Change{Zone: "given.shipit.dev.", Servers: given("127.77.1.78:53").Authorities}, ""},
		{"found", authority.Change{Zone: "shipit.dev."}, "a.given.shipit.dev. found.shipit.dev. shipit.dev."},
		{"found, above all", authority.Change{Zone: "dev."}, "a.given.shipit.dev. found.shipit.dev. shipit.dev."},
		{"found, below one", authority.Change{Zone: "deep.found.shipit.dev."}, "found.shipit.dev."},
		{"found, of a watch that has others", authority.Change{Zone: "given.shipit.dev."}, "a.given.shipit.dev."},
		{"found, below one that has others", authority.Change{Zone: "b.given.shipit.dev."}, ""},
		{"found, below one that asks none", authority.Change{Zone: "b.off.shipit.dev."}, ""},
		{"found, elsewhere", authority.Change{Zone: "elsewhere.net."}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				b := newBed(t, defaults)
				if err := b.Replace(watches); err != nil {
					t.Fatal(err)
				}
				sub := b.Subscribe(10)
				defer sub.Close()
				told := func() string {
					var zones []string
					for len(sub.C) > 0 {
						e := <-sub.C
						zones = append(zones, e.Watch)
					}
					slices.Sort(zones)
					return strings.Join(zones, " ")
				}
				c := tt.Change
				c.Why = errClosed.Why
				b.Changed(c)
				listed, metered := b.degraded()
				for what, got := range map[string]string{
					"listed": strings.Join(listed, " "), "metered": strings.Join(metered, " "), "told": told(),
				} {
					if got != tt.want {
						t.Errorf("%s: got %q degraded, want %q", what, got, tt.want)
					}
				}
				if got, want := strings.Count(b.log.String(), "watch degraded"), len(strings.Fields(tt.want)); got != want {
					t.Errorf("got %d lines in the log, want %d", got, want)
				}
				b.Changed(tt.Change)
				if listed, _ := b.degraded(); len(listed) != 0 || told() != tt.want {
					t.Errorf("got %q when it is over", listed)
				}
			})
		})
	}
}

// TestWatchIsDegradedByTheServersThatItAsksNow has watches come, go and get other servers while they can't be asked.
func TestWatchIsDegradedByTheServersThatItAsksNow(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		want := func(when, want string) {
			t.Helper()
			if listed, _ := b.degraded(); strings.Join(listed, " ") != want {
				t.Errorf("%s: got %q degraded, want %q", when, listed, want)
			}
		}
		b.Changed(authority.Change{Zone: "shipit.dev.", Why: errClosed.Why})
		want("found", "shipit.dev.")
		for name, options := range map[string]Options{"shipit.dev": given("127.77.1.77:53"), "pr-7.shipit.dev": defaults} {
			if err := b.Lease(name, options, time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		want("a lease with other servers, and one that began later", "pr-7.shipit.dev.")
		b.EndLease("shipit.dev")
		want("without the first", "pr-7.shipit.dev. shipit.dev.")
		if err := b.Replace([]Zone{{"shipit.dev", given("127.77.1.77:53")}}); err != nil {
			t.Fatal(err)
		}
		want("with other servers", "pr-7.shipit.dev.")
	})
}
