package explain

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/config"
	"notyet/upstream"
	"notyet/upstream/upstreamtest"
)

// open makes a World with resolvers that do as they are told.
func open(t *testing.T, resolvers ...*upstreamtest.Server) *World {
	t.Helper()
	var c Config
	for _, r := range resolvers {
		c.Resolvers = append(c.Resolvers, config.Upstream{Addr: r.Addr})
	}
	w, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func answering(t *testing.T) *upstreamtest.Server {
	return upstreamtest.New(t, func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.7") })
}

func TestResolverThatFailsIsNotTheLast(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(*upstreamtest.Query){
		"servfail": func(q *upstreamtest.Query) { q.Rcode(dns.RcodeServerFailure) },
		"refused":  func(q *upstreamtest.Query) { q.Rcode(dns.RcodeRefused) },
		"silent":   func(*upstreamtest.Query) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := answering(t)
			w := open(t, upstreamtest.New(t, first), good)
			began := time.Now()
			m, from, err := w.lookup(t.Context(), "shipit.dev.", dns.TypeA)
			if took := time.Since(began); took >= attempt {
				t.Errorf("got an answer after %v, want it before the first resolver's time is up", took)
			}
			if err != nil || len(m.Answer) != 1 || from != good.Addr.Addr() {
				t.Errorf("got %v from %v, %v, want the second resolver's answer", m, from, err)
			}
		})
	}
}

func TestDenialIsAnAnswer(t *testing.T) {
	t.Parallel()
	w := open(t, upstreamtest.New(t, func(q *upstreamtest.Query) { q.Deny() }), answering(t))
	if m, _, err := w.lookup(t.Context(), "shipit.dev.", dns.TypeNS); err != nil || m.Rcode != dns.RcodeNameError {
		t.Errorf("got %v, %v, want NXDOMAIN", m, err)
	}
}

func TestLookUpThatFailsNamesTheResolver(t *testing.T) {
	t.Parallel()
	r := upstreamtest.New(t, func(q *upstreamtest.Query) { q.Rcode(dns.RcodeServerFailure) })
	w := open(t, r)
	if _, _, err := w.lookup(t.Context(), "shipit.dev.", dns.TypeNS); err == nil || err.Error() != r.Addr.String()+": SERVFAIL" {
		t.Errorf("got %v, want SERVFAIL of %v", err, r.Addr)
	}
	if _, _, err := open(t).lookup(t.Context(), "shipit.dev.", dns.TypeNS); !errors.Is(err, errNoResolver) {
		t.Errorf("got %v, want %v", err, errNoResolver)
	}
}

func TestResolversAreSparedTheNamesThatAreWaitedFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		qname        string
		qtype        uint16
		start        string
		spared, free []string
	}{
		{
			"pr-7.preview.shipit.dev.", dns.TypeA, "shipit.dev.",
			[]string{"pr-7.preview.shipit.dev.", "preview.shipit.dev."},
			[]string{"shipit.dev.", "dev.", "ns1.shipit.dev.", "x.pr-7.preview.shipit.dev.", "other.preview.shipit.dev."},
		},
		{"shipit.dev.", dns.TypeTXT, "dev.", []string{"shipit.dev."}, []string{"dev.", "ns1.shipit.dev."}},
		{"shipit.co.uk.", dns.TypeA, "co.uk.", []string{"shipit.co.uk."}, []string{"co.uk.", "uk."}},
		{"dev.", dns.TypeA, ".", []string{"dev."}, []string{"."}},
		{"7.2.0.192.in-addr.arpa.", dns.TypePTR, "2.0.192.in-addr.arpa.", []string{"7.2.0.192.in-addr.arpa."}, []string{"2.0.192.in-addr.arpa."}},
		{
			strings.Repeat("7.", 16) + strings.Repeat("0.", 16) + "ip6.arpa.", dns.TypePTR, strings.Repeat("0.", 16) + "ip6.arpa.",
			[]string{strings.Repeat("7.", 16) + strings.Repeat("0.", 16) + "ip6.arpa.", "7." + strings.Repeat("0.", 16) + "ip6.arpa."},
			[]string{strings.Repeat("0.", 16) + "ip6.arpa."},
		},
	} {
		t.Run(tt.qname, func(t *testing.T) {
			t.Parallel()
			r := answering(t)
			w := open(t, r)
			request := w.Request(tt.qname, tt.qtype)
			if got := request.Start(); got != tt.start {
				t.Errorf("got discovery begun at %s, want %s", got, tt.start)
			}
			for _, qname := range tt.spared {
				if _, _, err := w.lookup(t.Context(), qname, dns.TypeA); err == nil {
					t.Errorf("%s: got it looked up", qname)
				}
			}
			if asked := r.Queries(); asked != 0 {
				t.Errorf("got %d questions at the resolver, want none", asked)
			}
			for _, qname := range tt.free {
				if _, _, err := w.lookup(t.Context(), qname, dns.TypeA); err != nil {
					t.Errorf("%s: %v", qname, err)
				}
			}
			if got := w.Kept(); !slices.Equal(got, tt.spared) {
				t.Errorf("got %q kept from the resolver, want %q", got, tt.spared)
			}
		})
	}
}

