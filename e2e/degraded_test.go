//go:build e2e && linux

package e2e

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// firstRetry is when servers that could not be asked are tried again; the second time is twice as much later.
const firstRetry = 5 * time.Second

var (
	aDegraded  = regexp.MustCompile(`(?i)degraded`)
	aRecovered = regexp.MustCompile(`(?i)recovered`)
)

// lame are the ways in which the servers of a zone can't be asked.
var lame = []struct {
	name   string
	handle func(*island) func(*incoming) // nil: nobody is at the servers' addresses
}{
	{"closed", nil},
	{"silent", func(*island) func(*incoming) { return silent }},
	{"refused", func(*island) func(*incoming) { return func(in *incoming) { in.reply(in.deny(dns.RcodeRefused)) } }},
	{"servfail", func(*island) func(*incoming) { return func(in *incoming) { in.reply(in.deny(dns.RcodeServerFailure)) } }},
	{"not authoritative", func(i *island) func(*incoming) { return recursive(i.zone) }},
	{"not authoritative for the zone", func(*island) func(*incoming) { return authoritative(newZone("example.net")) }},
	{"upward referral", func(*island) func(*incoming) {
		return func(in *incoming) { in.reply(in.deny(dns.RcodeSuccess, ". 3600 NS a.root-servers.net.")) }
	}},
	{"garbage", func(*island) func(*incoming) {
		return func(in *incoming) { in.write([]byte(strings.Repeat("garbage", 9))) }
	}},
	{"another zone of the same name", func(*island) func(*incoming) {
		z := newZone(plainZone, "@ NS ns.parking.example.")
		z.soa("ns.parking.example. hostmaster.parking.example. 7 3600 600 86400 60")
		return authoritative(z)
	}},
}

// TestServersThatCannotBeAsked is what becomes of a watch whose zone has no server that counts, and how it ends.
func TestServersThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	for _, test := range lame {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := newIsland(t, "*.wild A "+rightAddress)
			if test.handle == nil {
				for _, s := range i.servers {
					s.stop()
				}
			} else {
				i.both(test.handle(i))
			}
			plain := front(t, "", i.upstream.addr)
			n := front(t, watchOf(plainZone), i.upstream.addr)

			q := ask("www."+plainZone, dns.TypeA)
			start := time.Now()
			r := over(t, "udp", n.Addr, q)
			took := time.Since(start)
			if got, want := outcome(r), "NOERROR "+rightAddress; got != want || took > 2*time.Second+slack/4 {
				t.Errorf("%s with servers that can't be asked: got %s after %v, want %s within 2 s", describe(q), got, took, want)
			}
			left := max(0, 2*time.Second+slack/4-time.Since(start))
			testbed.Until(t, left, "the watch to be degraded", func() bool { return degraded(t, n) })
			t.Logf("first answer after %v, degraded within %v", took, time.Since(start))

			wantExplained(t, n, "missing."+plainZone, plainZone)
			i.wantAsFastAsWithout(n, plain)

			for k, s := range i.servers {
				if test.handle == nil {
					i.servers[k] = startServer(t, s.addr, authoritative(i.zone))
				}
			}
			i.publish("late A " + rightAddress)
			testbed.Until(t, 3*firstRetry+slack, "the watch to recover", func() bool { return !degraded(t, n) })
			t.Logf("recovered after %v", time.Since(start))
			// The upstream does not have it.
			q = ask("late."+plainZone, dns.TypeA)
			if got, want := outcome(over(t, "udp", n.Addr, q)), "NOERROR "+rightAddress; got != want {
				t.Errorf("%s of servers that came back: got %s, want %s", describe(q), got, want)
			}
			wantLines(t, n, aDegraded, 1)
			wantLines(t, n, aRecovered, 1)
		})
	}
}

// degraded tells whether the only watch is.
func degraded(t testing.TB, n *testbed.Notyet) bool {
	t.Helper()
	return n.Metric(t, "notyet_watch_degraded") > 0
}

// wantLines checks how many log lines have a word. It waits for a line that is yet to be written.
func wantLines(t testing.TB, n *testbed.Notyet, word *regexp.Regexp, want int) {
	t.Helper()
	testbed.Within(slack, func() bool { return len(linesWith(n.Stderr(), word)) >= want })
	if got := linesWith(n.Stderr(), word); len(got) != want {
		t.Errorf("got %d log lines with %v, want %d:\n%s", len(got), word, want, n.Stderr())
	}
}

