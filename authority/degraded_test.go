package authority

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
)

// notOurs is shipit.dev as a private view has it.
func notOurs(t *testing.T) *zoneData {
	zone := zoneOf(t, "shipit.dev.", shipit)
	zone.remove("shipit.dev.", dns.TypeSOA)
	zone.publish(t, "shipit.dev. 3600 SOA ns1.shipit.dev. admin.example.net. 1 7200 900 1209600 61")
	return zone
}

func TestDegraded(t *testing.T) {
	isSOA := func(q dns.Question) bool { return q.Qtype == dns.TypeSOA }
	isNS := func(q dns.Question) bool { return q.Qtype == dns.TypeNS }
	isAddress := func(q dns.Question) bool { return q.Qtype == dns.TypeA || q.Qtype == dns.TypeAAAA }
	both := func(why string) string { return "ns1.shipit.dev: " + why + "; ns2.shipit.dev: " + why }
	noAA := func(m *dns.Msg) { m.Authoritative = false }
	tests := []struct {
		name     string
		servers  func(zone *zoneData) handler // nil: as it should be
		upstream func(zone *zoneData) handler
		why      string
		took     time.Duration
	}{
		{name: "servers closed", servers: func(*zoneData) handler { return nil }, why: both("connection refused")},
		{name: "servers silent", servers: func(*zoneData) handler { return dead }, why: both("timeout"), took: time.Second},
		{name: "servers refuse", servers: func(*zoneData) handler { return says(dns.RcodeRefused) }, why: both("REFUSED")},
		{name: "servers fail", servers: func(*zoneData) handler { return says(dns.RcodeServerFailure) }, why: both("SERVFAIL")},
		{name: "port 53 intercepted", servers: func(z *zoneData) handler { return recursive(z) }, why: both("answers without authority")},
		{name: "an empty answer", servers: func(*zoneData) handler {
			return func(q *dns.Msg) *dns.Msg {
				return edited(says(dns.RcodeSuccess), func(m *dns.Msg) { m.Authoritative = true })(q)
			}
		}, why: both("has no SOA of the zone")},
		{name: "another zone's servers", servers: func(*zoneData) handler {
			return authoritative(zoneOf(t, "dev.", ""))
		}, why: both("has no SOA of the zone")},
		{name: "the SOA in the wrong section", servers: func(z *zoneData) handler {
			return edited(authoritative(z), func(m *dns.Msg) { m.Ns, m.Answer = m.Answer, nil })
		}, why: both("has no SOA of the zone")},
		{name: "SOA of another name", servers: func(z *zoneData) handler {
			return edited(authoritative(z), func(m *dns.Msg) { m.Answer[0].Header().Name = "www.shipit.dev." })
		}, why: both("has no SOA of the zone")},
		{name: "SOA without authority", servers: func(z *zoneData) handler { return edited(authoritative(z), noAA) }, why: both("answers without authority")},
		{name: "private view at the upstream", upstream: func(*zoneData) handler { return recursive(notOurs(t)) },
			why: both("SOA differs from the upstream's")},
		{name: "upstream has no SOA", upstream: func(z *zoneData) handler {
			return edited(recursive(z), func(m *dns.Msg) {
				if isSOA(m.Question[0]) {
					m.Answer = nil
				}
			})
		}, why: "the upstream has no SOA of shipit.dev."},
		{name: "upstream has no NS", upstream: func(z *zoneData) handler { return except(recursive(z), says(dns.RcodeSuccess), isNS) },
			why: "the upstream has no NS of shipit.dev."},
		{name: "upstream has no addresses", upstream: func(z *zoneData) handler { return except(recursive(z), says(dns.RcodeNameError), isAddress) },
			why: "no name server has an address that may be asked"},
		{name: "upstream fails", upstream: func(*zoneData) handler { return says(dns.RcodeServerFailure) },
			why: "look-up of shipit.dev. NS at the upstream: SERVFAIL"},
		{name: "upstream fails for the SOA", upstream: func(z *zoneData) handler { return except(recursive(z), says(dns.RcodeRefused), isSOA) },
			why: "look-up of shipit.dev. SOA at the upstream: REFUSED"},
		{name: "upstream silent", upstream: func(*zoneData) handler { return dead },
			why: "look-up of shipit.dev. NS at the upstream: timeout", took: discoveryTime},
		{name: "upstream slow, servers silent", servers: func(*zoneData) handler { return dead },
			upstream: func(z *zoneData) handler { return slow(500*time.Millisecond, recursive(z)) },
			why:      "timeout", took: discoveryTime},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inShipit(t, func(w *world, zone *zoneData) {
				if tt.servers != nil {
					w.serve(tt.servers(zone), "192.0.2.1", "192.0.2.2")
				}
				if tt.upstream != nil {
					w.upstream(tt.upstream(zone))
				}
				want := "servers of shipit.dev. cannot be asked: " + tt.why
				began := time.Now()
				_, err := w.Ask(w.t.Context(), w.request("www.shipit.dev. A"))
				var degraded Degraded
				if !errors.As(err, &degraded) || degraded.Zone != "shipit.dev." || degraded.Why.Error() != tt.why || err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("got that after %v, want %v", took, tt.took)
				}
				w.wantChanges("shipit.dev. " + tt.why)

				// From then on nobody waits, and nobody is asked.
				w.forget()
				w.want("www.shipit.dev. A", want, 0)
				w.want("other.shipit.dev. A", want, 0)
				w.wantLookups()
				w.same("asked", w.asked())

				w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
				w.upstream(recursive(zone))
				time.Sleep(minRetry - time.Nanosecond)
				w.want("www.shipit.dev. A", want, 0)
				time.Sleep(time.Nanosecond)
				w.wantChanges("shipit.dev. can be asked")
				w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
				w.forget()
				time.Sleep(time.Hour)
				w.wantChanges()
				w.wantLookups()
			})
		})
	}
}

