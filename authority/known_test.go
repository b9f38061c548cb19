package authority

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestZoneLivesByTheLowestTTL(t *testing.T) {
	tests := []struct {
		name        string
		ns, address uint32 // seconds
		want        time.Duration
	}{
		{"NS", 100, 300, 100 * time.Second},
		{"address", 300, 100, 100 * time.Second},
		{"shorter than is sensible", 300, 1, minLife},
		{"zero", 0, 0, minLife},
		{"a week", 7 * 86400, 7 * 86400, maxLife},
		{"more than there can be", 1 << 31, 300, minLife},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				zone := zoneOf(t, "shipit.dev.", fmt.Sprintf(`
					shipit.dev.     %[1]d NS ns1.shipit.dev.
					shipit.dev.     86400 NS ns2.shipit.dev.
					ns1.shipit.dev. 86400 A  192.0.2.1
					ns2.shipit.dev. %[2]d A  192.0.2.2
					www.shipit.dev. 60    A  192.0.2.7`, tt.ns, tt.address))
				if tt.want == maxLife {
					for _, rr := range zone.rrs {
						rr.Header().Ttl = tt.ns
					}
				}
				w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
				w.upstream(recursive(zone))
				w.ask("www.shipit.dev. A")
				w.wantLookups(byName...)
				time.Sleep(tt.want - time.Nanosecond)
				w.ask("www.shipit.dev. A")
				synctest.Wait()
				w.wantLookups()
				time.Sleep(time.Nanosecond)
				w.ask("www.shipit.dev. A")
				synctest.Wait()
				w.wantLookups(byName...)
			})
		})
	}
}

func TestOldServersAreUsedUntilDiscoveryHasEnded(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.wantLookups(byName...)
		zone.remove("shipit.dev.", dns.TypeNS)
		zone.publish(t, "shipit.dev. 300 NS ns3.shipit.dev.\nns3.shipit.dev. 300 A 192.0.2.3")
		w.serve(authoritative(zone), "192.0.2.3")
		w.upstream(slow(200*time.Millisecond, recursive(zone)))
		time.Sleep(5 * time.Minute)
		for range 10 { // one discovery for all of them
			w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		}
		time.Sleep(400*time.Millisecond + time.Nanosecond)
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns3.shipit.dev", 0)
		w.wantLookups("shipit.dev. NS", "shipit.dev. SOA", "ns3.shipit.dev. A", "ns3.shipit.dev. AAAA")
		w.wantChanges()
	})
}

func TestZoneThatNobodyAsksForCostsNothing(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.serve(dead, "192.0.2.2") // whose probes end with the zone's life
		w.ask("www.shipit.dev. A")
		time.Sleep(10 * time.Minute)
		w.forget()
		time.Sleep(24 * time.Hour)
		w.wantLookups()
		w.same("asked", w.asked())
	})
}

func TestChildIsFoundAnewFromAbove(t *testing.T) {
	inWorld(t, func(w *world) {
		zone, preview, _ := family(w)
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
		zone.remove("ns2.preview.shipit.dev.", dns.TypeA)
		zone.publish(t, "ns2.preview.shipit.dev. 300 A 192.0.2.13")
		w.serve(authoritative(preview), "192.0.2.13")
		w.forget()
		time.Sleep(5 * time.Minute)
		w.ask("www.preview.shipit.dev. A")
		time.Sleep(time.Second)
		w.forget()
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
		w.same("asked", w.asked(), "192.0.2.11 www.preview.shipit.dev. A", "192.0.2.13 www.preview.shipit.dev. A")
	})
}

func TestChildThatIsNoLongerDelegated(t *testing.T) {
	inWorld(t, func(w *world) {
		zone, _, _ := family(w)
		w.ask("www.preview.shipit.dev. A")
		zone.remove("preview.shipit.dev.", dns.TypeNS)
		time.Sleep(5 * time.Minute)
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
		time.Sleep(time.Second)
		w.wantAll("www.preview.shipit.dev. A", "nxdomain | lack ns1.shipit.dev ns2.shipit.dev", 0)
		w.wantChanges()
	})
}

