package authority

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// family is a chain of zones: shipit.dev, preview.shipit.dev, and deep.preview.shipit.dev whose servers have names elsewhere.
func family(w *world) (zone, preview, deep *zoneData) {
	zone = zoneOf(w.t, "shipit.dev.", shipit+`
		preview.shipit.dev.     300 NS ns1.preview.shipit.dev.
		preview.shipit.dev.     300 NS ns2.preview.shipit.dev.
		ns1.preview.shipit.dev. 300 A  192.0.2.11
		ns2.preview.shipit.dev. 300 A  192.0.2.12`)
	preview = zoneOf(w.t, "preview.shipit.dev.", `
		preview.shipit.dev.      300 NS ns1.preview.shipit.dev.
		preview.shipit.dev.      300 NS ns2.preview.shipit.dev.
		ns1.preview.shipit.dev.  300 A  192.0.2.11
		ns2.preview.shipit.dev.  300 A  192.0.2.12
		www.preview.shipit.dev.   60 A  192.0.2.7
		deep.preview.shipit.dev. 300 NS ns.example.net.`)
	deep = zoneOf(w.t, "deep.preview.shipit.dev.", `
		deep.preview.shipit.dev.     300 NS ns.example.net.
		www.deep.preview.shipit.dev.  60 A  192.0.2.8`)
	w.serve(authoritative(zone), "192.0.2.1", "192.0.2.2")
	w.serve(authoritative(preview), "192.0.2.11", "192.0.2.12")
	w.serve(authoritative(deep), "192.0.2.21")
	w.upstream(recursive(zone, zoneOf(w.t, "example.net.", "ns.example.net. 300 A 192.0.2.21")))
	return zone, preview, deep
}

func TestReferralsAreFollowedDown(t *testing.T) {
	inWorld(t, func(w *world) {
		family(w)
		a := w.wantAll("www.deep.preview.shipit.dev. A", "positive A 192.0.2.8 | have ns.example.net", 0)
		if a.Zone != "deep.preview.shipit.dev." || a.SOA.Hdr.Name != a.Zone {
			t.Errorf("got zone %s and %v, want those of deep.preview.shipit.dev.", a.Zone, a.SOA)
		}
		// Of all the names on the way the upstream has seen none.
		w.wantLookups(append(byName, "ns.example.net. A", "ns.example.net. AAAA")...)

		w.forget()
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
		w.wantAll("nothing.shipit.dev. A", "nxdomain | lack ns1.shipit.dev ns2.shipit.dev", 0)
		w.wantAll("nothing.deep.preview.shipit.dev. A", "nxdomain | lack ns.example.net", 0)
		w.same("asked", w.asked(), "192.0.2.11 www.preview.shipit.dev. A", "192.0.2.12 www.preview.shipit.dev. A",
			"192.0.2.1 nothing.shipit.dev. A", "192.0.2.2 nothing.shipit.dev. A", "192.0.2.21 nothing.deep.preview.shipit.dev. A")
		w.wantLookups()
	})
}

func TestQuestionThatIsReferredGoesOn(t *testing.T) {
	inWorld(t, func(w *world) {
		family(w)
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
		w.wantLookups(byName...)
		w.wantAll("www.deep.preview.shipit.dev. A", "positive A 192.0.2.8 | have ns.example.net", 0)
		w.wantLookups("ns.example.net. A", "ns.example.net. AAAA")
	})
}

func TestReferralIsFollowedAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		family(w)
		w.ask("www.shipit.dev. A")
		w.serve(dead, "192.0.2.2")
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
	})
}

func TestConcurrentFirstQuestionsShareADiscovery(t *testing.T) {
	inWorld(t, func(w *world) {
		zone, preview, _ := family(w)
		w.serve(slow(10*time.Millisecond, authoritative(zone)), "192.0.2.1", "192.0.2.2")
		w.serve(slow(10*time.Millisecond, authoritative(preview)), "192.0.2.11", "192.0.2.12")
		var asking sync.WaitGroup
		for i := range 100 {
			asking.Go(func() {
				name := fmt.Sprintf("n%d.preview.shipit.dev. A", i)
				if a, got, _ := w.ask(name); a == nil || a.Zone != "preview.shipit.dev." {
					t.Errorf("%s: got %s, want an answer of preview.shipit.dev.", name, got)
				}
			})
		}
		asking.Wait()
		w.wantLookups(byName...)
		for _, at := range []string{"192.0.2.1 shipit.dev.", "192.0.2.2 shipit.dev.", "192.0.2.11 preview.shipit.dev.", "192.0.2.12 preview.shipit.dev."} {
			addr, apex, _ := strings.Cut(at, " ")
			if got := w.times(addr, apex+" SOA"); strings.Contains(got, " ") || got == "" {
				t.Errorf("%s: got apex probes at %q, want one", addr, got)
			}
		}
	})
}

