//go:build e2e && linux

package e2e

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
	"notyet/explain"
)

// TestExplainFollowsTheDelegations has a bed whose zones are broken in several ways.
func TestExplainFollowsTheDelegations(t *testing.T) {
	t.Parallel()
	island := testbed.StartKnot(t, testbed.KnotConfig{Addr: port53(t), Zones: []testbed.Zone{
		{Name: "preview." + plainZone, Text: testbed.SOA("60", "60") + "www A 192.0.2.7\n"},
	}})
	b := newExplainBed(t, `
lame       NS ns1.shipit
gone       NS ns.gone
ns.gone    A  `+nobody(t).Addr().String()+"\n", `
nowhere    CNAME gone
far        CNAME www.other.dev.
text       TXT "only"
x.ent      A 192.0.2.9
`)
	for _, test := range []struct {
		args  []string
		want  explain.Code
		words []string
	}{
		{[]string{"www." + plainZone}, explain.NotThereYet, []string{"both servers of shipit.dev say NXDOMAIN"}},
		{[]string{"text." + plainZone}, explain.TypeMissing, []string{"exists, but has no A: it has TXT"}},
		{[]string{"ent." + plainZone}, explain.TypeMissing, []string{"nor any of AAAA, CNAME, TXT, MX"}},
		{[]string{"nowhere." + plainZone}, explain.CNAMEToNowhere, []string{"a CNAME to gone.shipit.dev", "zone shipit.dev say NXDOMAIN"}},
		{[]string{"far." + plainZone}, explain.CNAMEToNowhere, []string{"a CNAME to www.other.dev", "zone dev say NXDOMAIN"}},
		{[]string{"www.preview." + plainZone}, explain.NoSuchZone, []string{"there is no preview.shipit.dev"}},
		{[]string{"--server", island.Addr.String(), "www.preview." + plainZone}, explain.MissingDelegation, []string{
			"has the zone preview.shipit.dev, but the servers of shipit.dev do not refer to it",
		}},
		{[]string{"www.fresh.dev"}, explain.NotRegistered, []string{"fresh.dev is not registered"}},
		{[]string{"www.lame.dev"}, explain.LameServers, []string{"no server of lame.dev serves it: ns1.shipit.dev: it says"}},
		{[]string{"www.gone.dev"}, explain.LameServers, []string{"no server of gone.dev can be reached, while those of dev can"}},
		{[]string{plainZone, "SOA"}, explain.Fine, nil},
	} {
		wantVerdict(t, b.explained(test.args...), test.want, test.words...)
	}

	for _, name := range []string{"late", "preview"} {
		if asked := b.unbound.Asked(); countOf(asked, name+"."+plainZone+".") > 0 {
			t.Errorf("got unbound asked about %s", name)
		}
	}
	b.knots[0].Update(t, plainZone, "add late."+plainZone+". 60 A 192.0.2.7")
	wantVerdict(t, b.explained("late."+plainZone), explain.Propagating, "1 of 2 name servers has it, ns2.shipit.dev does not yet")
}

// TestExplainSeesALameServer has one of two refuse.
func TestExplainSeesALameServer(t *testing.T) {
	t.Parallel()
	i := newIsland(t)
	i.servers[1].behave(func(in *incoming) { in.reply(in.deny(dns.RcodeRefused)) })
	f := explainAt(t, i.upstream.addr, "www."+plainZone)
	wantVerdict(t, f, explain.LameServers, "1 of 2 servers of shipit.dev does not serve it: ns2.shipit.dev: it says REFUSED")

	for _, test := range []struct {
		name   string
		handle func(*incoming)
		want   explain.Code
		words  string
	}{
		{"silent", silent, explain.PortBlocked, "port 53 to the outside is blocked, or all of them are down"},
		{"intercepted", recursive(i.zone), explain.PortBlocked, "port 53 is intercepted on the way"},
		{"servfail", func(in *incoming) { in.reply(in.deny(dns.RcodeServerFailure)) }, explain.LameServers, "it says SERVFAIL"},
	} {
		i.both(test.handle)
		t.Log(test.name)
		wantVerdict(t, explainAt(t, i.upstream.addr, "www."+plainZone), test.want, test.words)
	}
}