// Only probes decide: neither the upstream's nor the parent's silence degrades a zone whose servers answer, but their own does.
func TestNobodyKnowsWhatHasBecomeOfAZone(t *testing.T) {
	inWorld(t, func(w *world) {
		zone, _, _ := family(w)
		w.ask("www.shipit.dev. A")
		w.ask("www.preview.shipit.dev. A")
		for _, name := range []string{"www.shipit.dev. A", "www.preview.shipit.dev. A"} {
			t.Log(name)
			_, yes, _ := w.ask(name)
			yes, _, _ = strings.Cut(yes, " |")
			w.upstream(says(dns.RcodeServerFailure))
			for range 10 {
				time.Sleep(5 * time.Minute)
				if a, got, took := w.ask(name); a == nil || !strings.HasPrefix(got, yes) || took != 0 {
					t.Errorf("%s: got %s after %v, want %s at once", name, got, took, yes)
				}
				time.Sleep(time.Second)
			}
			w.wantChanges()
		}
		refuses := except(authoritative(zone), says(dns.RcodeRefused), func(q dns.Question) bool { return q.Name != "shipit.dev." })
		w.upstream(recursive(zone))
		w.serve(refuses, "192.0.2.1", "192.0.2.2")
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
		time.Sleep(5 * time.Minute)
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
		time.Sleep(time.Second)
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
		w.wantChanges()

		w.serve(dead, "192.0.2.11")
		time.Sleep(5 * time.Minute)
		w.ask("www.preview.shipit.dev. A")
		time.Sleep(2 * time.Second)
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns2.preview.shipit.dev", 0)
		w.serve(dead, "192.0.2.12")
		time.Sleep(5 * time.Minute)
		w.want("www.preview.shipit.dev. A", ErrSilent.Error(), patience)
		time.Sleep(10 * time.Second)
		w.wantChanges("preview.shipit.dev. ns1.preview.shipit.dev: timeout; ns2.preview.shipit.dev: timeout")
	})
}

func TestZoneWithAnotherSOAThanTheUpstreamBecomesDegraded(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		w.upstream(recursive(notOurs(t)))
		time.Sleep(5 * time.Minute)
		w.ask("www.shipit.dev. A")
		const why = "ns1.shipit.dev: SOA differs from the upstream's; ns2.shipit.dev: SOA differs from the upstream's"
		w.wantChanges("shipit.dev. " + why)
		w.want("www.shipit.dev. A", "servers of shipit.dev. cannot be asked: "+why, 0)
	})
}

func TestProbesCompareWithWhatTheUpstreamHadLast(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		w.upstream(says(dns.RcodeServerFailure))
		w.serve(authoritative(notOurs(t)), "192.0.2.1", "192.0.2.2")
		time.Sleep(5 * time.Minute)
		w.ask("www.shipit.dev. A")
		w.wantChanges("shipit.dev. ns1.shipit.dev: SOA differs from the upstream's; ns2.shipit.dev: SOA differs from the upstream's")
	})
}

// Servers that did not count are looked after by the zone that has taken their zone's place.
func TestProbesEndWithTheZone(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.serve(dead, "192.0.2.2")
		w.ask("www.shipit.dev. A")
		time.Sleep(10 * time.Second)
		zone.remove("ns2.shipit.dev.", dns.TypeA)
		zone.publish(t, "ns2.shipit.dev. 300 A 192.0.2.3")
		w.serve(except(authoritative(zone), says(dns.RcodeRefused), func(q dns.Question) bool { return q.Name != "shipit.dev." }), "192.0.2.1")
		w.ask("www.shipit.dev. A")
		time.Sleep(time.Second)
		w.forget()
		time.Sleep(4 * time.Minute)
		if got := w.times("192.0.2.2", "shipit.dev. SOA"); got != "" {
			t.Errorf("got probes of a server that is none at %s", got)
		}
	})
}

// The reply to a question may come when its zone has been found anew since.
func TestLateTroubleWithAZoneThatHasBeenReplaced(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		time.Sleep(time.Minute)
		isName := func(q dns.Question) bool { return q.Name != "shipit.dev." }
		w.serve(except(authoritative(zone), says(dns.RcodeRefused), isName), "192.0.2.1")
		w.serve(except(authoritative(zone), slow(time.Second, says(dns.RcodeRefused)), isName), "192.0.2.2")
		w.forget()
		w.want("www.shipit.dev. A", ErrSilent.Error(), time.Second)
		synctest.Wait()
		w.wantLookups(byName...)
	})
}