// A server that is behind may not have the delegation yet.
func TestWalkGoesOnAtTheNextServer(t *testing.T) {
	inWorld(t, func(w *world) {
		zone, _, _ := family(w)
		lame := except(authoritative(zone), says(dns.RcodeRefused), func(q dns.Question) bool { return q.Name != "shipit.dev." })
		w.serve(lame, "192.0.2.1")
		w.wantAll("www.preview.shipit.dev. A", "positive A 192.0.2.7 | have ns1.preview.shipit.dev ns2.preview.shipit.dev", 0)
		if got := w.times("192.0.2.1", "www.preview.shipit.dev. A"); got != "" {
			t.Errorf("got the question at a server of the zone above at %s", got)
		}
	})
}

func TestDelegation(t *testing.T) {
	t.Parallel()
	ns := rrs(`
		preview.shipit.dev. 300 NS ns1.preview.shipit.dev.
		preview.shipit.dev. 200 NS ns2.preview.shipit.dev.
		preview.shipit.dev. 300 NS ns1.shipit.dev.
		preview.shipit.dev. 300 NS NS1.preview.shipit.dev.
		shipit.dev.         100 NS ns9.preview.shipit.dev.`)
	glue := rrs(`
		ns1.preview.shipit.dev. 300 A    192.0.2.11
		ns1.preview.shipit.dev. 150 AAAA 2001:db8::11
		www.preview.shipit.dev. 50  A    192.0.2.7
		ns1.shipit.dev.         50  A    192.0.2.66
		ns2.preview.shipit.dev. 50  TXT  x`)
	g := newDelegation(ns, glue, "preview.shipit.dev.", "preview.shipit.dev.")
	upper := &zone{expires: time.Now().Add(time.Hour), servers: []*server{
		{name: "ns1.shipit.dev", addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}},
		{name: "ns1.preview.shipit.dev", addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.99:53")}},
		{name: "ns3.shipit.dev", addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.3:53")}},
	}}
	if got, want := fmt.Sprint(g.names), "[ns1.preview.shipit.dev. ns2.preview.shipit.dev. ns1.shipit.dev.]"; got != want {
		t.Errorf("got names %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(g.glue), "map[ns1.preview.shipit.dev.:[192.0.2.11 2001:db8::11]]"; got != want || g.ttl != 150*time.Second {
		t.Errorf("got glue %s for %v, want %s for 150s", got, g.ttl, want)
	}
	g.adopt(upper)
	if got, want := fmt.Sprint(g.glue), "map[ns1.preview.shipit.dev.:[192.0.2.11 2001:db8::11] ns1.shipit.dev.:[192.0.2.1]]"; got != want || g.ttl != 150*time.Second {
		t.Errorf("got glue %s for %v, want %s for 150s", got, g.ttl, want)
	}
	upper.expires = time.Now().Add(time.Minute)
	delete(g.glue, "ns1.shipit.dev.")
	if g.adopt(upper); g.ttl > time.Minute {
		t.Errorf("got %v, want at most as long as the zone that the addresses are from", g.ttl)
	}
	for i := range 20 {
		ns = append(ns, rr("preview.shipit.dev. 300 NS ns%d.example.net.", i))
	}
	if got := len(newDelegation(ns, nil, "preview.shipit.dev.", "preview.shipit.dev.").names); got != 13 {
		t.Errorf("got %d servers of 23, want 13", got)
	}
}

func TestDeeperZoneOnTheSameServers(t *testing.T) {
	inWorld(t, func(w *world) {
		zone := zoneOf(t, "shipit.dev.", shipit)
		preview := zoneOf(t, "preview.shipit.dev.", `
			preview.shipit.dev.      300 NS ns2.shipit.dev.
			preview.shipit.dev.      300 NS ns3.preview.shipit.dev.
			ns3.preview.shipit.dev.  300 A  192.0.2.13
			www.preview.shipit.dev.   60 A  192.0.2.7`)
		glue := func(m *dns.Msg) {
			if len(m.Answer) > 0 && m.Question[0].Qtype == dns.TypeNS {
				m.Extra = rrs("ns3.preview.shipit.dev. 300 A 192.0.2.13")
			}
		}
		w.serve(edited(authoritative(zone, preview), glue), "192.0.2.1", "192.0.2.2")
		w.serve(authoritative(preview), "192.0.2.13")
		w.upstream(recursive(zone))
		for _, name := range []string{"www.preview.shipit.dev.", "preview.shipit.dev."} {
			w.forgetZone("preview.shipit.dev.")
			w.forgetStarts()
			w.forget()
			a, _, _ := w.ask(name + " AAAA")
			if a = a.Rest(w.t.Context()); answerText(a) != "nodata | lack ns2.shipit.dev ns3.preview.shipit.dev" || a.Zone != "preview.shipit.dev." {
				t.Errorf("%s AAAA: got %s in %s, want NODATA in preview.shipit.dev.", name, answerText(a), a.Zone)
			}
		}

		// The start is known, and the deeper zone shows in the reply to the question.
		w.forgetZone("preview.shipit.dev.")
		w.forget()
		w.wantAll("nothing.preview.shipit.dev. A", "nxdomain | lack ns2.shipit.dev ns3.preview.shipit.dev", 0)
		w.wantLookups()
		w.forgetZone("preview.shipit.dev.")
		w.wantAll("preview.shipit.dev. SOA", "positive SOA ns1.preview.shipit.dev. admin.example.net. 1 7200 900 1209600 60 | have ns2.shipit.dev ns3.preview.shipit.dev", 0)
		w.wantLookups()
	})
}

func TestReferralThatLeadsNowhere(t *testing.T) {
	tests := []struct{ name, ns string }{
		{"up", "dev. 300 NS ns.evil.example."},
		{"to the root", ". 300 NS ns.evil.example."},
		{"to itself", "shipit.dev. 300 NS ns.evil.example."},
		{"sideways", "other.shipit.dev. 300 NS ns.evil.example."},
		{"out of the zone", "www.example.com. 300 NS ns.evil.example."},
		{"below the name", "a.www.shipit.dev. 300 NS ns.evil.example."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inShipit(t, func(w *world, zone *zoneData) {
				refers := func(q *dns.Msg) *dns.Msg {
					m := new(dns.Msg).SetReply(q)
					m.Ns, m.Extra = rrs(tt.ns), rrs("ns.evil.example. 300 A 192.0.2.66")
					return m
				}
				other := func(q dns.Question) bool { return q.Name != "shipit.dev." }
				w.serve(except(authoritative(zone), refers, other), "192.0.2.1", "192.0.2.2")
				w.serve(authoritative(zoneOf(t, ".", "www.shipit.dev. 60 A 192.0.2.66")), "192.0.2.66")
				w.want("www.shipit.dev. A", ErrSilent.Error(), 0)
				w.wantLookups(byName...)
				w.wantChanges()
			})
		})
	}
}

// parentSays lets preview.shipit.dev be delegated as written, at 192.0.2.1.
func parentSays(w *world, records string) {
	zone := zoneOf(w.t, "shipit.dev.", "shipit.dev. 300 NS ns1.shipit.dev.\nns1.shipit.dev. 300 A 192.0.2.1")
	refers := func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		for _, rr := range rrs(records) {
			if rr.Header().Rrtype == dns.TypeNS {
				m.Ns = append(m.Ns, rr)
			} else {
				m.Extra = append(m.Extra, rr)
			}
		}
		return m
	}
	w.serve(except(authoritative(zone), refers, func(q dns.Question) bool {
		return dns.IsSubDomain("preview.shipit.dev.", q.Name)
	}), "192.0.2.1")
	w.upstream(recursive(zone, zoneOf(w.t, "example.net.", `
		ns1.example.net. 300 A 192.0.2.21
		ns2.example.net. 300 A 192.0.2.22
		ns3.example.net. 300 A 192.0.2.23
		ns4.example.net. 300 A 192.0.2.24
		ns5.example.net. 300 A 192.0.2.25`)))
	w.serve(authoritative(zoneOf(w.t, "preview.shipit.dev.", "www.preview.shipit.dev. 60 A 192.0.2.7")),
		"192.0.2.11", "192.0.2.21", "192.0.2.22", "192.0.2.23", "192.0.2.24", "192.0.2.25")
	w.serve(authoritative(zoneOf(w.t, "preview.shipit.dev.", "www.preview.shipit.dev. 60 A 192.0.2.66")), "192.0.2.66")
}

