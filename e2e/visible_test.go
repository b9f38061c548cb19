//go:build e2e && linux

package e2e

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestWatchedNamesAreVisibleSoonWhenAskedForTooEarly has twenty clients wait for names that are published at any moment, and
// leaves all of the watch but upstream_after as it is by default.
func TestWatchedNamesAreVisibleSoonWhenAskedForTooEarly(t *testing.T) {
	t.Parallel()
	b := watching()
	n := b.front(t, plainZone+", upstream_after: 0s")
	const names = 20
	const earliest, latest = 3 * time.Second, 30 * time.Second
	var qnames []string
	for range names {
		qnames = append(qnames, newLabel()+"."+plainZone+".")
	}
	var mu sync.Mutex // guards took
	var took []time.Duration
	var clients sync.WaitGroup
	for _, qname := range qnames {
		clients.Go(func() {
			s, err := vigil{
				q:       ask(qname, dns.TypeA),
				denied:  dns.RcodeNameError,
				after:   earliest + rand.N(latest-earliest),
				publish: func() error { return b.add(qname + " 60 A 192.0.2.7") },
			}.keep(n.Addr)
			if err != nil {
				t.Error(err)
				return
			}
			if s.took() > soon {
				t.Errorf("%s: visible %v after it was published, want at most %v", qname, s.took(), soon)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, s.took())
		})
	}
	clients.Wait()
	// Not before they were published, and not since, for the answers' TTL isn't over.
	b.wantUnasked(t, qnames...)
	if len(took) == names {
		slices.Sort(took)
		t.Logf("%d names were visible %v (median) to %v after they were published", names, took[names/2].Round(time.Millisecond), took[names-1].Round(time.Millisecond))
	}
}

