package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

// bootstrap answers as its functions say, in fake time.
type bootstrap struct {
	servers []string
	answer  func(server string, q dns.Question) (*dns.Msg, time.Duration)

	mu    sync.Mutex
	asked []string
}

func (b *bootstrap) lookup(timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	found, ttl, err := Bootstrap{
		Servers: func() (all []netip.AddrPort, err error) {
			for _, s := range b.servers {
				all = append(all, netip.MustParseAddrPort(s))
			}
			return all, nil
		},
		Exchange: func(ctx context.Context, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
			q := query.Question[0]
			b.mu.Lock()
			b.asked = append(b.asked, fmt.Sprint(server, " ", dns.Type(q.Qtype)))
			b.mu.Unlock()
			m, after := b.answer(server.String(), q)
			select {
			case <-time.After(after):
				m.Question = query.Question
				return m, nil
			case <-ctx.Done():
				return nil, ErrTimeout
			}
		},
	}.Lookup(ctx, serverName)
	return fmt.Sprintf("%v%v", found, ttl), err
}

// records is a reply with records in the answer section.
func records(all ...string) *dns.Msg {
	m := new(dns.Msg)
	for _, r := range all {
		m.Answer = append(m.Answer, upstreamtest.RR(r))
	}
	return m
}

func refused() *dns.Msg {
	m := new(dns.Msg)
	m.Rcode = dns.RcodeRefused
	return m
}

const never = time.Hour

func TestBootstrap(t *testing.T) {
	t.Parallel()
	four, six := serverName+". 60 A 192.0.2.1", serverName+". 30 AAAA 2001:db8::1"
	one, two := []string{"192.0.2.9:53"}, []string{"192.0.2.8:53", "192.0.2.9:53"}
	for _, tt := range []struct {
		name    string
		servers []string
		answer  func(server string, qtype uint16) (*dns.Msg, time.Duration)
		want    string // addresses and life, or the error
		took    time.Duration
	}{
		{"both families", one, func(_ string, qtype uint16) (*dns.Msg, time.Duration) {
			if qtype == dns.TypeA {
				return records(four), 20 * time.Millisecond
			}
			return records(six), 0
		}, "[192.0.2.1 2001:db8::1]30s", 20 * time.Millisecond},
		{"alias with a shorter life", one, func(_ string, qtype uint16) (*dns.Msg, time.Duration) {
			if qtype == dns.TypeA {
				return records(serverName+". 10 CNAME a.example.", "a.example. 60 A 192.0.2.1", "a.example. 60 A 192.0.2.2"), 0
			}
			return records(), 0
		}, "[192.0.2.1 192.0.2.2]10s", 0},
		{"IPv6 alone", one, func(_ string, qtype uint16) (*dns.Msg, time.Duration) {
			if qtype == dns.TypeA {
				return records(), 0
			}
			return records(six), 0
		}, "[2001:db8::1]30s", 0},
		{"slow other family", one, func(_ string, qtype uint16) (*dns.Msg, time.Duration) {
			if qtype == dns.TypeA {
				return records(four), 0
			}
			return records(six), never
		}, "[192.0.2.1]1m0s", otherFamily},
		{"life of a month", one, func(_ string, qtype uint16) (*dns.Msg, time.Duration) {
			return records(serverName + ". 2592000 A 192.0.2.1"), 0
		}, "[192.0.2.1]24h0m0s", 0},
		{"first server refuses", two, func(server string, _ uint16) (*dns.Msg, time.Duration) {
			if server == two[0] {
				return refused(), 0
			}
			return records(four), 0
		}, "[192.0.2.1]1m0s", 0},
		{"first server is silent", two, func(server string, _ uint16) (*dns.Msg, time.Duration) {
			if server == two[0] {
				return refused(), never
			}
			return records(four), 0
		}, "[192.0.2.1]1m0s", 250 * time.Millisecond},
		{"no such name", two, func(string, uint16) (*dns.Msg, time.Duration) {
			m := records()
			m.Rcode = dns.RcodeNameError
			return m, 0
		}, "A of dns.example.net.: there is none", 0},
		{"all silent", two, func(string, uint16) (*dns.Msg, time.Duration) { return nil, never }, "192.0.2.9:53: timeout", time.Second},
		{"all refuse", two, func(string, uint16) (*dns.Msg, time.Duration) { return refused(), 0 }, "192.0.2.9:53: REFUSED", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &bootstrap{servers: tt.servers, answer: func(server string, q dns.Question) (*dns.Msg, time.Duration) {
					if q.Name != serverName+"." {
						t.Errorf("got a question for %s, want %s", q.Name, serverName)
					}
					m, after := tt.answer(server, q.Qtype)
					if m != nil && q.Qtype == dns.TypeAAAA && len(m.Answer) == 1 && m.Answer[0].Header().Rrtype == dns.TypeA {
						m.Answer = nil
					}
					return m, after
				}}
				began := time.Now()
				got, err := b.lookup(time.Second)
				if err != nil {
					got = err.Error()
				}
				if took := time.Since(began); got != tt.want || took != tt.took {
					t.Errorf("got %s after %v, want %s after %v (asked %s)", got, took, tt.want, tt.took, strings.Join(b.asked, ", "))
				}
				time.Sleep(time.Second) // what is still under way ends
			})
		})
	}
}

func TestBootstrapWithoutServers(t *testing.T) {
	t.Parallel()
	want := errors.New("no server")
	_, _, err := Bootstrap{Servers: func() ([]netip.AddrPort, error) { return nil, want }}.Lookup(t.Context(), serverName)
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// TestUpstreamByName goes the whole way: name server, address, certificate.
func TestUpstreamByName(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	s := upstreamtest.NewTLS(t, serving(ca.For(t, serverName)), yes)
	knows := upstreamtest.New(t, func(q *upstreamtest.Query) {
		m := q.Message()
		switch {
		case !m.RecursionDesired || !strings.EqualFold(m.Question[0].Name, serverName+"."):
			t.Errorf("got the question %v, want one for %s with RD", m, serverName)
		case m.Question[0].Qtype == dns.TypeA:
			q.Answer("60 A 127.0.0.1")
			return
		}
		q.Answer()
	})
	under := newUnder(t)
	servers := NewServers(under.group, under.deadlines)
	t.Cleanup(servers.Close)
	u := under.secured(t, netip.AddrPortFrom(netip.Addr{}, s.Addr.Port()), TLS{Name: serverName, Roots: ca.Roots(), Lookup: Bootstrap{
		Servers:  func() ([]netip.AddrPort, error) { return []netip.AddrPort{knows.Addr}, nil },
		Exchange: servers.Recurse,
	}.Lookup})
	wantAddress(t, u, "www.example.com.", patience)
}