// wantExplained asks for a name that is missing and wants an extended error that tells what is wrong with the servers of its zone.
func wantExplained(t testing.TB, n *testbed.Notyet, qname, zone string) {
	t.Helper()
	q := ask(qname, dns.TypeA, withEDNS(1232))
	r := over(t, "udp", n.Addr, q)
	wantRcode(t, q, r, dns.RcodeNameError)
	text := extraText(r)
	t.Logf("%s: %s", describe(q), text)
	if !strings.HasPrefix(text, "notyet: NXDOMAIN") || !strings.Contains(text, "servers of "+zone+". cannot be asked") {
		t.Errorf("%s: got the extended error %q, want one that says what is wrong with the servers of %s", describe(q), text, zone)
	}
}

// extraText is the text of a reply's extended error.
func extraText(r *dns.Msg) string {
	if o := r.IsEdns0(); o != nil {
		for _, opt := range o.Option {
			if e, ok := opt.(*dns.EDNS0_EDE); ok {
				return e.ExtraText
			}
		}
	}
	return ""
}

// wantAsFastAsWithout asks both for names that nobody has asked for.
func (i *island) wantAsFastAsWithout(watched, plain *testbed.Notyet) {
	i.t.Helper()
	var with, without []time.Duration
	for k := range 40 {
		q := ask(label(k)+"wild."+plainZone, dns.TypeA)
		for n, took := range map[*testbed.Notyet]*[]time.Duration{watched: &with, plain: &without} {
			start := time.Now()
			r := over(i.t, "udp", n.Addr, q)
			*took = append(*took, time.Since(start))
			wantRcode(i.t, q, r, dns.RcodeSuccess)
		}
	}
	slices.Sort(with)
	slices.Sort(without)
	got, want := with[len(with)/2], without[len(without)/2]
	i.t.Logf("while degraded: a miss takes %v, without a watch %v", got, want)
	if got > 2*want+5*time.Millisecond {
		i.t.Errorf("while degraded: a miss takes %v, want about as long as without a watch: %v", got, want)
	}
}

// TestServersThatStopToBeAuthoritative degrades a watch that was well.
func TestServersThatStopToBeAuthoritative(t *testing.T) {
	t.Parallel()
	i := newIsland(t, "*.wild A "+rightAddress)
	n := front(t, watchOf(plainZone), i.upstream.addr)
	q := ask("www."+plainZone, dns.TypeA)
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
	if i.servers[0].count("www."+plainZone)+i.servers[1].count("www."+plainZone) == 0 || degraded(t, n) {
		t.Fatalf("%s: the zone's servers were not asked", describe(q))
	}
	i.both(func(in *incoming) { in.reply(in.deny(dns.RcodeRefused)) })
	k := 0
	testbed.Until(t, patience, "the watch to be degraded", func() bool {
		k++
		q := ask(label(k)+"wild."+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
		return degraded(t, n)
	})
	wantLines(t, n, aDegraded, 1)
	i.both(authoritative(i.zone))
	testbed.Until(t, 3*firstRetry+slack, "the watch to recover", func() bool { return !degraded(t, n) })
	wantLines(t, n, aRecovered, 1)
}

// TestSomeServersCannotBeAsked has a zone of which one server counts: the watch works by that one, and the other joins it when
// it can.
func TestSomeServersCannotBeAsked(t *testing.T) {
	t.Parallel()
	behaving := func(i *island) { i.servers[1].behave(authoritative(i.zone)) }
	for _, test := range []struct {
		name   string
		change func(*island)
		back   func(*island) // nil: it stays
	}{
		{"one is closed", func(i *island) { i.servers[1].stop() }, func(i *island) {
			i.servers[1] = startServer(i.t, i.servers[1].addr, authoritative(i.zone))
		}},
		{"one is silent", func(i *island) { i.servers[1].behave(silent) }, behaving},
		{"one refuses", func(i *island) { i.servers[1].behave(func(in *incoming) { in.reply(in.deny(dns.RcodeRefused)) }) }, behaving},
		{"one is a resolver", func(i *island) { i.servers[1].behave(recursive(i.zone)) }, behaving},
		{"one has only an ipv6 address, where nobody is", func(i *island) { i.zone.add("@ NS ns3", "ns3 AAAA ::1") }, nil},
		{"one has an ipv6 address, where nobody is, and another", func(i *island) {
			i.zone.add("ns1 AAAA ::1")
			i.servers[1].stop()
		}, nil},
		{"one has no address", func(i *island) { i.zone.add("@ NS ns3") }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := newIsland(t)
			test.change(i)
			n := front(t, watchOf(plainZone, "upstream_after: 0s"), i.upstream.addr)
			qname := "late." + plainZone
			q := ask(qname, dns.TypeA, withEDNS(1232)) // to be told why the servers were not heard
			start := time.Now()
			first := over(t, "udp", n.Addr, q)
			wantRcode(t, q, first, dns.RcodeNameError)
			if took := time.Since(start); took > 2*time.Second+slack/4 {
				t.Errorf("%s: got the first answer after %v, want it within 2 s", describe(q), took)
			}
			keep(time.Second, 250*time.Millisecond, func() { over(t, "udp", n.Addr, q) })
			i.zone.add("late A " + rightAddress)
			published := time.Now()
			if err := visible(t, n, q, 1500*time.Millisecond); err != nil {
				t.Error(err)
			}
			t.Logf("visible %v after it was published", time.Since(published))
			if degraded(t, n) {
				t.Errorf("got a watch that is degraded, want it to work by the server that is left")
			}
			wantLines(t, n, aDegraded, 0)
			if i.upstream.count(qname) != 0 {
				t.Errorf("the upstream was asked for %s before it was there; the first answer was\n%s", qname, first)
			}
			if test.back == nil {
				return
			}
			test.back(i)
			k := 0
			if !within(3*firstRetry+slack, 200*time.Millisecond, func() bool {
				k++
				qname := "back" + label(k) + plainZone
				over(t, "udp", n.Addr, ask(qname, dns.TypeA))
				return i.servers[1].count(qname) > 0
			}) {
				t.Errorf("the server that came back was not asked again")
			}
			t.Logf("asked again %v after it was published", time.Since(published))
		})
	}
}

