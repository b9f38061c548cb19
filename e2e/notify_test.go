//go:build e2e && linux

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// aNotify is a message that says a zone has changed, as its server sends it.
func aNotify(zone string) *dns.Msg {
	m := new(dns.Msg).SetNotify(dns.Fqdn(zone))
	m.Answer = []dns.RR{mustRR(dns.Fqdn(zone) + " 60 SOA ns1." + zone + ". hostmaster." + zone + ". 2 3600 600 86400 60")}
	return m
}

// dialFrom is a client with an address of its own.
func dialFrom(t testing.TB, proto string, from netip.Addr, to netip.AddrPort) *client {
	t.Helper()
	d := net.Dialer{Timeout: patience, LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	if proto == "tcp" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	conn, err := d.Dial(proto, to.String())
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{Conn: conn, proto: proto}
}

// told sends a packet of opcode NOTIFY and returns the reply and its bytes.
func (c *client) told(t testing.TB, packet []byte) (*dns.Msg, []byte) {
	t.Helper()
	if err := c.send(packet); err != nil {
		t.Fatalf("send a NOTIFY: %v", err)
	}
	b, err := c.receive(patience)
	if err != nil {
		t.Fatalf("NOTIFY: no answer: %v", err)
	}
	r := new(dns.Msg)
	if err := r.Unpack(b); err != nil {
		t.Fatalf("NOTIFY: unpack the reply %x: %v", b, err)
	}
	if q := new(dns.Msg); q.Unpack(packet) != nil || r.Id != q.Id || !r.Response || r.Opcode != dns.OpcodeNotify {
		t.Errorf("NOTIFY: got %v, want its reply", r)
	}
	return r, b
}

// pendingUnpolled is a notyet with one name pending, which nothing but a NOTIFY has it ask for.
func pendingUnpolled(t *testing.T, i *island, d *diary, qname, notify string) *testbed.Notyet {
	t.Helper()
	i.servers[1].stop()
	i.servers[0].behave(d.kept(authoritative(i.zone)))
	n := front(t, watchOf(plainZone, "poll: 0s")+"notify: "+notify+"\n", i.upstream.addr)
	q := ask(qname, dns.TypeA)
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeNameError)
	return n
}

// bursts are the moments after a NOTIFY at which the pending names are asked for.
var bursts = []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

func TestNotifyHasPendingNamesAskedInABurst(t *testing.T) {
	t.Parallel()
	i, d, qname := newIsland(t), new(diary), "late."+plainZone
	from := testbed.Address(t)
	n := pendingUnpolled(t, i, d, qname, "{allow: [\""+from.String()+"\"]}")
	udp, tcp := dialFrom(t, "udp", from, n.Addr), dialFrom(t, "tcp", from, n.Addr)

	start := time.Now()
	if r, _ := udp.told(t, mustPack(aNotify("example.net"))); r.Rcode == dns.RcodeSuccess {
		t.Errorf("NOTIFY of example.net, which is not watched: got NOERROR")
	}
	wantNoBurst(t, d, start, qname, "a NOTIFY of another zone")
	timely(t, func() error {
		start := time.Now()
		for _, c := range []*client{udp, tcp} { // The second comes too soon for another burst.
			if r, _ := c.told(t, mustPack(aNotify(plainZone))); r.Rcode != dns.RcodeSuccess || !r.Authoritative {
				t.Errorf("NOTIFY of %s over %s: got %s, aa %v, want NOERROR and aa", plainZone, c.proto, rcode(r.Rcode), r.Authoritative)
			}
		}
		within(bursts[len(bursts)-1]+slack, slack, func() bool { return len(d.since(start, qname)) > len(bursts) })
		got := d.since(start, qname)
		late := func(got, want time.Duration) bool { return got < want-10*time.Millisecond || got > want+slack/4 }
		if !slices.EqualFunc(got, bursts, func(got, want time.Duration) bool { return !late(got, want) }) {
			return fmt.Errorf("%s after a NOTIFY: asked after %v, want %v", qname, got, bursts)
		}
		return nil
	})
}

// wantNoBurst wants no burst, or any part of one.
func wantNoBurst(t *testing.T, d *diary, start time.Time, qname, what string) {
	t.Helper()
	if within(bursts[2]+slack/4, bursts[1]/4, func() bool { return len(d.since(start, qname)) > 0 }) {
		t.Errorf("%s after %s: asked after %v, want never", qname, what, d.since(start, qname))
	}
}

func TestNotifyFromElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, notify string }{
		{"others are allowed", "{allow: [192.0.2.0/24, \"127.0.0.1\"]}"},
		{"nobody is", "{allow: []}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i, d, qname := newIsland(t), new(diary), "late."+plainZone
			n := pendingUnpolled(t, i, d, qname, test.notify)
			start := time.Now()
			for _, proto := range []string{"udp", "tcp"} {
				if r, _ := dialFrom(t, proto, testbed.Address(t), n.Addr).told(t, mustPack(aNotify(plainZone))); r.Rcode != dns.RcodeRefused {
					t.Errorf("NOTIFY from elsewhere over %s: got %s, want REFUSED", proto, rcode(r.Rcode))
				}
			}
			wantNoBurst(t, d, start, qname, "a NOTIFY that was refused")
		})
	}
}

// TestManyNotifiesCostOneBurstASecond has a server that has lost its mind.
func TestManyNotifiesCostOneBurstASecond(t *testing.T) {
	t.Parallel()
	i, d, qname := newIsland(t), new(diary), "late."+plainZone
	n := pendingUnpolled(t, i, d, qname, "{allow: [127.0.0.0/8]}")
	c := dialFrom(t, "udp", testbed.Address(t), n.Addr)
	packet := mustPack(aNotify(plainZone))
	const seconds, perSecond = 3, 1000
	sent, answered := 0, make(chan int)
	go func() {
		good := 0
		for {
			b, err := c.receive(slack)
			if err != nil {
				answered <- good
				return
			}
			if m := new(dns.Msg); m.Unpack(b) == nil && m.Rcode == dns.RcodeSuccess {
				good++
			}
		}
	}()
	start := time.Now()
	keep(seconds*time.Second, 10*time.Millisecond, func() {
		for due := int(time.Since(start).Seconds() * perSecond); sent < due && c.send(packet) == nil; {
			sent++
		}
	})
	took := time.Since(start)
	if good := <-answered; good < sent*99/100 {
		t.Errorf("%d NOTIFYs: got %d answers NOERROR, want all", sent, good)
	}
	got := d.since(start, qname)
	t.Logf("%d NOTIFYs in %v: %s asked after %v", sent, took.Round(time.Millisecond), qname, got)
	// A burst has six questions, of which the next burst may leave out those that are yet to come.
	if least, most := 2*seconds, len(bursts)*(int(took/time.Second)+1); len(got) > most || len(got) < least {
		t.Errorf("%d NOTIFYs in %v: %s asked %d times, want one burst a second, so %d to %d", sent, took, qname, len(got), least, most)
	}
	for k := range got {
		if k >= len(bursts) && got[k]-got[k-len(bursts)] < time.Second-50*time.Millisecond {
			t.Errorf("%s asked after %v, want no more than %d questions in a second", qname, got, len(bursts))
			break
		}
	}
}

const (
	keyName = "notify." + plainZone + "."
	secret  = "bm90IHlldCwgYnV0IHNvb24gZW5vdWdoLCBzYWlkIHNoZQ=="
)

// signed is a message with a TSIG (RFC 8945), and the MAC of that.
func signed(t testing.TB, m *dns.Msg, key, algorithm, secret string, at time.Time) (packet []byte, mac string) {
	t.Helper()
	m.SetTsig(key, algorithm, 300, at.Unix())
	packet, mac, err := dns.TsigGenerate(m, secret, "", false)
	if err != nil {
		t.Fatalf("sign a NOTIFY: %v", err)
	}
	return packet, mac
}

