package wait

import (
	"net/netip"
	"testing"
	"time"
)

func TestTargetInAnotherZoneIsWaitedForThere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "www.shipit.dev. CNAME host.other.dev.")
		w.publish(100*ms, "other.dev.", 1, "host.other.dev. A 192.0.2.7")
		w.publish(600*ms, "other.dev.", 2, "host.other.dev. A 192.0.2.7")
		r, err := w.waits("www.shipit.dev. A 192.0.2.7", time.Minute, nil)
		w.wantDone(r, err, 875*ms, "ns1.shipit.dev ready CNAME host.other.dev. 0s, ns2.shipit.dev ready CNAME host.other.dev. 0s, "+
			"host.other.dev., ns1.other.dev ready 192.0.2.7 250ms, ns2.other.dev ready 192.0.2.7 875ms")
	})
}

func TestServersMayLeadToDifferentTargets(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publish(0, "shipit.dev.", 1, "www.shipit.dev. CNAME new.other.dev.")
		w.publish(0, "shipit.dev.", 2, "www.shipit.dev. CNAME old.other.dev.")
		w.everywhere("other.dev.", "old.other.dev. A 192.0.2.6")
		w.everywhere("other.dev.", "new.other.dev. A 192.0.2.7")
		w.remove(5*time.Second, "shipit.dev.", 2, "www.shipit.dev. CNAME old.other.dev.")
		w.publish(5*time.Second, "shipit.dev.", 2, "www.shipit.dev. CNAME new.other.dev.")
		time.Sleep(ms)
		r, err := w.waits("www.shipit.dev. A 192.0.2.7", 2*time.Second, nil)
		w.wantMissing(r, err, "old.other.dev at ns1.other.dev: 192.0.2.6", "old.other.dev at ns2.other.dev: 192.0.2.6")
		time.Sleep(4 * time.Second)
		r, err = w.waits("www.shipit.dev. A 192.0.2.7", time.Minute, nil)
		w.wantDone(r, err, 0, "ns1.shipit.dev ready CNAME new.other.dev. 0s, ns2.shipit.dev ready CNAME new.other.dev. 0s, "+
			"new.other.dev., ns1.other.dev ready 192.0.2.7 0s, ns2.other.dev ready 192.0.2.7 0s")
	})
}

func TestTargetThatNobodyLeadsToAnyMoreIsForgotten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "www.shipit.dev. CNAME old.other.dev.")
		w.everywhere("other.dev.", "new.other.dev. A 192.0.2.7")
		for ns := range 2 {
			w.remove(300*ms, "shipit.dev.", ns+1, "www.shipit.dev. CNAME old.other.dev.")
			w.publish(300*ms, "shipit.dev.", ns+1, "www.shipit.dev. CNAME new.other.dev.")
		}
		r, err := w.waits("www.shipit.dev. A", time.Minute, nil)
		w.wantDone(r, err, 625*ms, "ns1.shipit.dev ready CNAME new.other.dev. 625ms, ns2.shipit.dev ready CNAME new.other.dev. 625ms, "+
			"new.other.dev., ns1.other.dev ready 192.0.2.7 625ms, ns2.other.dev ready 192.0.2.7 625ms")
	})
}

func TestTargetInTheZoneComesWithTheAnswer(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "www.shipit.dev. CNAME host.shipit.dev.")
		w.publish(300*ms, "shipit.dev.", 1, "host.shipit.dev. A 192.0.2.7")
		r, err := w.waits("www.shipit.dev. A", 2*time.Second, nil)
		w.wantMissing(r, err, "ns2.shipit.dev: CNAME host.shipit.dev., NXDOMAIN")
	})
}

func TestAliasesThatGoRoundInACircleLeadNowhere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "a.shipit.dev. CNAME a.other.dev.")
		w.everywhere("other.dev.", "a.other.dev. CNAME a.shipit.dev.")
		r, err := w.waits("a.shipit.dev. A", 5*time.Second, nil)
		w.wantMissing(r, err, "a.shipit.dev: its aliases go round in a circle")
	})
}

func TestAliasesThatLeadOnForeverAreGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, c := range "abcdefgh" {
			w.everywhere("shipit.dev.", string(c)+".shipit.dev. CNAME "+string(c)+".other.dev.")
			w.everywhere("other.dev.", string(c)+".other.dev. CNAME "+string(c+1)+".shipit.dev.")
		}
		r, err := w.waits("a.shipit.dev. A", 5*time.Second, nil)
		w.wantMissing(r, err, "d.other.dev: its aliases lead on over more than 8 names")
	})
}

func TestTargetThatIsGoneIsGoneToo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "www.shipit.dev. CNAME host.other.dev.")
		w.everywhere("other.dev.", "host.other.dev. A 192.0.2.7")
		gone := func(c *Config) { c.Gone = true }
		r, err := w.waits("www.shipit.dev. A", 2*time.Second, gone)
		w.wantMissing(r, err, "host.other.dev at ns1.other.dev: 192.0.2.7", "host.other.dev at ns2.other.dev: 192.0.2.7")
		w.remove(0, "other.dev.", 1, "host.other.dev. A 192.0.2.7")
		w.remove(0, "other.dev.", 2, "host.other.dev. A 192.0.2.7")
		time.Sleep(ms)
		if r, err = w.waits("www.shipit.dev. A", time.Minute, gone); err != nil {
			t.Errorf("got %v, want it gone: %s", err, reportText(r))
		}
	})
}

func TestAliasItselfCanBeWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.everywhere("shipit.dev.", "www.shipit.dev. CNAME host.other.dev.")
		r, err := w.waits("www.shipit.dev. CNAME HOST.other.dev", time.Minute, nil)
		w.wantDone(r, err, 0, "ns1.shipit.dev ready host.other.dev. 0s, ns2.shipit.dev ready host.other.dev. 0s")
	})
}

func TestGivenServersAreNotLeftForATarget(t *testing.T) {
	inWorld(t, func(w *world) {
		given := func(c *Config) { c.Servers = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")} }
		w.everywhere("shipit.dev.", "www.shipit.dev. CNAME host.other.dev.")
		r, err := w.waits("www.shipit.dev. A", time.Minute, given)
		w.wantDone(r, err, 0, "ns1.shipit.dev ready CNAME host.other.dev. 0s, ns2.shipit.dev ready CNAME host.other.dev. 0s")
		r, err = w.waits("www.shipit.dev. A 192.0.2.7", time.Second, given)
		w.wantMissing(r, err, "ns1.shipit.dev: CNAME host.other.dev.", "ns2.shipit.dev: CNAME host.other.dev.")
	})
}
