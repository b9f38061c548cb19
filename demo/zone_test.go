package demo

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestServersTakeAChangeUpOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := &zone{negativeTTL: 20 * time.Second, takeUp: []time.Duration{2 * time.Second, time.Second}}
		have := func() (all [2]bool) {
			for i := range all {
				m := z.server(i)(new(dns.Msg).SetQuestion(qname, qtype))
				if all[i] = len(m.Answer) == 1; !all[i] && (m.Rcode != dns.RcodeNameError || len(m.Ns) != 1) {
					t.Errorf("got %v, want NXDOMAIN and the SOA", m)
				}
			}
			return all
		}
		time.Sleep(time.Hour)
		if got := have(); got != [2]bool{} {
			t.Errorf("before publishing: got %v, want none", got)
		}
		z.publish()
		for _, want := range [][2]bool{{}, {false, true}, {true, true}} {
			if got := have(); got != want {
				t.Errorf("%v after publishing: got %v, want %v", time.Since(z.published), got, want)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestZoneAnswersAsOneDoes(t *testing.T) {
	t.Parallel()
	z := &zone{negativeTTL: 20 * time.Second, takeUp: make([]time.Duration, 2)}
	z.publish()
	for _, tc := range []struct {
		qname              string
		qtype              uint16
		rcode, answers, ns int
		aa                 bool
	}{
		{apex, dns.TypeSOA, dns.RcodeSuccess, 1, 0, true},
		{apex, dns.TypeNS, dns.RcodeSuccess, 2, 0, true},
		{apex, dns.TypeA, dns.RcodeSuccess, 0, 1, true},
		{"ns2." + apex, dns.TypeA, dns.RcodeSuccess, 1, 0, true},
		{"ns3." + apex, dns.TypeA, dns.RcodeNameError, 0, 1, true},
		{"PR-7.Preview.Example.COM.", dns.TypeA, dns.RcodeSuccess, 1, 0, true},
		{qname, dns.TypeAAAA, dns.RcodeSuccess, 0, 1, true},
		{"www.example.com.", dns.TypeA, dns.RcodeRefused, 0, 0, false},
	} {
		m := z.server(0)(new(dns.Msg).SetQuestion(tc.qname, tc.qtype))
		if m.Rcode != tc.rcode || len(m.Answer) != tc.answers || len(m.Ns) != tc.ns || m.Authoritative != tc.aa {
			t.Errorf("%s %s: got %v", tc.qname, dns.TypeToString[tc.qtype], m)
		}
	}
}

func TestZoneLetsADenialBeKeptForItsNegativeTTL(t *testing.T) {
	t.Parallel()
	z := &zone{negativeTTL: 20 * time.Second, takeUp: make([]time.Duration, 1)}
	m := z.server(0)(new(dns.Msg).SetQuestion(qname, qtype))
	if ttl, denied := negativeTTL(m); !denied || ttl != 20*time.Second {
		t.Errorf("got %v, want 20s", ttl)
	}
}
