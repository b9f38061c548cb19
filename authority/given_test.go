package authority

import (
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const twoGiven = " at=192.0.2.1:53 at=192.0.2.2:53"

func TestGivenServers(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.upstream(dead) // nothing is asked there
		a := w.wantAll("www.shipit.dev. A"+twoGiven, "positive A 192.0.2.7 | have 192.0.2.1:53 192.0.2.2:53", 0)
		if a.Zone != "shipit.dev." || a.SOA.Minttl != 60 {
			t.Errorf("got zone %s and %v, want shipit.dev. and its SOA", a.Zone, a.SOA)
		}
		w.wantAll("nothing.shipit.dev. A"+twoGiven, "nxdomain | lack 192.0.2.1:53 192.0.2.2:53", 0)
		// Another list is another set of servers.
		w.wantAll("www.shipit.dev. A at=192.0.2.2:53", "positive A 192.0.2.7 | have 192.0.2.2:53", 0)
		w.wantLookups()
	})
}

func TestGivenServersSayWhichZoneTheyHave(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		for _, watch := range []string{"www.shipit.dev.", "missing.shipit.dev."} {
			a := w.wantAll("a."+watch+" A watch="+watch+twoGiven, "nxdomain | lack 192.0.2.1:53 192.0.2.2:53", 0)
			if a.Zone != "shipit.dev." {
				t.Errorf("watch on %s: got zone %s, want shipit.dev.", watch, a.Zone)
			}
		}
		// One has a zone of its own for the watch, and counts no more.
		w.serve(slow(10*time.Millisecond, authoritative(zoneOf(t, "www.shipit.dev.", ""))), "192.0.2.2")
		w.wantAll("a.www.shipit.dev. A watch=www.shipit.dev. at=192.0.2.2:53 at=192.0.2.1:53", "nxdomain | lack 192.0.2.1:53", 10*time.Millisecond)
	})
}

func TestReferralsOfGivenServersAreNotFollowed(t *testing.T) {
	inWorld(t, func(w *world) {
		family(w)
		w.want("www.preview.shipit.dev. A"+twoGiven, ErrSilent.Error(), 0)
		w.same("observed", w.observed, "lame", "lame")
		w.wantLookups()
	})
}

// They are authoritative for it, and there is nobody else.
func TestGivenServersMayHaveTheDeeperZoneToo(t *testing.T) {
	inWorld(t, func(w *world) {
		zone, preview, _ := family(w)
		w.serve(authoritative(zone, preview), "192.0.2.1", "192.0.2.2")
		w.wantAll("www.preview.shipit.dev. A"+twoGiven, "positive A 192.0.2.7 | have 192.0.2.1:53 192.0.2.2:53", 0)
		w.wantAll("nothing.preview.shipit.dev. A"+twoGiven, "nxdomain | lack 192.0.2.1:53 192.0.2.2:53", 0)
		w.wantAll("preview.shipit.dev. SOA"+twoGiven,
			"positive SOA ns1.preview.shipit.dev. admin.example.net. 1 7200 900 1209600 60 | have 192.0.2.1:53 192.0.2.2:53", 0)
	})
}

func TestNamesOutsideTheWatchAreNotAskedAtGivenServers(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.wantAll("www.shipit.dev. A watch=example.net. at=192.0.2.9:53", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.forget()
		// The DS of the watch is in the zone above.
		w.wantAll("www.shipit.dev. DS watch=www.shipit.dev. at=192.0.2.9:53", "nodata | lack ns1.shipit.dev ns2.shipit.dev", 0)
		for _, q := range w.queries {
			if q.at.Addr().String() == "192.0.2.9" {
				t.Errorf("got %s asked at the given server", q.question)
			}
		}
	})
}

func TestGivenServersAreDegradedAndComeBack(t *testing.T) {
	tests := []struct {
		name, why string
		h         handler
		took      time.Duration
	}{
		{"silent", "192.0.2.1:53: timeout; 192.0.2.2:53: timeout", dead, probeTime},
		{"REFUSED", "192.0.2.1:53: REFUSED; 192.0.2.2:53: REFUSED", says(dns.RcodeRefused), 0},
		{"a recursor", "192.0.2.1:53: answers without authority; 192.0.2.2:53: answers without authority", recursive(zoneOf(t, "shipit.dev.", "")), 0},
		{"another zone", "192.0.2.1:53: has no SOA of the zone; 192.0.2.2:53: has no SOA of the zone", edited(
			authoritative(zoneOf(t, "shipit.dev.", "")), func(m *dns.Msg) { m.Ns, m.Answer = rrs("example.net. 60 SOA . . 1 1 1 1 1"), nil },
		), 0},
		{"a zone below", "192.0.2.1:53: REFUSED; 192.0.2.2:53: REFUSED", authoritative(zoneOf(t, "preview.shipit.dev.", "")), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inShipit(t, func(w *world, zone *zoneData) {
				w.serve(tt.h, "192.0.2.1", "192.0.2.2")
				w.want("www.shipit.dev. A"+twoGiven, "servers of shipit.dev. cannot be asked: "+tt.why, tt.took)
				w.want("www.shipit.dev. A"+twoGiven, "servers of shipit.dev. cannot be asked: "+tt.why, 0)
				w.wantChanges("shipit.dev. at [192.0.2.1:53 192.0.2.2:53] " + tt.why)
				w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
				time.Sleep(minRetry + time.Nanosecond)
				w.wantChanges("shipit.dev. at [192.0.2.1:53 192.0.2.2:53] can be asked")
				w.wantAll("www.shipit.dev. A"+twoGiven, "positive A 192.0.2.7 | have 192.0.2.1:53 192.0.2.2:53", 0)
				w.wantLookups()
			})
		})
	}
}

func TestGivenServersThatFallSilentBecomeDegraded(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A" + twoGiven)
		time.Sleep(time.Minute)
		w.serve(dead, "192.0.2.1", "192.0.2.2")
		w.want("www.shipit.dev. A"+twoGiven, ErrSilent.Error(), patience)
		time.Sleep(2*time.Second - patience) // of the first question
		w.wantChanges("shipit.dev. at [192.0.2.1:53 192.0.2.2:53] 192.0.2.1:53: timeout; 192.0.2.2:53: timeout")
	})
}

func TestGivenServersMayBeOnThisMachineButNotOurselves(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.serve(authoritative(zone), "127.0.0.11", "127.0.0.12")
		w.ours = netip.MustParseAddr("127.0.0.12")
		w.wantAll("www.shipit.dev. A at=127.0.0.11:53 at=127.0.0.12:53 at=0.0.0.0:53", "positive A 192.0.2.7 | have 127.0.0.11:53", 0)
		w.want("www.shipit.dev. A at=127.0.0.12:53", "servers of shipit.dev. cannot be asked: no name server has an address that may be asked", 0)
	})
}