func TestNotifyHasToBeSignedWhenThereAreKeys(t *testing.T) {
	t.Parallel()
	i, d, qname := newIsland(t), new(diary), "late."+plainZone
	n := pendingUnpolled(t, i, d, qname,
		"{allow: [127.0.0.0/8], keys: [{name: other.example, secret: b3RoZXI=}, {name: "+keyName+", algorithm: hmac-sha256, secret: "+secret+"}]}")
	c := dialFrom(t, "udp", testbed.Address(t), n.Addr)
	start, now := time.Now(), time.Now()
	const wrong = "d3Jvbmcsd3Jvbmcsd3Jvbmcsd3Jvbmcsd3Jvbmcsd3Jvbmc="
	for _, test := range []struct {
		name, key, algorithm, secret string
		at                           time.Time
	}{
		{"unsigned", "", "", "", now},
		{"wrong secret", keyName, dns.HmacSHA256, wrong, now},
		{"unknown key", "nobody.example.", dns.HmacSHA256, secret, now},
		{"wrong algorithm", keyName, dns.HmacSHA512, secret, now},
		{"old", keyName, dns.HmacSHA256, secret, now.Add(-time.Hour)},
	} {
		packet := mustPack(aNotify(plainZone))
		if test.key != "" {
			packet, _ = signed(t, aNotify(plainZone), test.key, test.algorithm, test.secret, test.at)
		}
		if r, _ := c.told(t, packet); r.Rcode != dns.RcodeNotAuth && r.Rcode != dns.RcodeRefused {
			t.Errorf("NOTIFY, %s: got %s, want NOTAUTH or REFUSED", test.name, rcode(r.Rcode))
		}
	}
	// One that was signed well, and changed on its way.
	packet, _ := signed(t, aNotify(plainZone), keyName, dns.HmacSHA256, secret, now)
	packet[len(packet)-30] ^= 1
	if r, _ := c.told(t, packet); r.Rcode == dns.RcodeSuccess {
		t.Errorf("NOTIFY with a bit flipped: got NOERROR")
	}
	wantNoBurst(t, d, start, qname, "NOTIFYs that nobody has signed")

	packet, mac := signed(t, aNotify(plainZone), keyName, dns.HmacSHA256, secret, now)
	r, b := c.told(t, packet)
	if r.Rcode != dns.RcodeSuccess {
		t.Errorf("NOTIFY, signed: got %s, want NOERROR", rcode(r.Rcode))
	}
	if err := dns.TsigVerify(b, secret, mac, false); err != nil {
		t.Errorf("NOTIFY, signed: the reply is not signed well: %v", err)
	}
	testbed.Until(t, slack, "the pending name to be asked for", func() bool { return len(d.since(start, qname)) > 0 })
}

// TestNotifyFromKnotMakesAPendingNameVisible polls nothing and asks nothing: the zone's server says when to look.
func TestNotifyFromKnotMakesAPendingNameVisible(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, key, ours, theirs string }{
		{"unsigned", "", "", ""},
		{
			"signed", "    key: notify\n", ", keys: [{name: notify, secret: " + secret + "}]",
			"key:\n  - id: notify\n    algorithm: hmac-sha256\n    secret: " + secret + "\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at, authority := nobody(t), port53(t)
			k := testbed.StartKnot(t, testbed.KnotConfig{
				Addr: authority,
				Zones: []testbed.Zone{{
					Name:    freshZone,
					Text:    testbed.Apex("300", "60", authority.Addr()) + "www A " + rightAddress + "\n",
					Options: []string{"notify: notyet"},
				}},
				Sections: fmt.Sprintf("%sremote:\n  - id: notyet\n    address: %v@%d\n    via: %v\n%s",
					test.theirs, at.Addr(), at.Port(), authority.Addr(), test.key),
			})
			u := testbed.StartUnbound(t, testbed.UnboundConfig{Zones: map[string]netip.AddrPort{freshZone: k.Addr}})
			n := testbed.StartNotyet(t, testbed.NotyetConfig{
				Binary: notyetBinary, Listen: []netip.AddrPort{at}, Upstreams: []netip.AddrPort{u.Addr},
				Extra: watchOf(freshZone, "poll: 0s") + fmt.Sprintf("notify: {allow: [%q]%s}\n", authority.Addr(), test.ours),
			})
			late, mx := ask("late."+freshZone, dns.TypeA), ask("www."+freshZone, dns.TypeMX)
			wantRcode(t, late, over(t, "udp", n.Addr, late), dns.RcodeNameError)
			keep(4500*time.Millisecond, 100*time.Millisecond, func() { // and then kept until 8 s
				if got := outcome(over(t, "udp", n.Addr, mx)); got != "NOERROR" {
					t.Fatalf("%s: got %s, want NODATA", describe(mx), got)
				}
			})
			k.Update(t, freshZone, "add late."+freshZone+". 60 A "+rightAddress, "add www."+freshZone+". 60 MX 10 mail."+freshZone+".")
			published := time.Now()
			// Knot waits for a second before it notifies.
			testbed.Until(t, time.Second+slack, "the pending name to be visible", func() bool {
				return n.Metric(t, "notyet_watch_rescues_total", `how="notify"`) == 1
			})
			t.Logf("visible %v after it was published", time.Since(published))
			for _, q := range []*dns.Msg{late, mx} { // a denial that is not pending goes too
				if r := over(t, "udp", n.Addr, q); len(r.Answer) == 0 {
					t.Errorf("%s after a NOTIFY: got %s, want the record", describe(q), outcome(r))
				}
			}
		})
	}
}