func TestQuestionsToNameServersAreNotRecursive(t *testing.T) {
	t.Parallel()
	rd := make(chan bool, 3)
	s := upstreamtest.New(t, func(q *upstreamtest.Query) {
		rd <- q.Message().RecursionDesired
		q.Answer("60 A 192.0.2.7")
	})
	w := open(t, s)
	// Nothing but the given server is asked: no way leads to the name.
	f := open(t).Explain(t.Context(), Question{Name: "www.shipit.dev.", Type: dns.TypeA, Given: []netip.AddrPort{s.Addr}})
	if g := f.Given[0]; g.Says != Lame || <-rd || s.Queries() != 1 {
		t.Errorf("got %+v after %d questions, or RD in it, want one without", g, s.Queries())
	}
	for _, want := range []bool{false, true} {
		if _, err := w.Resolvers[0].Ask(t.Context(), "www.shipit.dev.", dns.TypeA, want); err != nil || <-rd != want {
			t.Errorf("got %v with another RD than %v", err, want)
		}
	}
}

func TestClosedWorldAsksNobody(t *testing.T) {
	t.Parallel()
	silent := upstreamtest.New(t, func(*upstreamtest.Query) {})
	w := open(t, silent)
	asked := make(chan error, 1)
	go func() {
		_, err := w.Finder.Ask(context.Background(), w.Request("www.shipit.dev.", dns.TypeA))
		asked <- err
	}()
	w.Close()
	if err := <-asked; err == nil {
		t.Error("got an answer")
	}
	before := silent.Queries()
	f := w.Explain(t.Context(), Question{Name: "www.shipit.dev.", Type: dns.TypeA, Given: []netip.AddrPort{silent.Addr}})
	if g := f.Given[0]; g.Why != upstream.ErrStopped.Error() {
		t.Errorf("got %+v, want it %v", g, upstream.ErrStopped)
	}
	if _, err := w.Finder.Ask(t.Context(), w.Request("www.other.dev.", dns.TypeA)); err == nil || silent.Queries() != before {
		t.Errorf("got %v, and %d questions more, want none", err, silent.Queries()-before)
	}
}

func TestResolversOfTheSystemAreThoseOfItsFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 192.0.2.1\nnameserver 192.0.2.2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := Open(Config{ResolvConf: file, Resolvers: []config.Upstream{
		{System: true}, {Addr: netip.MustParseAddrPort("192.0.2.2:53")}, {TCP: true, Addr: netip.MustParseAddrPort("192.0.2.3:53")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var got []string
	for _, r := range w.Resolvers {
		got = append(got, r.String())
	}
	if want := []string{"192.0.2.1:53", "192.0.2.2:53", "tcp://192.0.2.3:53"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	none := filepath.Join(t.TempDir(), "none")
	for _, u := range []config.Upstream{{System: true}, {TLS: true, Name: "dns.shipit.dev", Addr: netip.AddrPortFrom(netip.Addr{}, 853)}} {
		if _, err := Open(Config{ResolvConf: none, Resolvers: []config.Upstream{u}}); err == nil || !strings.Contains(err.Error(), none) {
			t.Errorf("%v without a resolv.conf: got %v, want it named", u, err)
		}
	}
}

func TestTypesAreThoseOfRecords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint16{"A": dns.TypeA, "txt": dns.TypeTXT, "Https": dns.TypeHTTPS, "TYPE65": 65, "type65400": 65400, "DS": dns.TypeDS, "CAA": dns.TypeCAA} {
		if got, err := ParseType(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "ADDRESS", "TYPE", "TYPE65536", "TYPE-1", "65", "ANY", "AXFR", "OPT", "TSIG", "TYPE0", "TYPE255", "None"} {
		if got, err := ParseType(text); err == nil {
			t.Errorf("%s: got %d, want a remedy", text, got)
		}
	}
}
