//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
	"notyet/explain"
)

// An explainBed is an Unbound that finds its way from the zone dev down: to two servers of shipit.dev, and to what else is
// delegated there.
type explainBed struct {
	t       *testing.T
	dev     *testbed.Knot
	knots   []*testbed.Knot // of shipit.dev
	unbound *testbed.Unbound
}

// snooping lets Unbound answer from its cache without recursion.
const snooping = "access-control: 127.0.0.1/32 allow_snoop"

// newExplainBed starts one. The lines are more of dev, the others more of shipit.dev; options are Unbound's.
func newExplainBed(t *testing.T, dev, shipit string, options ...string) *explainBed {
	t.Helper()
	top, at := port53(t), []netip.AddrPort{port53(t), port53(t)}
	b := &explainBed{t: t}
	b.dev = testbed.StartKnot(t, testbed.KnotConfig{Addr: top, Zones: []testbed.Zone{{Name: "dev", Text: testbed.Apex("3600", "900", top.Addr()) + `
shipit     NS ns1.shipit
shipit     NS ns2.shipit
ns1.shipit A  ` + at[0].Addr().String() + `
ns2.shipit A  ` + at[1].Addr().String() + `
` + dev}}})
	for _, a := range at {
		b.knots = append(b.knots, testbed.StartKnot(t, testbed.KnotConfig{Addr: a, Zones: []testbed.Zone{{
			Name: plainZone, Text: testbed.Apex("1934", "1800", at[0].Addr(), at[1].Addr()) + shipit,
		}}}))
	}
	b.unbound = testbed.StartUnbound(t, testbed.UnboundConfig{
		Zones: map[string]netip.AddrPort{"dev": top}, Options: options,
	})
	return b
}

// explained runs notyet explain against the bed's Unbound.
func (b *explainBed) explained(args ...string) *explain.Facts {
	b.t.Helper()
	return explainAt(b.t, b.unbound.Addr, args...)
}

// explainAt runs notyet explain with a resolver, and checks that its exit code says what its verdict does.
func explainAt(t *testing.T, resolver netip.AddrPort, args ...string) *explain.Facts {
	t.Helper()
	code, text := explainText(t, append([]string{"--json", "--upstream", resolver.String()}, args...)...)
	f := new(explain.Facts)
	if err := json.Unmarshal([]byte(text), f); err != nil {
		t.Fatalf("explain %v: %v in %s", args, err, text)
	}
	if (code == 0) != (f.Verdict.Code == explain.Fine) || code > 1 {
		t.Errorf("explain %v: got exit code %d with the verdict %s", args, code, f.Verdict.Code)
	}
	t.Logf("%s: %s", f.Verdict.Code, f.Verdict.Sentence)
	return f
}

// explainText runs notyet explain without a running notyet.
func explainText(t *testing.T, args ...string) (code int, text string) {
	t.Helper()
	cmd := exec.Command(notyetBinary, append([]string{"explain", "--admin", nobody(t).String()}, args...)...)
	p := testbed.StartCommand(t, cmd)
	code = p.Wait(t, 20*time.Second)
	if p.Stderr() != "" {
		t.Errorf("explain %v wrote to standard error: %s", args, p.Stderr())
	}
	return code, p.Output()
}

func wantVerdict(t *testing.T, f *explain.Facts, want explain.Code, words ...string) {
	t.Helper()
	if f.Verdict.Code != want {
		t.Errorf("%s %s: got the verdict %s (%s), want %s", f.Name, f.Type, f.Verdict.Code, f.Verdict.Sentence, want)
	}
	for _, w := range words {
		if !strings.Contains(f.Verdict.Sentence, w) {
			t.Errorf("%s %s: got %q, want it to say %q", f.Name, f.Type, f.Verdict.Sentence, w)
		}
	}
}

// TestExplainTellsUntilWhenANoIsKept has Unbound asked too early.
func TestExplainTellsUntilWhenANoIsKept(t *testing.T) {
	t.Parallel()
	b := newExplainBed(t, "", "", snooping)
	before := time.Now()
	q := ask("www."+plainZone, dns.TypeA)
	wantRcode(t, q, over(t, "udp", b.unbound.Addr, q), dns.RcodeNameError)
	heard := time.Now()
	for _, k := range b.knots {
		k.Update(t, plainZone, "add www."+plainZone+". 60 A 192.0.2.7")
	}
	testbed.Until(t, patience, "the denial to age", func() bool { return time.Since(heard) > 3*time.Second })
	f := b.explained("www." + plainZone)
	wantVerdict(t, f, explain.CachedNo, "will keep saying NXDOMAIN for another 29m 5", "negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)")
	got := f.Resolvers[0].Cached
	if got.Left == nil || got.Heard == nil {
		t.Fatalf("got %+v, want it to say for how long and since when", got)
	}
	most, least := uint32(f.Time.Sub(before)/time.Second)+1, uint32(f.Time.Sub(heard)/time.Second)
	if *got.Heard < least || *got.Heard > most || *got.Left != 1800-*got.Heard || got.HeardAtMost {
		t.Errorf("got %d s left and %d s since it was heard, want %d to %d s since then, and 1800 in all", *got.Left, *got.Heard, least, most)
	}
	// What it says is what happens: the denial has as long to live for who asks Unbound.
	r := over(t, "udp", b.unbound.Addr, q)
	if left := r.Ns[0].Header().Ttl; r.Rcode != dns.RcodeNameError || left > *got.Left || left+2 < *got.Left {
		t.Errorf("unbound has %v, want NXDOMAIN for about %d s", r, *got.Left)
	}
}