// startForger starts a server that gives a wrong address for every name, as an authority.
func startForger(t *testing.T) *server {
	t.Helper()
	return startServer(t, port53(t), func(in *incoming) {
		m := in.address(forgedAddress)
		m.Authoritative = true
		if in.Question[0].Qtype == dns.TypeSOA {
			m = in.answer(in.Question[0].Name + " 60 SOA ns1." + plainZone + ". hostmaster." + plainZone + ". 1 3600 600 86400 60")
			m.Authoritative = true
		}
		in.reply(m)
	})
}

const childZone = "child." + plainZone

// TestForgedDelegations has a parent say wrong things of a child's servers. The right ones are found, or none; never a forger.
func TestForgedDelegations(t *testing.T) {
	t.Parallel()
	const bank = "bank.example"
	// FORGER, RIGHT and OWN are addresses: of a forger, of the child's server, and of notyet.
	for _, test := range []struct {
		name     string
		ns       string   // of the child
		glue     []string // owner and address
		bank     string   // a record of another zone, which the upstream knows; empty: none
		degraded bool
	}{
		{name: "address of a name outside the parent", ns: "ns.bank.example.", glue: []string{"ns.bank.example. FORGER"}, bank: "ns A RIGHT"},
		{name: "address of a name beside the cut", ns: "ns9.shipit.dev.", glue: []string{"ns9.shipit.dev. FORGER"}},
		{
			name: "address of a name that is no server", ns: "ns.child.shipit.dev.",
			glue: []string{"mx.child.shipit.dev. FORGER", "ns.child.shipit.dev. RIGHT"},
		},
		{
			name: "address of the parent's server", ns: "ns.child.shipit.dev.",
			glue: []string{"ns1.shipit.dev. FORGER", "ns.child.shipit.dev. RIGHT"},
		},
		{name: "address of notyet itself", ns: "ns.child.shipit.dev.", glue: []string{"ns.child.shipit.dev. OWN"}, degraded: true},
		{
			name: "addresses that are nobody's", ns: "ns.child.shipit.dev.",
			glue: []string{
				"ns.child.shipit.dev. 0.0.0.0", "ns.child.shipit.dev. 224.0.0.251", "ns.child.shipit.dev. 255.255.255.255",
				"ns.child.shipit.dev. ::", "ns.child.shipit.dev. ff02::fb",
			},
			degraded: true,
		},
		{name: "no address of a name that nobody has", ns: "ns.child.shipit.dev.", degraded: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			right := startServer(t, port53(t), authoritative(newZone(childZone, "@ NS ns", "*.wild A "+rightAddress)))
			forger := startForger(t)
			own := port53(t)
			written := strings.NewReplacer("FORGER", forger.addr.Addr().String(), "RIGHT", right.addr.Addr().String(), "OWN", own.Addr().String())
			i := newIsland(t, written.Replace("ns9 A RIGHT"))
			zones := []*fakeZone{i.zone, newZone(childZone, "@ NS ns", "*.wild A "+rightAddress)}
			if test.bank != "" {
				zones = append(zones, newZone(bank, written.Replace(test.bank)))
			}
			i.upstream.behave(recursive(zones...))
			i.both(except(authoritative(i.zone), childZone, func(in *incoming) {
				m := in.deny(dns.RcodeSuccess, childZone+". 300 NS "+test.ns)
				m.RecursionAvailable = false
				for _, glue := range test.glue {
					owner, addr, _ := strings.Cut(written.Replace(glue), " ")
					qtype := " A "
					if strings.Contains(addr, ":") {
						qtype = " AAAA "
					}
					m.Extra = append(m.Extra, mustRR(owner+" 300"+qtype+addr))
				}
				in.reply(m)
			}))
			n := testbed.StartNotyet(t, testbed.NotyetConfig{
				Binary: notyetBinary, Listen: []netip.AddrPort{own}, Upstreams: []netip.AddrPort{i.upstream.addr}, Extra: watchOf(plainZone),
			})
			before := n.Metric(t, "notyet_queries_total")
			const asked = 10
			for k := range asked {
				q := ask(label(k)+"wild."+childZone, dns.TypeA)
				start := time.Now()
				r := over(t, "udp", n.Addr, q)
				if got, want := outcome(r), "NOERROR "+rightAddress; got != want {
					t.Errorf("%s: got %s, want %s", describe(q), got, want)
				}
				if took := time.Since(start); took > 2*time.Second+slack/4 {
					t.Errorf("%s: got the answer after %v, want it within 2 s", describe(q), took)
				}
			}
			if got := n.Metric(t, "notyet_queries_total") - before; got != asked {
				t.Errorf("notyet was asked %v times, want the client's %d: it has asked itself", got, asked)
			}
			if got := forger.total(); got != 0 {
				t.Errorf("the forger was asked %d times, want never", got)
			}
			if got := degraded(t, n); got != test.degraded {
				t.Errorf("got degraded %v, want %v", got, test.degraded)
			}
			if asked := right.count("n9.wild." + childZone); (asked > 0) == test.degraded {
				t.Errorf("the child's server was asked %d times, while degraded is %v", asked, test.degraded)
			}
			if test.degraded {
				i.zone.add("child NS ns.child", written.Replace("ns.child A RIGHT"))
				i.both(authoritative(i.zone))
				testbed.Until(t, 3*firstRetry+slack, "the watch to recover", func() bool { return !degraded(t, n) })
				over(t, "udp", n.Addr, ask("back.wild."+childZone, dns.TypeA))
				if right.count("back.wild."+childZone) == 0 {
					t.Errorf("the child's server was not asked after the parent had told of it")
				}
			}
		})
	}
}