// TestExplainSeesAPrivateZone has Unbound see another zone than the world does, or one that the world has not.
func TestExplainSeesAPrivateZone(t *testing.T) {
	t.Parallel()
	private := testbed.StartKnot(t, testbed.KnotConfig{Zones: []testbed.Zone{
		{Name: plainZone, Text: "$TTL 60\n@ SOA ad.corp hostmaster.corp 7 900 600 86400 60\n@ NS ad.corp\nad.corp A 10.9.8.1\ndb A " + privateAddress + "\n"},
		{Name: "corp." + freshZone, Text: testbed.SOA("60", "60") + "db A " + privateAddress + "\n"},
	}})
	b := newExplainBed(t, "", "www A 192.0.2.7\n", snooping)
	at := b.dev.Addr
	u := testbed.StartUnbound(t, testbed.UnboundConfig{
		Zones:   map[string]netip.AddrPort{"dev": at, plainZone: private.Addr, "corp." + freshZone: private.Addr},
		Options: []string{snooping, "local-data: \"printer." + freshZone + ". A " + privateAddress + "\""},
	})
	wantVerdict(t, explainAt(t, u.Addr, "www."+plainZone), explain.PrivateZone, "has a zone shipit.dev of its own (changed at ad.corp.shipit.dev")
	wantVerdict(t, explainAt(t, u.Addr, "db."+plainZone), explain.PrivateZone, "has a zone shipit.dev of its own")
	wantVerdict(t, explainAt(t, u.Addr, "printer."+freshZone), explain.PrivateZone, "of its own, and the public name servers do not")
	wantVerdict(t, explainAt(t, u.Addr, "db.corp."+freshZone), explain.NotRegistered)
	wantVerdict(t, explainAt(t, u.Addr, "--ask", "db.corp."+freshZone), explain.PrivateZone, "the public DNS has no such zone")
}

// TestExplainShowsWhyAResolverFails has Unbound validate with a wrong anchor.
func TestExplainShowsWhyAResolverFails(t *testing.T) {
	t.Parallel()
	at, top := port53(t), port53(t)
	k := testbed.StartKnot(t, testbed.KnotConfig{Addr: at, Zones: []testbed.Zone{
		{Name: bogusZone, Text: testbed.Apex("60", "60", at.Addr()) + "www A 192.0.2.7\npreview A 192.0.2.8\n", Sign: true},
		{Name: signedZone, Text: testbed.Apex("60", "60", at.Addr()), Sign: true},
	}})
	testbed.StartKnot(t, testbed.KnotConfig{Addr: top, Zones: []testbed.Zone{
		{Name: "dev", Text: testbed.Apex("60", "60", top.Addr()) + "bogus NS ns1.bogus\nns1.bogus A " + at.Addr().String() + "\n"},
	}})
	u := testbed.StartUnbound(t, testbed.UnboundConfig{
		Zones:   map[string]netip.AddrPort{"dev": top},
		Anchors: []string{k.Anchor(t, signedZone, bogusZone)}, Options: []string{"ede: yes"},
	})
	f := explainAt(t, u.Addr, "--ask", "www."+bogusZone)
	wantVerdict(t, f, explain.Bogus, "says SERVFAIL (", "the signatures of bogus.dev do not hold")
	if z := f.Steps[0].Zones; len(z) == 0 || z[len(z)-1].DNSKEY == nil || !*z[len(z)-1].DNSKEY {
		t.Errorf("got the zones %+v, want one that is signed", z)
	}
	f = explainAt(t, u.Addr, "a.previw."+bogusZone)
	wantVerdict(t, f, explain.NoSuchZone, "there is no previw.bogus.dev", "(there is preview.bogus.dev)")
}