// TestWatchedNameIsVisibleSoonHoweverItComesToBe asks too early for what is then published. NEW is a label that nobody has used.
func TestWatchedNameIsVisibleSoonHoweverItComesToBe(t *testing.T) {
	t.Parallel()
	b := watching()
	for _, test := range []struct {
		name      string
		qname     string
		qtype     uint16
		already   string // a record that is there before the first question
		published string
		rdata     string   // of the answer
		unasked   []string // what Unbound must not have been asked about either
		options   []option
	}{
		{
			name: "address", qname: "NEW.shipit.dev", qtype: dns.TypeA,
			published: "NEW.shipit.dev. 60 A 192.0.2.7", rdata: "192.0.2.7",
		},
		{
			name: "below names that don't exist", qname: "a.b.NEW.shipit.dev", qtype: dns.TypeA,
			published: "a.b.NEW.shipit.dev. 60 A 192.0.2.7", rdata: "192.0.2.7",
		},
		{
			name: "child zone on another server", qname: "NEW.eu.shipit.dev", qtype: dns.TypeA,
			published: "NEW.eu.shipit.dev. 60 A 192.0.2.7", rdata: "192.0.2.7", unasked: []string{"ns1.eu.shipit.dev"},
		},
		{
			name: "child zone whose server is named in another zone", qname: "NEW.far.shipit.dev", qtype: dns.TypeA,
			published: "NEW.far.shipit.dev. 60 A 192.0.2.7", rdata: "192.0.2.7",
		},
		{
			name: "wildcard", qname: "any.NEW.shipit.dev", qtype: dns.TypeA,
			published: "*.NEW.shipit.dev. 60 A 192.0.2.7", rdata: "192.0.2.7",
		},
		{
			name: "cname into another zone", qname: "NEW.shipit.dev", qtype: dns.TypeA,
			published: "NEW.shipit.dev. 60 CNAME host.other.dev.", rdata: "192.0.2.7", unasked: []string{"host.other.dev"},
		},
		{
			name: "target published later than the cname", qname: "NEW.shipit.dev", qtype: dns.TypeA,
			already:   "NEW.shipit.dev. 60 CNAME NEW.late.other.dev.",
			published: "NEW.late.other.dev. 60 A 192.0.2.7", rdata: "192.0.2.7", unasked: []string{"NEW.late.other.dev"},
		},
		{
			name: "target of a dname", qname: "NEW.old.shipit.dev", qtype: dns.TypeA,
			published: "NEW.new.shipit.dev. 60 A 192.0.2.7", rdata: "192.0.2.7", unasked: []string{"NEW.new.shipit.dev"},
		},
		{
			name: "dname into another zone", qname: "x.NEW.shipit.dev", qtype: dns.TypeA,
			published: "NEW.shipit.dev. 60 DNAME there.other.dev.", rdata: "192.0.2.7", unasked: []string{"x.there.other.dev"},
		},
		{
			name: "nodata, then txt", qname: "_acme-challenge.NEW.shipit.dev", qtype: dns.TypeTXT,
			already:   `_acme-challenge.NEW.shipit.dev. 60 CAA 0 issue "ca.example"`,
			published: "_acme-challenge.NEW.shipit.dev. 60 TXT token", rdata: `"token"`,
		},
		{
			name: "no txt at an empty non-terminal, then txt", qname: "_acme-challenge.NEW.shipit.dev", qtype: dns.TypeTXT,
			already:   "x._acme-challenge.NEW.shipit.dev. 60 A 192.0.2.1",
			published: "_acme-challenge.NEW.shipit.dev. 60 TXT token", rdata: `"token"`,
		},
		{
			name: "asked for in upper case", qname: "LOUD-NEW.ShipIt.DEV", qtype: dns.TypeA,
			published: "loud-NEW.shipit.dev. 60 A 192.0.2.7", rdata: "192.0.2.7",
		},
		{
			name: "published in upper case", qname: "loud-NEW.shipit.dev", qtype: dns.TypeA,
			published: "LOUD-NEW.SHIPIT.DEV. 60 A 192.0.2.7", rdata: "192.0.2.7",
		},
		{
			name: "do in a zone signed with nsec", qname: "NEW.signed.dev", qtype: dns.TypeA, options: []option{withDO},
			published: "NEW.signed.dev. 60 A 192.0.2.7", rdata: "192.0.2.7",
		},
		{
			name: "do in a zone signed with nsec3", qname: "NEW.nsec3.dev", qtype: dns.TypeA, options: []option{withDO},
			published: "NEW.nsec3.dev. 60 A 192.0.2.7", rdata: "192.0.2.7",
		},
		{
			name: "do, nodata, then txt", qname: "_acme-challenge.NEW.signed.dev", qtype: dns.TypeTXT, options: []option{withDO},
			already:   "_acme-challenge.NEW.signed.dev. 60 A 192.0.2.7",
			published: "_acme-challenge.NEW.signed.dev. 60 TXT token", rdata: `"token"`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			label := newLabel()
			with := func(s string) string { return strings.ReplaceAll(s, "NEW", label) }
			q := ask(with(test.qname), test.qtype, test.options...)
			v := vigil{q: q, denied: dns.RcodeNameError, after: someTime(), publish: func() error { return b.add(with(test.published)) }}
			if test.already != "" {
				if err := b.add(with(test.already)); err != nil {
					t.Fatal(err)
				}
			}
			if test.qtype == dns.TypeTXT {
				v.denied = dns.RcodeSuccess
			}
			s := wantSoon(t, b.notyet.Addr, v)
			b.wantUnasked(t, q.Question[0].Name)
			for _, qname := range test.unasked {
				b.wantUnasked(t, with(qname))
			}
			if got := ofType(s.answer.Answer, test.qtype); len(got) != 1 || !strings.HasSuffix(got[0].String(), "\t"+test.rdata) {
				t.Errorf("%s: got %v, want %s", describe(q), got, test.rdata)
			}
			if s.answer.AuthenticatedData {
				t.Errorf("%s: got AD set in an answer that nobody has validated", describe(q))
			}
			// Unbound has been taught no denial, so it has the same; in a signed zone with the same proof.
			sameRecords(t, q, "answer", s.answer.Answer, direct(t, b.unbound.Addr, q).Answer)
		})
	}
}

// someTime is when a name is published after it was first asked for, in tests that are not about that.
func someTime() time.Duration { return time.Second + rand.N(2*time.Second) }

