package watch

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/authority"
)

func TestWatchesAreListedByName(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		leased := defaults
		leased.Hold = 4 * time.Second
		leased.Authorities = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}
		until := time.Now().Add(time.Minute)
		for _, name := range []string{"z.elsewhere.net", "a.elsewhere.net"} {
			if err := b.Lease(name, leased, until); err != nil {
				t.Fatal(err)
			}
		}
		b.want(web, noIP)
		b.Changed(authority.Change{Zone: "shipit.dev.", Why: errClosed.Why})
		want := []Info{
			{Name: "a.elsewhere.net.", Options: leased, Until: until},
			{Name: "shipit.dev.", Options: defaults, Pending: 1, Degraded: "shipit.dev.: connection refused"},
			{Name: "z.elsewhere.net.", Options: leased, Until: until},
		}
		got := b.List()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		got[0].Authorities[0] = netip.AddrPort{} // the caller's own
		if got, ok := b.Covering(wireName(t, "deep.a.elsewhere.net")); !ok || !reflect.DeepEqual(got, want[0]) {
			t.Errorf("got %+v, %v\nwant %+v", got, ok, want[0])
		}
		if got, ok := b.Covering(wireName(t, "elsewhere.net")); ok {
			t.Errorf("got %+v for a name that is not under watch", got)
		}
		if got, want := b.Count(), (Counts{Watches: 3, Leases: 2, Pending: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := b.List(); len(got) != 1 {
			t.Errorf("got %+v after the leases' end", got)
		}
	})
}

func TestPrivateViewIsListed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		b.becamePrivate(b.Find(wireName(t, "shipit.dev")), "web.shipit.dev.")
		if got := b.List()[0].Degraded; got != privateView {
			t.Errorf("got %q, want %q", got, privateView)
		}
		time.Sleep(privateFor)
		if got := b.List()[0].Degraded; got != "" {
			t.Errorf("got %q when it is over", got)
		}
	})
}

func TestPendingIsListedWithWhoHasIt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		const other = "other.shipit.dev. TXT"
		b.want(web, noIP)
		start := time.Now()
		time.Sleep(time.Second)
		b.want(other, noIP)
		time.Sleep(1500 * time.Millisecond)
		b.want(web, noIP) // from the second question on it is polled
		want := []Waiting{
			{
				Name: "web.shipit.dev.", Watch: "shipit.dev.", Type: dns.TypeA, Since: start, Asked: start.Add(2500 * time.Millisecond),
				Lack: []string{"ns1.shipit.dev", "ns2.shipit.dev", "ns3.shipit.dev"}, Next: start.Add(3500 * time.Millisecond),
			},
			{
				Name: "other.shipit.dev.", Watch: "shipit.dev.", Type: dns.TypeTXT, Since: start.Add(time.Second), Asked: start.Add(time.Second),
				Lack: []string{"ns1.shipit.dev", "ns2.shipit.dev", "ns3.shipit.dev"},
			},
		}
		if got := b.Pending(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		if got, ok := b.PendingFor(wireName(t, "web.shipit.dev"), dns.TypeA); !ok || !reflect.DeepEqual(got, want[0]) {
			t.Errorf("got %+v, %v\nwant %+v", got, ok, want[0])
		}
		if got, ok := b.PendingFor(wireName(t, "web.shipit.dev"), dns.TypeMX); ok {
			t.Errorf("got %+v for a type that is not pending", got)
		}
		if b.Knows(wireName(t, "web.shipit.dev"), dns.TypeA) {
			t.Errorf("got a pending name that is known to exist")
		}
		b.publish(web, "60 A 192.0.2.7")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !b.Knows(wireName(t, "web.shipit.dev"), dns.TypeA) || b.Knows(wireName(t, "web.shipit.dev"), dns.TypeAAAA) {
			t.Errorf("got the name unknown once it is visible, or another type known")
		}
		if got := b.Count(); got.Rescued != 1 || got.Pending != 1 {
			t.Errorf("got %+v, want one rescued and one pending", got)
		}
	})
}