func TestCauseOfDegradationCanBeToldApart(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.upstream(dead)
		if _, err := w.Ask(w.t.Context(), w.request("www.shipit.dev. A")); !errors.Is(err, upstream.ErrTimeout) {
			t.Errorf("got %v, want it to be upstream.ErrTimeout", err)
		}
	})
}

func TestDegradedZoneIsTriedAgainAtDoublingIntervals(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.serve(says(dns.RcodeRefused), "192.0.2.1", "192.0.2.2")
		w.ask("www.shipit.dev. A")
		time.Sleep(20 * time.Minute)
		// REFUSED is not silence: one probe a time.
		want := "0s 5s 15s 35s 1m15s 2m35s 5m15s 10m15s 15m15s"
		if got := w.times("192.0.2.1", "shipit.dev. SOA"); got != want {
			t.Errorf("got probes at %s, want %s", got, want)
		}
		w.wantChanges("shipit.dev. ns1.shipit.dev: REFUSED; ns2.shipit.dev: REFUSED") // once
	})
}

func TestPrivateViewCanBeToldFromServersThatCannotBeAsked(t *testing.T) {
	for _, tt := range []struct {
		dead []string
		want bool
	}{
		{[]string{"192.0.2.1"}, true},
		{[]string{"192.0.2.1", "192.0.2.2"}, false},
	} {
		t.Run(strings.Join(tt.dead, " "), func(t *testing.T) {
			inShipit(t, func(w *world, zone *zoneData) {
				w.serve(dead, tt.dead...)
				w.upstream(recursive(notOurs(t)))
				_, err := w.Ask(w.t.Context(), w.request("www.shipit.dev. A"))
				if got := errors.Is(err, ErrDiffers); got != tt.want {
					t.Errorf("got %v, ErrDiffers %v; want %v", err, got, tt.want)
				}
			})
		})
	}
}

// Names of the zones above are not touched by it.
func TestDegradedChild(t *testing.T) {
	inWorld(t, func(w *world) {
		_, preview, _ := family(w)
		w.serve(dead, "192.0.2.11", "192.0.2.12")
		const why = "servers of preview.shipit.dev. cannot be asked: ns1.preview.shipit.dev: timeout; ns2.preview.shipit.dev: timeout"
		w.want("www.preview.shipit.dev. A", why, time.Second)
		w.want("www.deep.preview.shipit.dev. A", why, 0)
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.wantChanges("preview.shipit.dev. ns1.preview.shipit.dev: timeout; ns2.preview.shipit.dev: timeout")

		w.serve(authoritative(preview), "192.0.2.11", "192.0.2.12")
		time.Sleep(minRetry)
		w.wantChanges("preview.shipit.dev. can be asked")
		w.want("www.deep.preview.shipit.dev. A", "positive A 192.0.2.8 | have ns.example.net", 0)
	})
}

