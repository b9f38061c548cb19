//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// A waiting is a notyet that waits for a record.
type waiting struct{ *testbed.Process }

// startWait starts one that begins at an Unbound.
func startWait(t testing.TB, u *testbed.Unbound, args ...string) waiting {
	t.Helper()
	return waiting{testbed.Start(t, notyetBinary, append([]string{"wait", "--upstream", u.Addr.String()}, args...)...)}
}

// wantLine waits for words in one line that it writes.
func (w waiting) wantLine(t testing.TB, words ...string) {
	t.Helper()
	has := func() bool {
		for line := range strings.Lines(w.Output()) {
			if containsAll(line, words) {
				return true
			}
		}
		return false
	}
	if !testbed.Within(patience, has) {
		t.Fatalf("no line with %q:\n%s", words, w.Output())
	}
}

func containsAll(s string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(s, word) {
			return false
		}
	}
	return true
}

// wantExit waits for its end, and for words in what it has written.
func (w waiting) wantExit(t testing.TB, code int, words ...string) {
	t.Helper()
	if got := w.Wait(t, patience); got != code {
		t.Fatalf("got exit code %d, want %d:\n%s", got, code, w.Output())
	}
	if out := w.Output(); !containsAll(out, words) {
		t.Errorf("got\n%swant %q in it", out, words)
	}
}

// wantWaiting checks that it has not ended.
func (w waiting) wantWaiting(t testing.TB) {
	t.Helper()
	if !w.Running() {
		t.Fatalf("got an end, want it to go on waiting:\n%s", w.Output())
	}
}

// TestWaitEndsWhenTheLastServerHasIt updates the three servers of a zone one after the other. Unbound never hears of the name.
func TestWaitEndsWhenTheLastServerHasIt(t *testing.T) {
	t.Parallel()
	b := watching()
	qname := "a." + newLabel() + "." + threeZone
	w := startWait(t, b.unbound, qname)
	for _, server := range []int{1, 0, 2} {
		ns := fmt.Sprintf("ns%d.%s", server+1, threeZone)
		w.wantLine(t, ns, "not yet", "NXDOMAIN")
		w.wantWaiting(t)
		if err := b.knots[server].Change(threeZone, "add "+qname+". 60 A 192.0.2.7"); err != nil {
			t.Fatal(err)
		}
		w.wantLine(t, ns, "has it", "192.0.2.7")
	}
	w.wantExit(t, 0, qname+" A is there after")
	b.wantUnasked(t, qname)
}

// TestWaitForAnyEndsWithTheFirst has the record at one of three servers.
func TestWaitForAnyEndsWithTheFirst(t *testing.T) {
	t.Parallel()
	b := watching()
	qname := newLabel() + "." + threeZone
	w := startWait(t, b.unbound, qname, "--any")
	w.wantLine(t, "ns3."+threeZone, "not yet")
	if err := b.knots[2].Change(threeZone, "add "+qname+". 60 A 192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	w.wantExit(t, 0)
	b.wantUnasked(t, qname)
}

// TestWaitEndsWithItsTimeAndTellsWhatIsMissing has the record at two of three servers.
func TestWaitEndsWithItsTimeAndTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := watching()
	qname := newLabel() + "." + threeZone
	for _, server := range []int{0, 1} {
		b.knots[server].Update(t, threeZone, "add "+qname+". 60 A 192.0.2.7")
	}
	began := time.Now()
	w := startWait(t, b.unbound, qname, "--timeout", "2s", "--json")
	w.wantExit(t, 1, qname+" A: timed out after 2s", "ns3."+threeZone+": NXDOMAIN")
	if took := time.Since(began); took < 2*time.Second || took > 4*time.Second {
		t.Errorf("got an end after %v, want it after 2s", took)
	}
	var report struct {
		Done    bool
		Seconds float64
		Names   []struct {
			Name, Zone string
			Servers    []struct {
				Server, State string
				Says          []string
				After         float64 `json:"after_seconds"`
			}
		}
	}
	document := strings.TrimSuffix(w.Output(), w.Stderr())
	if err := json.Unmarshal([]byte(document), &report); err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	// Its seconds begin a little after the two of --timeout.
	if report.Done || report.Seconds < 1.9 || len(report.Names) != 1 || report.Names[0].Zone != threeZone+"." || len(report.Names[0].Servers) != 3 {
		t.Fatalf("got %+v, want three servers of %s after about 2 s", report, threeZone)
	}
	for i, want := range []string{"ready 192.0.2.7", "ready 192.0.2.7", "behind NXDOMAIN"} {
		s := report.Names[0].Servers[i]
		if got := s.State + " " + strings.Join(s.Says, " "); got != want || s.After > 1 {
			t.Errorf("%s: got %s after %v s, want %s at once", s.Server, got, s.After, want)
		}
	}
	b.wantUnasked(t, qname)
}