// total tells how many queries there were.
func (u *fakeUpstream) total() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.asked)
}

// TestRecordsOfOtherZonesAreDropped has a zone's server say things of names that are not its own.
func TestRecordsOfOtherZonesAreDropped(t *testing.T) {
	t.Parallel()
	i := newIsland(t, "www2 A "+rightAddress)
	bank := newZone("bank.example", "www A "+rightAddress)
	i.upstream.behave(recursive(i.zone, bank))
	alias := except(authoritative(i.zone), "alias."+plainZone, func(in *incoming) {
		m := in.answer(in.Question[0].Name+" 300 CNAME www.bank.example.", "www.bank.example. 300 A "+forgedAddress)
		m.Authoritative = true
		in.reply(m)
	})
	i.both(except(alias, "www2."+plainZone, func(in *incoming) {
		m := in.address(rightAddress)
		m.Authoritative = true
		m.Ns = append(m.Ns, mustRR("bank.example. 300 NS ns."+plainZone+"."))
		m.Extra = append(m.Extra, mustRR("www.bank.example. 300 A "+forgedAddress))
		in.reply(m)
	}))
	n := front(t, watchOf(plainZone), i.upstream.addr)
	for qname, want := range map[string]string{
		"www2." + plainZone:  "NOERROR " + rightAddress,
		"alias." + plainZone: "NOERROR " + rightAddress + " www.bank.example.",
		"www.bank.example":   "NOERROR " + rightAddress,
	} {
		q := ask(qname, dns.TypeA, withEDNS(1232))
		r := over(t, "udp", n.Addr, q)
		if got := outcome(r); got != want || strings.Contains(r.String(), forgedAddress) || strings.Contains(r.String(), "bank.example.\t300\tIN\tNS") {
			t.Errorf("%s: got %s, want %s and nothing of the forger\n%v", describe(q), got, want, r)
		}
	}
}