// What is known to be degraded nobody waits for, however it is come by.
func TestDegradedChildIsNotLookedForByOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		family(w)
		w.serve(dead, "192.0.2.11", "192.0.2.12")
		w.ask("www.preview.shipit.dev. A")
		time.Sleep(10 * time.Second) // it is tried again in the meantime
		w.forgetStarts()
		_, got, took := w.ask("other.preview.shipit.dev. A")
		if !strings.HasPrefix(got, "servers of preview.shipit.dev. cannot be asked") || took != 0 {
			t.Errorf("got %s after %v, want that its servers cannot be asked, at once", got, took)
		}
	})
}

// Its servers were believed for the sake of those above.
func TestChildOfADegradedZoneIsNotFoundAnew(t *testing.T) {
	inWorld(t, func(w *world) {
		family(w)
		w.ask("www.preview.shipit.dev. A")
		time.Sleep(4 * time.Minute)
		w.upstream(recursive(notOurs(t)))
		w.serve(says(dns.RcodeRefused), "192.0.2.1", "192.0.2.2")
		w.ask("www.shipit.dev. A") // lame: it is found anew, and another view at the upstream
		time.Sleep(time.Minute)
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
		time.Sleep(time.Second)
		if _, got, _ := w.ask("www.preview.shipit.dev. A"); !strings.HasPrefix(got, "servers of shipit.dev. cannot be asked") {
			t.Errorf("got %s, want that the servers of shipit.dev. cannot be asked", got)
		}
	})
}

func TestDegradedChildThatIsNoLongerDelegated(t *testing.T) {
	inWorld(t, func(w *world) {
		zone, _, _ := family(w)
		w.serve(nil, "192.0.2.11", "192.0.2.12")
		w.ask("www.preview.shipit.dev. A")
		w.wantChanges("preview.shipit.dev. ns1.preview.shipit.dev: connection refused; ns2.preview.shipit.dev: connection refused")
		zone.remove("preview.shipit.dev.", dns.TypeNS)
		zone.publish(t, "www.preview.shipit.dev. 60 A 192.0.2.9")
		time.Sleep(minRetry)
		w.wantChanges("preview.shipit.dev. can be asked") // in the zone above
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.9 | have ns1.shipit.dev ns2.shipit.dev", 0)
		time.Sleep(time.Hour)
		w.wantChanges()
	})
}

func TestDegradedZoneMayTurnOutToBeAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		lan := zoneOf(t, "lan.", "lan. 300 NS ns.lan.\nns.lan. 300 A 192.0.2.1\nwww.x.lan. 60 A 192.0.2.7")
		w.serve(authoritative(lan), "192.0.2.1")
		w.upstream(says(dns.RcodeServerFailure))
		w.want("www.x.lan. A watch=x.lan.", "servers of x.lan. cannot be asked: look-up of x.lan. NS at the upstream: SERVFAIL", 0)
		w.wantChanges("x.lan. look-up of x.lan. NS at the upstream: SERVFAIL")
		w.upstream(recursive(lan))
		time.Sleep(minRetry)
		w.wantChanges("x.lan. can be asked")
		w.want("www.x.lan. A watch=x.lan.", "positive A 192.0.2.7 | have ns.lan", 0)
	})
}

func TestQueriesForNamesDoNotDegrade(t *testing.T) {
	tests := []struct {
		name string
		h    handler
		took time.Duration
	}{
		{"rate limited", dead, patience},
		{"REFUSED", says(dns.RcodeRefused), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inShipit(t, func(w *world, zone *zoneData) {
				w.ask("www.shipit.dev. A")
				time.Sleep(time.Minute)
				w.serve(except(authoritative(zone), tt.h, func(q dns.Question) bool { return q.Name != "shipit.dev." }), "192.0.2.1", "192.0.2.2")
				for range 20 {
					w.want("www.shipit.dev. A", ErrSilent.Error(), tt.took)
					time.Sleep(time.Second)
				}
				w.wantChanges()
			})
		})
	}
}