func TestLeasesAreRestored(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		now := time.Now()
		changed := 0
		b.config.LeasesChanged = func() { changed++ }
		if err := b.Lease("newer.elsewhere.net", defaults, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		sub := b.Subscribe(100)
		defer sub.Close()
		minute := now.Add(time.Minute)
		n := b.Restore([]Lease{
			{"a.elsewhere.net", defaults, minute},
			{"over.elsewhere.net", defaults, now},
			{"bad..name", defaults, minute},
			{"newer.elsewhere.net", defaults, minute},
			{"A.elsewhere.net.", defaults, now.Add(time.Hour)}, // twice
			{"shipit.dev", defaults, minute},
		})
		if n != 2 || changed != 1 || len(sub.C) != 0 {
			t.Errorf("got %d restored, %d changes and %d events, want 2, that of the lease before, and none", n, changed, len(sub.C))
		}
		var got []string
		for _, w := range b.List() {
			got = append(got, fmt.Sprint(w.Name, " ", w.Until.Sub(now)))
		}
		if want := "a.elsewhere.net. 1m0s, newer.elsewhere.net. 1h0m0s, shipit.dev. 1m0s"; strings.Join(got, ", ") != want {
			t.Errorf("got %q, want %s", got, want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := b.Count(); got != (Counts{Watches: 2, Leases: 1}) {
			t.Errorf("got %+v after a minute, want the newer lease and the configuration's watch", got)
		}
		if w := b.Find(wireName(t, "shipit.dev")); w == nil || w.isLease() {
			t.Errorf("got %+v, want the configuration's watch back", w)
		}
	})
}

func TestNoMoreLeasesAreRestoredThanThereMayBe(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		var leases []Lease
		for i := range maxLeases + 5 {
			leases = append(leases, Lease{fmt.Sprintf("n%d.elsewhere.net", i), defaults, time.Now().Add(time.Minute)})
		}
		sub := b.Subscribe(2 * maxLeases)
		defer sub.Close()
		if n := b.Restore(leases); n != maxLeases {
			t.Errorf("got %d restored, want %d", n, maxLeases)
		}
		if got := counted(t, b.Set, "notyet_watch_leases"); got != maxLeases {
			t.Errorf("got %v leases, want %d", got, maxLeases)
		}
		time.Sleep(time.Minute) // they all end at once
		synctest.Wait()
		if got := b.Count(); got != (Counts{Watches: 1}) {
			t.Errorf("got %+v, want only the configuration's watch", got)
		}
		if got := len(sub.C); got != maxLeases {
			t.Errorf("got %d events, want an end for each of %d", got, maxLeases)
		}
	})
}

// TestLeasesBeginAndEndAtOnce has many goroutines begin, replace and end the same and other leases while some are over and
// names are looked up.
func TestLeasesBeginAndEndAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBed(t, defaults)
		const goroutines, each = 20, 50 // 1,000 leases
		done := make(chan struct{})
		for g := range goroutines {
			go func() {
				defer func() { done <- struct{}{} }()
				for i := range each {
					own, shared := fmt.Sprintf("n%d-%d.elsewhere.net", g, i), fmt.Sprintf("shared%d.elsewhere.net", i%5)
					for _, name := range []string{own, shared} {
						if err := b.Lease(name, defaults, time.Now().Add(time.Duration(1+(g+i)%7)*time.Millisecond)); err != nil {
							t.Error(err)
						}
					}
					if i%3 == 0 {
						b.EndLease(own)
					}
					if i%10 == 0 {
						b.EndLease(shared)
					}
					b.Find(wireName(t, own))
					time.Sleep(time.Millisecond)
				}
			}()
		}
		for range goroutines {
			<-done
		}
		all := b.List()
		if n := b.Count(); n.Leases != n.Watches-1 || n.Leases != len(all)-1 {
			t.Errorf("got %+v and %d listed, want them to agree", n, len(all))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := b.List(); b.Count() != (Counts{Watches: 1}) || !slices.ContainsFunc(got, func(w Info) bool { return w.Name == "shipit.dev." }) {
			t.Errorf("got %+v, want only the configuration's watch", got)
		}
	})
}
