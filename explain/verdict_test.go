package explain

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// facts are those of www.shipit.dev A: both its servers have it, it is delegated by dev, and the one resolver does not tell what
// it has. The change makes them others.
func facts(t *testing.T, change func(*Facts)) *Facts {
	t.Helper()
	f := &Facts{
		Name: "www.shipit.dev.", Type: "A", Domain: "shipit.dev.", Suffix: "dev.",
		Time: time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC),
		Steps: []Step{{Name: "www.shipit.dev.", Zones: []Zone{
			{Apex: "dev.", SOA: zoneSOA(t, "dev. 60 SOA a.dev. b.dev. 7 3600 600 86400 60")},
			{Apex: "shipit.dev.", SOA: zoneSOA(t, soaWith("1934"))},
		}, Servers: []Server{
			{Name: "ns1.shipit.dev", Address: "192.0.2.1:53", Says: Positive, Records: []string{"www.shipit.dev. 60 IN A 192.0.2.7"}},
			{Name: "ns2.shipit.dev", Address: "192.0.2.2:53", Says: Positive, Records: []string{"www.shipit.dev. 60 IN A 192.0.2.7"}},
		}}},
		Resolvers: []View{{Address: "10.0.0.2:53", Cached: unknown("it says REFUSED when asked for what it has")}},
		Given:     []Given{},
	}
	if change != nil {
		change(f)
	}
	return f
}

// say has the servers of the last step say this, in their order.
func (f *Facts) say(all ...string) {
	for i, says := range all {
		f.end().Servers[i].Says, f.end().Servers[i].Records = says, nil
	}
}

// why is what is wrong with all servers.
func (f *Facts) why(why string) {
	for i := range f.end().Servers {
		f.end().Servers[i].Why = why
	}
}

// cname has the name lead to another one, that the same servers say something of.
func (f *Facts) cname(target string, says ...string) {
	s := f.Steps[0]
	s.Servers = slices.Clone(s.Servers)
	s.Name = target
	f.Steps[0].Target = target
	f.Steps = append(f.Steps, s)
	f.say(says...)
}

func number(n uint32) *uint32 { return &n }

// keeps has the resolver keep a denial by the zone's own SOA.
func (f *Facts) keeps(state string, left uint32) {
	soa := *f.Steps[0].Zones[1].SOA
	soa.TTL = left
	f.Resolvers[0].Cached = Cached{State: state, Left: &left, SOA: &soa}
	f.Resolvers[0].Cached.heard(f.Steps[0].Zones[1].SOA)
}

// behind has a notyet run, which the resolver is when it is 1 and which asks it when it is 0; the other one is not known to have
// anything.
func (f *Facts) behind(resolver int) {
	f.Notyet = &Notyet{Flags: "--admin 127.0.0.1:8054"}
	f.Resolvers = append(f.Resolvers, View{Address: "127.0.0.1:1053", Cached: unknown("it does not answer")})
	f.Resolvers[1-resolver].Notyet, f.Resolvers[resolver].Behind = true, true
}

// answers has the resolver answer when it is asked.
func (f *Facts) answers(a Answer) { f.Asked, f.Resolvers[0].Answer = true, &a }