func TestLameServersAreFoundAnew(t *testing.T) {
	lame := map[string]handler{
		"REFUSED":    says(dns.RcodeRefused),
		"without aa": says(dns.RcodeSuccess),
		"SOA of a zone above": func(q *dns.Msg) *dns.Msg {
			m := new(dns.Msg).SetReply(q)
			m.Authoritative, m.Ns = true, rrs("dev. 60 SOA ns.dev. admin.dev. 1 7200 900 1209600 60")
			return m
		},
	}
	for name, h := range lame {
		t.Run(name, func(t *testing.T) {
			inShipit(t, func(w *world, zone *zoneData) {
				w.ask("www.shipit.dev. A")
				w.wantLookups(byName...)
				// The zone moves from 192.0.2.2 to 192.0.2.3, long before its TTLs have passed.
				zone.remove("ns2.shipit.dev.", dns.TypeA)
				zone.publish(t, "ns2.shipit.dev. 300 A 192.0.2.3")
				w.serve(h, "192.0.2.2")
				w.serve(authoritative(zone), "192.0.2.3")
				w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev | silent ns2.shipit.dev", 0)
				synctest.Wait()
				w.wantLookups() // not within 5 s of the last
				time.Sleep(minRetry)
				w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev | silent ns2.shipit.dev", 0)
				synctest.Wait()
				w.wantLookups(byName...)
				w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
				w.wantChanges()
			})
		})
	}
}

func TestLameServersAreNotFoundAnewAllTheTime(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		w.serve(except(authoritative(zone), says(dns.RcodeRefused), func(q dns.Question) bool { return q.Name != "shipit.dev." }), "192.0.2.2")
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			w.ask("www.shipit.dev. A")
		}
		synctest.Wait()
		if got, most := len(w.lookups), 13*len(byName); got != most {
			t.Errorf("got %d look-ups in a minute, want %d: one discovery every 5 s", got, most)
		}
	})
}

func TestSilentServerIsFoundOut(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		w.wantLookups(byName...)
		time.Sleep(time.Minute)
		w.serve(dead, "192.0.2.2")
		for i := range 3 {
			if i > 0 {
				w.wantLookups()
			}
			w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev | silent ns2.shipit.dev", patience)
		}
		time.Sleep(grace + time.Nanosecond)
		w.wantLookups(byName...)
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", 0)
		w.wantChanges()
	})
}

func TestReplyEndsTheCountOfSilence(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		w.wantLookups(byName...)
		for range 10 {
			w.serve(dead, "192.0.2.2")
			for range 2 {
				w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev | silent ns2.shipit.dev", patience)
			}
			w.serve(authoritative(zone), "192.0.2.2")
			w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		}
		w.wantLookups()
	})
}

// Port 53 is closed while the zone is in use.
func TestZoneWhoseServersFallSilentBecomesDegraded(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		time.Sleep(time.Minute)
		w.serve(dead, "192.0.2.1", "192.0.2.2")
		w.want("www.shipit.dev. A", ErrSilent.Error(), patience)
		time.Sleep(2*time.Second - patience) // of the first question
		w.wantChanges("shipit.dev. ns1.shipit.dev: timeout; ns2.shipit.dev: timeout")
		w.want("www.shipit.dev. A", "servers of shipit.dev. cannot be asked: ns1.shipit.dev: timeout; ns2.shipit.dev: timeout", 0)
		w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
		time.Sleep(minRetry)
		w.wantChanges("shipit.dev. can be asked")
	})
}

// A question need not take long to show that.
func TestZoneWhoseServersCloseBecomesDegraded(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		time.Sleep(time.Minute)
		w.serve(nil, "192.0.2.1", "192.0.2.2")
		w.want("www.shipit.dev. A", ErrSilent.Error(), 0)
		w.wantChanges("shipit.dev. ns1.shipit.dev: connection refused; ns2.shipit.dev: connection refused")
	})
}