func TestGlue(t *testing.T) {
	start := []string{"shipit.dev. NS", "shipit.dev. SOA", "ns1.shipit.dev. A", "ns1.shipit.dev. AAAA"}
	tests := []struct {
		name, parent, want string
		lookups            []string
	}{
		{
			name:   "below the cut",
			parent: "preview.shipit.dev. 300 NS ns.preview.shipit.dev.\nns.preview.shipit.dev. 300 A 192.0.2.11",
			want:   "positive A 192.0.2.7 | have ns.preview.shipit.dev",
		},
		{
			name:    "of a name elsewhere, forged",
			parent:  "preview.shipit.dev. 300 NS ns1.example.net.\nns1.example.net. 300 A 192.0.2.66",
			want:    "positive A 192.0.2.7 | have ns1.example.net",
			lookups: []string{"ns1.example.net. A", "ns1.example.net. AAAA"},
		},
		{
			name:   "of a server that is known from above, forged",
			parent: "preview.shipit.dev. 300 NS ns1.shipit.dev.\nns1.shipit.dev. 300 A 192.0.2.66",
			want:   "servers of preview.shipit.dev. cannot be asked: ns1.shipit.dev: answers without authority",
		},
		{
			name:   "of a name that is no server",
			parent: "preview.shipit.dev. 300 NS ns.preview.shipit.dev.\nns.preview.shipit.dev. 300 A 192.0.2.11\nwww.preview.shipit.dev. 300 A 192.0.2.66",
			want:   "positive A 192.0.2.7 | have ns.preview.shipit.dev",
		},
		{
			name:   "in another spelling",
			parent: "PREVIEW.shipit.dev. 300 NS NS.preview.Shipit.dev.\nns.Preview.shipit.dev. 300 A 192.0.2.11",
			want:   "positive A 192.0.2.7 | have ns.preview.shipit.dev",
		},
		{
			name:    "missing below the watch", // only then is the upstream asked
			parent:  "preview.shipit.dev. 300 NS ns.preview.shipit.dev.",
			want:    "servers of preview.shipit.dev. cannot be asked: no name server has an address that may be asked",
			lookups: []string{"ns.preview.shipit.dev. A", "ns.preview.shipit.dev. AAAA"},
		},
		{
			name: "missing, more often than four times",
			parent: "preview.shipit.dev. 300 NS ns1.example.net.\npreview.shipit.dev. 300 NS ns2.example.net.\npreview.shipit.dev. 300 NS ns.preview.shipit.dev.\n" +
				"preview.shipit.dev. 300 NS ns3.example.net.\npreview.shipit.dev. 300 NS ns4.example.net.\npreview.shipit.dev. 300 NS ns5.example.net.\n" +
				"ns.preview.shipit.dev. 300 A 192.0.2.11",
			want: "positive A 192.0.2.7 | have ns.preview.shipit.dev ns1.example.net ns2.example.net ns3.example.net ns4.example.net",
			lookups: []string{"ns1.example.net. A", "ns1.example.net. AAAA", "ns2.example.net. A", "ns2.example.net. AAAA",
				"ns3.example.net. A", "ns3.example.net. AAAA", "ns4.example.net. A", "ns4.example.net. AAAA"},
		},
		{
			name:   "no server at all",
			parent: "preview.shipit.dev. 300 NS .",
			want:   "servers of preview.shipit.dev. cannot be asked: ns1.shipit.dev: has no NS of the zone",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				parentSays(w, tt.parent)
				w.wantAll("www.preview.shipit.dev. A", tt.want, 0)
				w.wantLookups(append(start, tt.lookups...)...)
			})
		})
	}
}