// TestExplainSpoilsNothing explains a name that nobody has asked for, in all its forms, and publishes it then.
func TestExplainSpoilsNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		options []string
	}{{"unbound tells what it has", []string{snooping}}, {"unbound refuses", nil}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newExplainBed(t, "", "x.there A 192.0.2.9\n", test.options...)
			for _, name := range []string{"www." + plainZone, "a.deep." + plainZone, "fresh.dev"} {
				want := explain.NotThereYet
				switch name {
				case "a.deep." + plainZone:
					want = explain.NoSuchZone
				case "fresh.dev":
					want = explain.NotRegistered
				}
				f := b.explained(name)
				wantVerdict(t, f, want)
				if state := f.Resolvers[0].Cached.State; state != explain.Unknown {
					t.Errorf("%s: got the resolver's cache %s, want it unknown", name, state)
				}
			}
			// With the only question that it got about each name Unbound has not asked anybody.
			for _, name := range []string{"www." + plainZone + ".", "a.deep." + plainZone + ".", "deep." + plainZone + "."} {
				most := 1
				if strings.HasPrefix(name, "deep.") {
					most = 0
				}
				if n := countOf(b.unbound.Asked(), name); n > most {
					t.Errorf("got unbound asked %d times about %s, want at most %d, without recursion", n, name, most)
				}
			}
			for _, k := range b.knots {
				k.Update(t, plainZone, "add www."+plainZone+". 60 A 192.0.2.7", "add a.deep."+plainZone+". 60 A 192.0.2.8")
			}
			for name, want := range map[string]string{"www." + plainZone: "192.0.2.7", "a.deep." + plainZone: "192.0.2.8"} {
				q := ask(name, dns.TypeA)
				if got := outcome(over(t, "udp", b.unbound.Addr, q)); got != "NOERROR "+want {
					t.Errorf("%s through unbound, after it was explained and then published: got %s, want %s at once", name, got, want)
				}
			}
			b.dev.Update(t, "dev", "add fresh.dev. 60 NS ns1.shipit.dev.")
			// Its servers refuse it: the delegation is what shows.
			if r := over(t, "udp", b.unbound.Addr, ask("www.fresh.dev", dns.TypeA)); r.Rcode == dns.RcodeNameError {
				t.Errorf("www.fresh.dev through unbound: got NXDOMAIN, want it to have seen the delegation")
			}
		})
	}
}

func countOf(all []string, word string) (n int) {
	for _, w := range all {
		if w == word {
			n++
		}
	}
	return n
}

// TestExplainFindsItFine has a name that Unbound has, and one that it has not been asked for.
func TestExplainFindsItFine(t *testing.T) {
	t.Parallel()
	b := newExplainBed(t, "", "www A 192.0.2.7\nlb A 192.0.2.8\nalias CNAME lb\n", snooping)
	wantVerdict(t, b.explained("www."+plainZone), explain.Fine, "ns1."+plainZone+" and ns2."+plainZone, "is not known")
	wantVerdict(t, b.explained("alias."+plainZone), explain.Fine)
	q := ask("www."+plainZone, dns.TypeA)
	wantRcode(t, q, over(t, "udp", b.unbound.Addr, q), dns.RcodeSuccess)
	f := b.explained("www." + plainZone)
	wantVerdict(t, f, explain.Fine, "and so does "+b.unbound.Addr.String())
	if c := f.Resolvers[0].Cached; c.Left == nil || *c.Left > 1934 || *c.Left < 1920 {
		t.Errorf("got %+v, want the answer with what is left of 1934 s", c)
	}
	z := f.Steps[0].Zones
	if len(z) != 2 || z[1].Delegated == nil || !*z[1].Delegated || z[1].DS == nil || *z[1].DS || z[1].DNSKEY == nil || *z[1].DNSKEY {
		t.Errorf("got the zones %+v, want dev, and shipit.dev delegated and not signed", z)
	}
	if want := []string{"ns1." + plainZone + ".", "ns2." + plainZone + "."}; len(z) == 2 && !slices.Equal(z[1].NS, want) {
		t.Errorf("got the NS %v, want %v", z[1].NS, want)
	}
}