// TestNamesBelowTheWatchedNameAreNotAskedAtTheUpstream watches the apex of a child zone whose server has a name in that zone.
func TestNamesBelowTheWatchedNameAreNotAskedAtTheUpstream(t *testing.T) {
	t.Parallel()
	b := watching()
	n := b.front(t, stagingZone)
	qname := newLabel() + "." + stagingZone + "."
	wantSoon(t, n.Addr, vigil{
		q: ask(qname, dns.TypeA), denied: dns.RcodeNameError, after: someTime(),
		publish: func() error { return b.add(qname + " 60 A 192.0.2.7") },
	})
	for _, asked := range b.unbound.Asked() {
		if strings.HasSuffix("."+asked, "."+stagingZone+".") {
			t.Errorf("%s: got unbound asked about %s, want nothing there or below", qname, asked)
		}
	}
}

// TestEmptyNonTerminalComesToBe publishes a record two labels below a name that is waited for too.
func TestEmptyNonTerminalComesToBe(t *testing.T) {
	t.Parallel()
	b := watching()
	nodata := func(r *dns.Msg) bool { return r.Rcode == dns.RcodeSuccess && len(r.Answer) == 0 }
	t.Run("its NXDOMAIN becomes NODATA", func(t *testing.T) {
		t.Parallel()
		qname := newLabel() + "." + plainZone + "."
		wantSoon(t, b.notyet.Addr, vigil{
			q: ask(qname, dns.TypeA), denied: dns.RcodeNameError, after: someTime(), there: nodata,
			publish: func() error { return b.add("a.b." + qname + " 60 A 192.0.2.7") },
		})
		b.wantUnasked(t, qname)
	})
	t.Run("what is visible below it takes its NXDOMAIN away", func(t *testing.T) {
		t.Parallel()
		qname := newLabel() + "." + plainZone + "."
		above := ask(qname, dns.TypeA)
		wantSoon(t, b.notyet.Addr, vigil{
			q: ask("a.b."+qname, dns.TypeA), denied: dns.RcodeNameError, after: someTime(),
			publish: func() error {
				// From now on it would be kept for 2 s.
				wantRcode(t, above, over(t, "udp", b.notyet.Addr, above), dns.RcodeNameError)
				return b.add("a.b." + qname + " 60 A 192.0.2.7")
			},
		})
		if r := over(t, "udp", b.notyet.Addr, above); !nodata(r) {
			t.Errorf("%s: got %s once a name below was visible, want NODATA", describe(above), rcode(r.Rcode))
		}
		b.wantUnasked(t, qname)
	})
}

// TestAddressOfTheOtherFamilyIsVisibleAfterTheRamp is the NODATA that is not polled: most names with an A record never get
// an AAAA record.
func TestAddressOfTheOtherFamilyIsVisibleAfterTheRamp(t *testing.T) {
	t.Parallel()
	b := watching()
	qname := newLabel() + "." + plainZone + "."
	if err := b.add(qname + " 60 A 192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	if r := over(t, "udp", b.notyet.Addr, ask(qname, dns.TypeA)); len(r.Answer) != 1 {
		t.Fatalf("got %v, want one address", r)
	}
	v := vigil{
		q: ask(qname, dns.TypeAAAA), denied: dns.RcodeSuccess, after: someTime(),
		publish: func() error { return b.add(qname + " 60 AAAA 2001:db8::7") },
	}
	s, err := v.keep(b.notyet.Addr)
	if err != nil {
		t.Fatal(err)
	}
	// The denial is kept for as long again as the record has been seen missing.
	missing := max(time.Second, s.published.Sub(s.began))
	t.Logf("%s: asked for %v too early, visible %v after it was published", describe(v.q), missing, s.took())
	if s.took() > missing+slack {
		t.Errorf("%s: asked for %v too early: visible %v after it was published, want at most %v", describe(v.q), missing, s.took(), missing+slack)
	}
	b.wantUnasked(t, qname)
}

// TestWildcardAnswersAtOnce is a name that nobody had to publish.
func TestWildcardAnswersAtOnce(t *testing.T) {
	t.Parallel()
	b := watching()
	zone := newLabel() + "." + plainZone + "."
	if err := b.add("*." + zone + " 60 A 192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	q := ask("any."+zone, dns.TypeA)
	sameRecords(t, q, "answer", over(t, "udp", b.notyet.Addr, q).Answer, direct(t, b.knots[0].Addr, q).Answer)
}