func TestVerdicts(t *testing.T) {
	t.Parallel()
	alien := &SOA{Owner: "rpz.example.", TTL: 60, Minimum: 60}
	other := &SOA{Owner: "shipit.dev.", MName: "ad.corp.", TTL: 60, Minimum: 60, Serial: 42}
	below := &SOA{Owner: "corp.shipit.dev.", MName: "ad.corp.", TTL: 60, Minimum: 60, Serial: 42}
	for _, test := range []struct {
		name   string
		change func(*Facts)
		want   Code
		words  string // in the sentence
		next   string // among what to do
	}{
		{"fine", nil, Fine, "all its name servers have it (ns1.shipit.dev and ns2.shipit.dev); what 10.0.0.2 has cached is not known", ""},
		{"fine and cached", func(f *Facts) { f.Resolvers[0].Cached = Cached{State: Positive, Left: number(9)} }, Fine, "and so does 10.0.0.2", ""},
		{"fine with one server", func(f *Facts) { f.Steps[0].Servers = f.Steps[0].Servers[:1] }, Fine, "its name server has it (ns1.shipit.dev)", ""},
		{"fine though there is no way to one", func(f *Facts) { f.say(Positive, Away) }, Fine, "", ""},
		{"fine by a cname", func(f *Facts) { f.cname("lb.shipit.dev.", Positive, Positive) }, Fine, "", ""},
		{"fine and asked", func(f *Facts) { f.answers(Answer{Says: Positive}) }, Fine, "and so does 10.0.0.2", ""},

		{"cached no", func(f *Facts) { f.keeps(NXDOMAIN, 1451) }, CachedNo,
			"www.shipit.dev A is there, but 10.0.0.2 will keep saying NXDOMAIN for another 24m 11s: it heard it 5m 49s ago, negative TTL 30m = min(SOA TTL 1934, MINIMUM 1800)",
			"it is over at 14:24:11"},
		{"cached no data", func(f *Facts) { f.keeps(NODATA, 60) }, CachedNo, "will keep saying NODATA for another 1m", "unbound-control flush"},
		{"cached no into the next day", func(f *Facts) { f.keeps(NXDOMAIN, 36001) }, CachedNo, "for another 10h", "it is over at 2026-11-27 00:00:01"},
		{"asked, and denied", func(f *Facts) {
			f.answers(Answer{Says: NXDOMAIN, Rcode: "NXDOMAIN", SOA: zoneSOA(t, soaWith("1451"))})
		}, CachedNo, "for another 24m 11s: it heard it 5m 49s ago", ""},
		{"asked, and no longer denied", func(f *Facts) {
			f.keeps(NXDOMAIN, 0)
			f.answers(Answer{Says: Positive, Rcode: "NOERROR"})
		}, Fine, "", ""},
		{"cached no in the running notyet", func(f *Facts) {
			f.Notyet = &Notyet{Cached: []Cached{{Type: "AAAA", State: NODATA}, {Type: "A", State: NXDOMAIN, Left: number(2)}}}
		}, CachedNo, "the running notyet will keep saying NXDOMAIN for another 2s", "notyet cache flush www.shipit.dev"},
		{"cached no behind the running notyet", func(f *Facts) {
			f.keeps(NXDOMAIN, 1451)
			f.behind(0)
		}, CachedNo, "www.shipit.dev A is there, but 10.0.0.2 (which the running notyet asks) will keep saying NXDOMAIN for another 24m 11s",
			"make the running notyet forget it: notyet cache flush www.shipit.dev --admin 127.0.0.1:8054"},
		{"cached no behind the running notyet, to be overruled", func(f *Facts) {
			f.keeps(NXDOMAIN, 1451)
			f.behind(0)
		}, CachedNo, "", "or put it under watch, and notyet asks the name servers whatever 10.0.0.2 says: notyet watch add www.shipit.dev --admin 127.0.0.1:8054"},
		{"cached no in a resolver that is the running notyet", func(f *Facts) {
			f.keeps(NXDOMAIN, 0)
			f.behind(1)
		}, CachedNo, "but the running notyet has NXDOMAIN, and forgets it now", "make the running notyet forget it: notyet cache flush www.shipit.dev"},
		{"cached no in a notyet that hides whom it asks", func(f *Facts) {
			f.keeps(NXDOMAIN, 0)
			f.behind(1)
			f.Resolvers = f.Resolvers[:1]
		}, CachedNo, "", "those that it asks may keep it too, for longer; see each: notyet explain --upstream ADDRESS www.shipit.dev A"},
		{"cached no that is over", func(f *Facts) { f.keeps(NXDOMAIN, 0) }, CachedNo, "has NXDOMAIN, and forgets it now", "ask again: that is over by now"},
		{"cached no of the zone above", func(f *Facts) {
			f.Resolvers[0].Cached = Cached{State: NXDOMAIN, Left: number(5), SOA: f.Steps[0].Zones[0].SOA}
		}, CachedNo, "for another 5s", ""},

		{"not there yet", func(f *Facts) { f.say(NXDOMAIN, NXDOMAIN) }, NotThereYet, "both servers of shipit.dev say NXDOMAIN", "notyet wait www.shipit.dev A"},
		{"not there yet, and heard of", func(f *Facts) { f.say(NXDOMAIN, NXDOMAIN); f.keeps(NXDOMAIN, 1451) }, NotThereYet,
			"10.0.0.2 has heard that and keeps it for another 24m 11s", "when it is published flush"},
		{"not there yet, and hardly heard of any more", func(f *Facts) { f.say(NXDOMAIN, NXDOMAIN); f.keeps(NXDOMAIN, 0) }, NotThereYet,
			"; 10.0.0.2 has heard that and forgets it now", "unbound-control flush"},
		{"not there yet, and heard of by the running notyet", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.keeps(NXDOMAIN, 0)
			f.behind(1)
		}, NotThereYet, "; the running notyet has heard that and forgets it now",
			"when it is published make the running notyet forget it: notyet cache flush www.shipit.dev --admin 127.0.0.1:8054"},
		{"not there yet, and heard of behind the running notyet", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.keeps(NXDOMAIN, 60)
			f.behind(0)
		}, NotThereYet, "; 10.0.0.2 (which the running notyet asks) has heard that and keeps it for another 1m",
			"when it is published flush www.shipit.dev there"},
		{"not there yet, and one silent", func(f *Facts) { f.say(NXDOMAIN, Silent) }, NotThereYet, "the server of shipit.dev says NXDOMAIN", ""},
		{"not there yet, and there is another", func(f *Facts) { f.say(NXDOMAIN, NXDOMAIN); f.Steps[0].Near = []string{"ww.shipit.dev."} },
			NotThereYet, "(there is ww.shipit.dev)", ""},
		{"propagating", func(f *Facts) { f.say(Positive, NXDOMAIN) }, Propagating, "1 of 2 name servers has it, ns2.shipit.dev does not yet",
			"longer than the zone's refresh (1h)"},
		{"propagating target", func(f *Facts) { f.cname("lb.shipit.dev.", NODATA, Positive) }, Propagating, "lb.shipit.dev A is on its way", ""},
		{"propagating while a cache says no", func(f *Facts) { f.say(Positive, NXDOMAIN); f.keeps(NXDOMAIN, 60) }, Propagating, "", ""},
		{"type missing", func(f *Facts) { f.say(NODATA, NODATA); f.Steps[0].Types = []string{"AAAA", "TXT"} }, TypeMissing,
			"www.shipit.dev exists, but has no A: it has AAAA and TXT", "ask for AAAA and TXT"},
		{"type missing at a name without any", func(f *Facts) { f.say(NODATA, NODATA) }, TypeMissing, "nor any of AAAA, CNAME, TXT, MX", ""},
		{"typo of the zone", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Steps[0].Name, f.Steps[0].Missing = "a.previw.shipit.dev.", "previw.shipit.dev."
			f.Steps[0].Near = []string{"preview.shipit.dev."}
		}, NoSuchZone, "a.previw.shipit.dev falls into the zone shipit.dev, in which there is no previw.shipit.dev: neither records nor a delegation (there is preview.shipit.dev)",
			"add its NS records to shipit.dev"},
		{"watched below a label that is not there", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Steps[0].Name, f.Steps[0].Missing = "pr-7.preview.shipit.dev.", "preview.shipit.dev."
			f.Notyet = &Notyet{Watch: "pr-7.preview.shipit.dev."}
		}, NotThereYet, "is not there yet: both servers of shipit.dev say NXDOMAIN", "publish it in the zone shipit.dev"},
		{"watched far above a label that is not there", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Steps[0].Name, f.Steps[0].Missing = "a.previw.shipit.dev.", "previw.shipit.dev."
			f.Notyet = &Notyet{Watch: "shipit.dev."}
		}, NoSuchZone, "in which there is no previw.shipit.dev", ""},
		{"cname to nowhere", func(f *Facts) { f.cname("lb.shipit.dev.", NXDOMAIN, NXDOMAIN) }, CNAMEToNowhere,
			"www.shipit.dev is a CNAME to lb.shipit.dev, which has no A: the servers of its zone shipit.dev say NXDOMAIN", "correct the CNAME of www.shipit.dev"},
		{"cname to no data", func(f *Facts) { f.cname("lb.shipit.dev.", NODATA, NODATA) }, CNAMEToNowhere, "say NODATA", ""},
		{"cname in a circle", func(f *Facts) { f.cname("lb.shipit.dev.", Positive, Positive); f.end().Target = f.Name }, CNAMEToNowhere,
			"from lb.shipit.dev on to www.shipit.dev, in a circle", "correct the CNAME of lb.shipit.dev"},
		{"not registered", func(f *Facts) { f.say(NXDOMAIN, NXDOMAIN); f.Steps[0].Zones = f.Steps[0].Zones[:1] }, NotRegistered,
			"shipit.dev is not registered, or has no name servers: the servers of dev say", "at the registrar"},
		{"registered without servers", func(f *Facts) { f.say(NODATA, NODATA); f.Steps[0].Zones = f.Steps[0].Zones[:1] }, MissingDelegation,
			"shipit.dev is known to the servers of dev, but they delegate it to nobody", ""},
		{"gone, and cached", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Resolvers[0].Cached = Cached{State: Positive, Left: number(9)}
		}, CachedYes,
			"10.0.0.2, which has it for another 9s", "ask again in 9s"},
		{"gone, and cached for a moment", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Resolvers[0].Cached = Cached{State: Positive, Left: number(0)}
		}, CachedYes, "10.0.0.2, which has it for another 1s", "ask again in 1s"},

		{"missing delegation", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Given = []Given{{Server{Address: "192.0.2.9:53", Says: Positive}, "www.shipit.dev."}}
		}, MissingDelegation, "192.0.2.9 has the zone www.shipit.dev, but the servers of shipit.dev do not refer to it", "add NS records for www.shipit.dev"},
		{"delegated to others", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Given = []Given{{Server{Address: "192.0.2.9:53", Says: Positive}, "shipit.dev."}}
		}, MissingDelegation, "192.0.2.9 has www.shipit.dev A, but is not among the servers that shipit.dev is delegated to (ns1.shipit.dev and ns2.shipit.dev)", ""},
		{"given server that is one of them", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Given = []Given{{Server{Address: "192.0.2.1:53", Says: NXDOMAIN}, "shipit.dev."}}
		}, NotThereYet, "", ""},
		{"given server that has nothing", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Given = []Given{{Server{Address: "192.0.2.9:53", Says: Lame}, ""}}
		}, NotThereYet, "", ""},

		{"private zone", func(f *Facts) { f.say(NXDOMAIN, NXDOMAIN); f.Resolvers[0].DomainSOA = other }, PrivateZone,
			"10.0.0.2 has a zone shipit.dev of its own (changed at ad.corp, serial 42", "publish www.shipit.dev A in that zone"},
		{"private zone that lacks it", func(f *Facts) { f.Resolvers[0].Cached = Cached{State: NXDOMAIN, Left: number(5), SOA: other} }, PrivateZone,
			": there www.shipit.dev A is missing", ""},
		{"private zone that has it, as has the public one", func(f *Facts) {
			f.Resolvers[0].DomainSOA, f.Resolvers[0].Cached = other, Cached{State: Positive, Left: number(5)}
		}, Fine, "", ""},
		{"private zone at the second resolver", func(f *Facts) {
			f.Resolvers[0].Cached = Cached{State: Positive, Left: number(5)}
			f.Resolvers = append(f.Resolvers, View{Address: "10.0.0.3:53", DomainSOA: other, Cached: unknown("it says REFUSED")})
		}, PrivateZone, "10.0.0.3 has a zone shipit.dev of its own", ""},
		{"private child zone", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Steps[0].Name = "db.corp.shipit.dev."
			f.Resolvers[0].Cached = Cached{State: NXDOMAIN, Left: number(5), SOA: below}
		}, PrivateZone, "has a zone corp.shipit.dev of its own", ""},
		{"private name", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Resolvers[0].Cached = Cached{State: Positive, Own: true, Left: number(5)}
		}, PrivateZone,
			"has www.shipit.dev A of its own, and the public name servers do not", "resolve only through 10.0.0.2"},
		{"private name at the second resolver", func(f *Facts) {
			f.say(NXDOMAIN, NXDOMAIN)
			f.Resolvers = append(f.Resolvers, View{Address: "10.0.0.3:53", Cached: Cached{State: Positive, Own: true, Left: number(5)}})
		}, PrivateZone, "10.0.0.3 has www.shipit.dev A of its own", "resolve only through 10.0.0.3"},
		{"private zone that nobody delegates", func(f *Facts) {
			f.Steps[0].Servers, f.Steps[0].Zones = nil, []Zone{{Apex: "dev.", Fault: "no NS"}}
			f.answers(Answer{Says: Positive})
		}, PrivateZone, "the public DNS has no such zone", ""},
		{"private zone by the finder's word", func(f *Facts) { f.say(Lame, Lame); f.Steps[0].Zones[1].Differs = true }, PrivateZone,
			"the resolvers have a zone shipit.dev of their own", ""},
		{"filtered", func(f *Facts) { f.Resolvers[0].Cached = Cached{State: NXDOMAIN, Left: number(5), SOA: alien} }, Filtered,
			"10.0.0.2 denies www.shipit.dev A in the name of a zone that it is not in, rpz.example: a filter", ""},
		{"filtered, and said so", func(f *Facts) {
			f.answers(Answer{Says: NXDOMAIN, Rcode: "NXDOMAIN", EDE: []EDE{{Code: 15, Name: "Blocked", Text: "malware"}}})
		}, Filtered, "answers NXDOMAIN for www.shipit.dev A on purpose: Blocked: malware", ""},

		{"blocked", func(f *Facts) {
			f.say(Silent, Silent)
			f.why("it does not answer")
			f.Steps[0].Zones = []Zone{{Apex: "shipit.dev.", Fault: "timeout"}}
		}, PortBlocked, "no server of shipit.dev answers from here (ns1.shipit.dev: it does not answer; ns2.shipit.dev: it does not answer): port 53 to the outside is blocked",
			"notyet explain --ask www.shipit.dev A"},
		{"intercepted", func(f *Facts) { f.say(Lame, Silent); f.Steps[0].Servers[0].Recursor = true }, PortBlocked, "port 53 is intercepted", ""},
		{"intercepted, and no way to one", func(f *Facts) { f.say(Lame, Away); f.Steps[0].Servers[0].Recursor = true }, PortBlocked, "is intercepted", ""},
		{"all lame", func(f *Facts) { f.say(Lame, Silent); f.why("it says REFUSED") }, LameServers,
			"no server of shipit.dev serves it: ns1.shipit.dev: it says REFUSED; ns2", "take them out of its NS"},
		{"all down", func(f *Facts) { f.say(Silent, Silent) }, LameServers, "no server of shipit.dev can be reached, while those of dev can", ""},
		{"one lame", func(f *Facts) { f.say(Positive, Lame); f.Steps[0].Servers[1].Why = "it says REFUSED" }, LameServers,
			"www.shipit.dev A is there, but 1 of 2 servers of shipit.dev does not serve it: ns2.shipit.dev: it says REFUSED", ""},
		{"one lame, and a cache says no", func(f *Facts) { f.say(Positive, Lame); f.keeps(NXDOMAIN, 60) }, CachedNo, "", ""},
		{"bogus", func(f *Facts) {
			f.answers(Answer{Says: Failure, Rcode: "SERVFAIL", EDE: []EDE{{Code: 6, Name: "DNSSEC Bogus"}}})
		}, Bogus, "10.0.0.2 says SERVFAIL (DNSSEC Bogus): it validates, and the signatures of shipit.dev do not hold", "compare the DS"},
		{"bogus without an extended error", func(f *Facts) { f.answers(Answer{Says: Failure, Rcode: "SERVFAIL", Unchecked: true}) }, Bogus, "", ""},
		{"resolver fails", func(f *Facts) {
			f.answers(Answer{Says: Failure, Rcode: "SERVFAIL", EDE: []EDE{{Code: 22, Name: "No Reachable Authority"}}})
		}, ServerFailure,
			"10.0.0.2 says SERVFAIL (No Reachable Authority), although the name servers have www.shipit.dev A", ""},
		{"second resolver fails", func(f *Facts) {
			f.answers(Answer{Says: Positive})
			f.Resolvers = append(f.Resolvers, View{Address: "10.0.0.3:53", Answer: &Answer{Says: Failure, Rcode: "SERVFAIL"}})
		}, ServerFailure, "10.0.0.3 says SERVFAIL, although the name servers have www.shipit.dev A", "whether 10.0.0.3 reaches"},
		{"resolver is silent", func(f *Facts) { f.answers(Answer{Says: Failure, Why: "it does not answer"}) }, ServerFailure, "says nothing: it does not answer", ""},
		{"nobody is found", func(f *Facts) { f.Steps[0].Servers, f.Steps[0].Zones = nil, []Zone{{Apex: "dev.", Fault: "no NS"}} }, Undecided,
			"the name servers of www.shipit.dev cannot be found: no NS", "--upstream"},
		{"nothing is found", func(f *Facts) { f.Steps[0].Servers, f.Steps[0].Zones = nil, nil }, Undecided, "cannot be found", ""},
	} {
		got := conclude(facts(t, test.change))
		if got.Code != test.want || !strings.Contains(got.Sentence, test.words) {
			t.Errorf("%s\n got %s: %s\nwant %s: %s", test.name, got.Code, got.Sentence, test.want, test.words)
		}
		if !slices.ContainsFunc(append(got.Next, ""), func(s string) bool { return strings.Contains(s, test.next) }) {
			t.Errorf("%s: got what to do %q, want %q among it", test.name, got.Next, test.next)
		}
		if got.Next == nil || len(got.Next) == 0 && got.Code != Fine {
			t.Errorf("%s: got nothing to do", test.name)
		}
	}
}