// The upstream says where the servers are whose names are below the watch when it is asked for the NS; it is not asked again.
func TestGlueFromTheUpstream(t *testing.T) {
	tests := []struct {
		name, watch string
		lookups     []string
	}{
		{"below the watch", "shipit.dev.", nil},
		{"not below it", "www.shipit.dev.", []string{"ns1.shipit.dev. A", "ns1.shipit.dev. AAAA", "ns2.shipit.dev. A", "ns2.shipit.dev. AAAA"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inShipit(t, func(w *world, zone *zoneData) {
				w.upstream(edited(recursive(zone), func(m *dns.Msg) {
					if m.Question[0].Qtype == dns.TypeNS {
						m.Extra = rrs("ns1.shipit.dev. 300 A 192.0.2.1\nns2.shipit.dev. 300 A 192.0.2.2")
					}
				}))
				w.wantAll("www.shipit.dev. A watch="+tt.watch, "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
				w.wantLookups(append(tt.lookups, "shipit.dev. NS", "shipit.dev. SOA")...)
			})
		})
	}
}

func TestServersOfAZoneAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		var text strings.Builder
		for i := 1; i <= 20; i++ {
			fmt.Fprintf(&text, "shipit.dev. 300 NS ns%d.shipit.dev.\nns%d.shipit.dev. 300 A 192.0.2.%d\n", i, i, i)
		}
		zone := zoneOf(t, "shipit.dev.", text.String())
		w.upstream(recursive(zone))
		for i := 1; i <= 20; i++ {
			w.serve(authoritative(zone), fmt.Sprintf("192.0.2.%d", i))
		}
		a, _, _ := w.ask("www.shipit.dev. A")
		if a = a.Rest(w.t.Context()); len(a.Lack) != maxServers {
			t.Errorf("got %d servers, want %d", len(a.Lack), maxServers)
		}
		// Each has its IPv4 address looked up before the first has its IPv6 address looked up.
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.lookups) != maxQueries {
			t.Errorf("got %d look-ups, want %d", len(w.lookups), maxQueries)
		}
	})
}