func TestSlowAnswerIsNoReasonToLookForTheServers(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.ask("www.shipit.dev. A")
		time.Sleep(time.Minute)
		w.forget()
		w.serve(slow(400*time.Millisecond, authoritative(zone)), "192.0.2.1")
		w.serve(dead, "192.0.2.2")
		w.want("nothing.shipit.dev. A", "nxdomain | lack ns1.shipit.dev", 400*time.Millisecond+grace)
		synctest.Wait()
		w.wantLookups()
	})
}

func TestZonesAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.zones.Resize(3)
		if maxZones != 10_000 {
			t.Errorf("got a bound of %d zones, want 10,000", maxZones)
		}
		var all []*zoneData
		for _, name := range []string{"a.dev.", "b.dev.", "c.dev.", "d.dev."} {
			all = append(all, zoneOf(t, name, name+" 300 NS ns."+name+"\nns."+name+" 300 A 192.0.2.1\nwww."+name+" 60 A 192.0.2.7"))
		}
		w.serve(authoritative(all[1:]...), "192.0.2.1")
		w.upstream(recursive(all...))
		const why = "ns.a.dev: REFUSED"
		w.want("www.a.dev. A watch=a.dev.", "servers of a.dev. cannot be asked: "+why, 0)
		w.want("www.b.dev. A watch=b.dev.", "positive A 192.0.2.7 | have ns.b.dev", 0)
		w.want("www.c.dev. A watch=c.dev.", "positive A 192.0.2.7 | have ns.c.dev", 0)
		w.ask("www.b.dev. A watch=b.dev.")
		w.wantChanges("a.dev. " + why)
		w.want("www.d.dev. A watch=d.dev.", "positive A 192.0.2.7 | have ns.d.dev", 0)
		w.wantChanges("a.dev. can be asked") // is no longer known to be degraded
		w.forget()
		time.Sleep(minRetry)
		w.same("asked", w.asked())
		w.want("www.b.dev. A watch=b.dev.", "positive A 192.0.2.7 | have ns.b.dev", 0)
		w.wantLookups()
		w.want("www.a.dev. A watch=a.dev.", "servers of a.dev. cannot be asked: "+why, 0)
		w.wantChanges("a.dev. " + why)
	})
}

// Zones above the start may be known for the sake of others.
func TestZonesAboveTheStartAreNotAsked(t *testing.T) {
	inWorld(t, func(w *world) {
		suffix, zone := dev(t), zoneOf(t, "shipit.dev.", shipit)
		w.serve(authoritative(suffix), "192.0.2.31")
		w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
		w.upstream(recursive(suffix, zone))
		w.ask("shipit.dev. DS")
		w.ask("www.shipit.dev. A")
		w.forgetZone("shipit.dev.")
		w.forget()
		w.ask("www.shipit.dev. A")
		w.wantLookups(byName...)
	})
}

// Discoveries of the same zone may end in any order.
func TestZoneThatHasBeenReplacedIsLeftAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		zone, _, _ := family(w)
		k := key{name: "preview.shipit.dev."}
		w.ask("www.preview.shipit.dev. A")
		old := w.peek(k)
		time.Sleep(time.Minute)
		w.again(old)
		now := w.peek(k)
		// Nobody above could say what has become of it.
		w.serve(except(authoritative(zone), says(dns.RcodeRefused), func(q dns.Question) bool { return q.Name != "shipit.dev." }), "192.0.2.1", "192.0.2.2")
		w.drop(old)
		w.trouble(old)
		synctest.Wait()
		if got := w.peek(k); now == old || got != now {
			t.Errorf("got %p known, want %p, which has replaced %p", got, now, old)
		}
	})
}

func TestChangesAreToldInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []string
		f := New(Config{Changed: func(c Change) {
			time.Sleep(time.Second) // it ought not to
			told = append(told, fmt.Sprint(c.Zone, c.Why))
		}})
		for i := range 3 {
			f.mu.Lock()
			f.changes = append(f.changes, Change{Zone: fmt.Sprint(i)})
			f.mu.Unlock()
			go f.tell()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := strings.Join(told, " "), "0<nil> 1<nil> 2<nil>"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