func TestWaitForAValueAndForARemoval(t *testing.T) {
	t.Parallel()
	b := watching()
	qname := newLabel() + "." + plainZone
	if err := b.add(qname + `. 60 TXT "old one"`); err != nil {
		t.Fatal(err)
	}
	w := startWait(t, b.unbound, qname, "txt", "--expect", "new one")
	w.wantLine(t, "ns1."+plainZone, "not yet", "old one")
	b.knots[0].Update(t, plainZone, "del "+qname+". TXT", "add "+qname+`. 60 TXT "new one"`)
	w.wantExit(t, 0, qname+" TXT is there after")

	w = startWait(t, b.unbound, qname, "TXT", "--gone")
	w.wantLine(t, "ns1."+plainZone, "has it still", "new one")
	b.knots[0].Update(t, plainZone, "del "+qname+". TXT")
	w.wantExit(t, 0, qname+" TXT is gone after")
	b.wantUnasked(t, qname)
}

// TestWaitFollowsAnAliasToTheServersOfItsTarget publishes the target, which is in another zone, last.
func TestWaitFollowsAnAliasToTheServersOfItsTarget(t *testing.T) {
	t.Parallel()
	b := watching()
	label := newLabel()
	qname, target := label+"."+plainZone, label+".late."+otherZone
	w := startWait(t, b.unbound, qname)
	w.wantLine(t, "ns1."+plainZone, "not yet")
	if err := b.add(qname + ". 60 CNAME " + target + "."); err != nil {
		t.Fatal(err)
	}
	w.wantLine(t, "ns1."+plainZone, "leads on", target)
	w.wantLine(t, target+" at ns1."+otherZone, "not yet")
	w.wantWaiting(t)
	if err := b.add(target + ". 60 A 192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	w.wantExit(t, 0)
	b.wantUnasked(t, qname, target)
}

// TestWaitUnderAWildcardAsksForTheValue has a name that exists at once, as all beside it do.
func TestWaitUnderAWildcardAsksForTheValue(t *testing.T) {
	t.Parallel()
	b := watching()
	zone := newLabel() + "." + plainZone
	if err := b.add("*." + zone + ". 60 A 192.0.2.6"); err != nil {
		t.Fatal(err)
	}
	qname := "pr-7." + zone
	startWait(t, b.unbound, qname).wantExit(t, 1, "wildcard", "192.0.2.6", "--expect")
	w := startWait(t, b.unbound, qname, "--expect", "192.0.2.7")
	w.wantLine(t, "not yet", "192.0.2.6")
	if err := b.add(qname + ". 60 A 192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	w.wantExit(t, 0)
	for _, asked := range b.unbound.Asked() {
		if strings.HasSuffix(asked, zone+".") {
			t.Errorf("%s: got unbound asked about %s, want nothing there or below", qname, asked)
		}
	}
}

// TestWaitAtGivenServersAsksNobodyElse names two of three servers, and no resolver that would answer.
func TestWaitAtGivenServersAsksNobodyElse(t *testing.T) {
	t.Parallel()
	b := watching()
	qname := newLabel() + "." + threeZone
	p := testbed.Start(t, notyetBinary, "wait", qname, "--server", b.knots[0].Addr.Addr().String(), "--server", b.knots[1].Addr.String())
	w := waiting{p}
	for _, server := range []int{0, 1} {
		w.wantLine(t, b.knots[server].Addr.String(), "not yet")
		w.wantWaiting(t)
		b.knots[server].Update(t, threeZone, "add "+qname+". 60 A 192.0.2.7")
		w.wantLine(t, b.knots[server].Addr.String(), "has it")
	}
	w.wantExit(t, 0)
	b.wantUnasked(t, qname)
}

// TestWaitWithALeaseLetsClientsAskTooEarly has a notyet that watches another zone. Without the lease Unbound would hear of the name.
func TestWaitWithALeaseLetsClientsAskTooEarly(t *testing.T) {
	t.Parallel()
	b := watching()
	n := b.front(t, plainZone)
	qname := newLabel() + "." + threeZone
	q := ask(qname, dns.TypeA)
	w := startWait(t, b.unbound, qname, "--lease", "--admin", n.Admin.String())
	w.wantLine(t, "ns3."+threeZone, "not yet")
	if code, body := n.Get("/api/v1/watches"); code != 200 || !strings.Contains(body, `"`+qname+`."`) {
		t.Errorf("watches: got %d %s, want a lease for %s", code, body, qname)
	}
	wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeNameError)
	for _, k := range b.knots {
		k.Update(t, threeZone, "add "+qname+". 60 A 192.0.2.7")
	}
	w.wantExit(t, 0)
	testbed.Until(t, soon+slack, "the name to be visible", func() bool { return len(over(t, "udp", n.Addr, q).Answer) == 1 })
	b.wantUnasked(t, qname)
}

func TestInterruptedWaitTellsHowFarItCame(t *testing.T) {
	t.Parallel()
	b := watching()
	qname := newLabel() + "." + plainZone
	w := startWait(t, b.unbound, qname)
	w.wantLine(t, "ns1."+plainZone, "not yet")
	began := time.Now()
	w.Signal(syscall.SIGINT)
	w.wantExit(t, 130, qname+" A: interrupted after", "ns1."+plainZone+": NXDOMAIN")
	if took := time.Since(began); took > time.Second {
		t.Errorf("got an end %v after SIGINT, want it at once", took)
	}
}

// TestWaitGoesOnForAServerThatIsDead starts the second server of a zone only when the first has the record.
func TestWaitGoesOnForAServerThatIsDead(t *testing.T) {
	t.Parallel()
	const zone = "halfdead.dev"
	addrs := []netip.Addr{testbed.Address(t), testbed.Address(t)}
	start := func(server int, record string) *testbed.Knot {
		return testbed.StartKnot(t, testbed.KnotConfig{
			Addr:  netip.AddrPortFrom(addrs[server], testbed.DNSPort),
			Zones: []testbed.Zone{{Name: zone, Text: testbed.Apex("60", "60", addrs...) + record}},
		})
	}
	first := start(0, "new A 192.0.2.7\n")
	u := testbed.StartUnbound(t, testbed.UnboundConfig{Zones: map[string]netip.AddrPort{zone: first.Addr}})
	w := startWait(t, u, "new."+zone)
	w.wantLine(t, "ns1."+zone, "has it")
	w.wantLine(t, "ns2."+zone, "silent")
	w.wantWaiting(t)
	start(1, "new A 192.0.2.7\n")
	w.wantLine(t, "ns2."+zone, "has it") // a server that was dead is tried again after 5 s
	w.wantExit(t, 0)
}

// TestDomainThatIsBeingRegisteredIsNotAskedForAtTheResolver waits for the registered name itself: all there is before is the suffix.
func TestDomainThatIsBeingRegisteredIsNotAskedForAtTheResolver(t *testing.T) {
	t.Parallel()
	const zone = "newborn.dev"
	registry, own := testbed.Address(t), testbed.Address(t)
	at := func(addr netip.Addr) netip.AddrPort { return netip.AddrPortFrom(addr, testbed.DNSPort) }
	top := testbed.StartKnot(t, testbed.KnotConfig{Addr: at(registry), Zones: []testbed.Zone{{Name: "dev", Text: testbed.Apex("60", "60", registry)}}})
	testbed.StartKnot(t, testbed.KnotConfig{Addr: at(own), Zones: []testbed.Zone{{Name: zone, Text: testbed.Apex("60", "60", own) + "@ A 192.0.2.7\n"}}})
	u := testbed.StartUnbound(t, testbed.UnboundConfig{Zones: map[string]netip.AddrPort{"dev": top.Addr}})
	w := startWait(t, u, zone)
	w.wantLine(t, "ns1.dev", "not yet", "NXDOMAIN")
	top.Update(t, "dev", "add "+zone+". 60 NS ns1."+zone+".", "add ns1."+zone+". 60 A "+own.String())
	w.wantLine(t, "ns1."+zone, "has it", "192.0.2.7")
	w.wantExit(t, 0)
	for _, asked := range u.Asked() {
		if strings.HasSuffix(asked, zone+".") {
			t.Errorf("got unbound asked about %s, want nothing at %s or below", asked, zone)
		}
	}
}