// Every server refers to another one further down, for as many labels as a name has.
func TestDelegationsWithoutEnd(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		refer := func(q *dns.Msg) *dns.Msg {
			m := new(dns.Msg).SetReply(q)
			name := q.Question[0].Name
			if name == "shipit.dev." {
				return authoritative(zone)(q)
			}
			// Each delegation has an apex probe before the next: the zones exist one by one.
			w.mu.Lock()
			depth := 3
			for _, seen := range w.queries {
				if f := strings.Fields(seen.question); f[1] == "SOA" && dns.CountLabel(f[0]) < dns.CountLabel(longName) {
					depth = max(depth, dns.CountLabel(f[0])+1)
				}
			}
			w.mu.Unlock()
			if name != longName {
				m.Authoritative = true
				m.Answer = rrs(name + " 60 SOA ns. admin. 1 1 1 1 1")
				return m
			}
			cut := last(name, depth)
			for i := range 13 {
				m.Ns = append(m.Ns, rr("%s 300 NS ns%d.example.net.", cut, i))
			}
			return m
		}
		w.serve(refer, "192.0.2.1", "192.0.2.2", "192.0.2.3")
		w.upstream(func(q *dns.Msg) *dns.Msg {
			if dns.IsSubDomain("example.net.", q.Question[0].Name) && q.Question[0].Qtype == dns.TypeA {
				m := new(dns.Msg).SetReply(q)
				m.Answer = rrs(q.Question[0].Name + " 300 A 192.0.2.3")
				return m
			}
			return recursive(zone, zoneOf(t, "example.net.", ""))(q)
		})
		w.want(longName+" A", ErrSilent.Error(), 0)
		w.mu.Lock()
		defer w.mu.Unlock()
		// The start and one cut in one discovery, then one cut in each.
		if got, most := len(w.lookups), 20+8*8; got > most || maxQueries != 20 || maxCuts != 8 {
			t.Errorf("got %d look-ups, want at most %d", got, most)
		}
		discoveries := 0
		for _, q := range w.queries {
			if q.question == longName+" SOA" {
				discoveries++
			}
		}
		if discoveries > 1 {
			t.Errorf("got %d cuts in the first discovery, want 1: its queries are used up", discoveries)
		}
	})
}

var longName = strings.Repeat("a.", 100) + "shipit.dev."

func TestDiscoveryStopsWaitingForAddresses(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.upstream(except(recursive(zone), dead, func(q dns.Question) bool { return q.Name == "ns2.shipit.dev." }))
		w.want("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", lookupTime)
		// It is tried again soon.
		w.upstream(recursive(zone))
		time.Sleep(minLife)
		w.want("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev", 0)
		time.Sleep(time.Second)
		w.wantAll("www.shipit.dev. A", "positive A 192.0.2.7 | have ns1.shipit.dev ns2.shipit.dev", 0)
	})
}

func TestAskEndsWithItsContext(t *testing.T) {
	inShipit(t, func(w *world, zone *zoneData) {
		w.upstream(slow(time.Second, recursive(zone)))
		ctx, cancel := context.WithTimeout(w.t.Context(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := w.Ask(ctx, w.request("www.shipit.dev. A")); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 300*time.Millisecond {
			t.Errorf("during discovery: got %v after %v, want the deadline after 300ms", err, time.Since(began))
		}
		time.Sleep(5 * time.Minute) // whatever becomes of that
		w.upstream(recursive(zone))
		time.Sleep(5 * time.Minute)
		w.serve(dead, "192.0.2.1", "192.0.2.2")
		ctx, cancel = context.WithTimeout(w.t.Context(), 300*time.Millisecond)
		defer cancel()
		began = time.Now()
		if _, err := w.Ask(ctx, w.request("www.shipit.dev. A")); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 300*time.Millisecond {
			t.Errorf("during a question: got %v after %v, want the deadline after 300ms", err, time.Since(began))
		}
	})
}
