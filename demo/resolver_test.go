package demo

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// desk is a resolver whose zone has servers that are functions.
type desk struct {
	*resolver
	asked []netip.AddrPort // the servers, in the order of the questions
}

func deskOf(servers int, say handler) *desk {
	d := &desk{resolver: new(resolver)}
	for i := range servers {
		d.servers = append(d.servers, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(1+i)))
	}
	d.exchange = func(_ context.Context, at netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
		d.asked = append(d.asked, at)
		if m := say(q); m != nil {
			return m, nil
		}
		return nil, errors.New("nobody there")
	}
	return d
}

func (d *desk) ask(qname string, qtype uint16) *dns.Msg {
	return d.answer(new(dns.Msg).SetQuestion(qname, qtype))
}

// denial answers with an rcode and a SOA.
func denial(rcode int, ttl, minimum uint32) handler {
	return func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetRcode(q, rcode)
		soa := (&zone{}).soa()
		soa.Hdr.Ttl, soa.Minttl = ttl, minimum
		m.Ns = []dns.RR{soa}
		return m
	}
}

func TestPlainResolverKeepsADenialForItsNegativeTTL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		say  handler
		want time.Duration
	}{
		{"SOA TTL below MINIMUM", denial(dns.RcodeNameError, 20, 60), 20 * time.Second},
		{"MINIMUM below SOA TTL", denial(dns.RcodeNameError, 60, 20), 20 * time.Second},
		{"NODATA", denial(dns.RcodeSuccess, 20, 20), 20 * time.Second},
		{"no SOA", func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeNameError) }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := deskOf(1, tc.say)
				began := time.Now()
				for len(d.asked) < 2 {
					d.ask(qname, dns.TypeA)
					time.Sleep(time.Second / 2)
				}
				if kept := time.Since(began) - time.Second/2; kept != max(tc.want, time.Second/2) {
					t.Errorf("it asked again after %v, want %v", kept, tc.want)
				}
			})
		})
	}
}

func TestPlainResolverAnnouncesWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := deskOf(1, denial(dns.RcodeNameError, 60, 20))
		for _, want := range []time.Duration{20, 20, 19, 19, 18} {
			m := d.ask(qname, dns.TypeA)
			ttl, denied := negativeTTL(m)
			if !denied || m.Rcode != dns.RcodeNameError || ttl != want*time.Second {
				t.Errorf("got %v %v, want NXDOMAIN with %d s", ttl, dns.RcodeToString[m.Rcode], want)
			}
			time.Sleep(time.Second / 2)
		}
	})
}

func TestPlainResolverKeepsNXDOMAINForAllTypesAndNODATAForOne(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rcode, asked int
	}{{dns.RcodeNameError, 1}, {dns.RcodeSuccess, 2}} {
		d := deskOf(1, denial(tc.rcode, 20, 20))
		d.ask(qname, dns.TypeA)
		d.ask("PR-7.preview.example.com.", dns.TypeAAAA)
		d.ask(qname, dns.TypeA)
		if len(d.asked) != tc.asked {
			t.Errorf("%s: got %d questions, want %d", dns.RcodeToString[tc.rcode], len(d.asked), tc.asked)
		}
	}
}

func TestPlainResolverKeepsWhatExists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := deskOf(1, affirm)
		for range 3 {
			if m := d.ask(qname, dns.TypeA); len(m.Answer) != 1 || !m.RecursionAvailable || m.Authoritative {
				t.Errorf("got %v", m)
			}
			time.Sleep(10 * time.Second)
		}
		if len(d.asked) != 1 {
			t.Errorf("got %d questions, want 1", len(d.asked))
		}
	})
}

func TestPlainResolverAsksTheServersInTurn(t *testing.T) {
	t.Parallel()
	d := deskOf(2, denial(dns.RcodeNameError, 0, 0))
	for range 3 {
		d.ask(qname, dns.TypeA)
	}
	if len(d.asked) != 3 || d.asked[0] != d.servers[0] || d.asked[1] != d.servers[1] || d.asked[2] != d.servers[0] {
		t.Errorf("got questions to %v, want them to %v in turn", d.asked, d.servers)
	}
}

func TestPlainResolverDoesNotKeepAFailure(t *testing.T) {
	t.Parallel()
	d := deskOf(1, func(*dns.Msg) *dns.Msg { return nil })
	for range 2 {
		if m := d.ask(qname, dns.TypeA); m.Rcode != dns.RcodeServerFailure {
			t.Errorf("got %v, want SERVFAIL", m)
		}
	}
	if len(d.asked) != 2 {
		t.Errorf("got %d questions, want 2", len(d.asked))
	}
}

func TestPlainResolverRefusesOtherZones(t *testing.T) {
	t.Parallel()
	d := deskOf(1, affirm)
	if m := d.ask("www.example.com.", dns.TypeA); m.Rcode != dns.RcodeRefused || len(d.asked) != 0 {
		t.Errorf("got %v after %d questions, want REFUSED", m, len(d.asked))
	}
}

func TestPlainResolverKeepsABoundedNumberOfAnswers(t *testing.T) {
	t.Parallel()
	d := deskOf(1, denial(dns.RcodeNameError, 20, 20))
	for i := range 3 * maxKept {
		d.ask(dns.Fqdn(time.Duration(i).String()+"."+apex), dns.TypeA)
	}
	if len(d.kept) > maxKept {
		t.Errorf("got %d answers, want at most %d", len(d.kept), maxKept)
	}
}
