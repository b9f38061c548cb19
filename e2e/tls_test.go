//go:build e2e && linux

package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
	"notyet/upstream/upstreamtest"
)

// The ports that an Unbound for TLS and HTTPS has at its address.
const (
	tlsPort   = 8853
	httpsPort = 8443
)

const upstreamName = "dns.example.net"

// A secureUnbound answers over TLS and HTTPS, with a certificate.
type secureUnbound struct {
	*testbed.Unbound
	tls, https netip.AddrPort
}

func startSecureUnbound(t *testing.T, c tls.Certificate) secureUnbound {
	t.Helper()
	addr := testbed.Address(t)
	certificate, key := upstreamtest.Files(t, c)
	u := secureUnbound{tls: netip.AddrPortFrom(addr, tlsPort), https: netip.AddrPortFrom(addr, httpsPort)}
	u.Unbound = testbed.StartUnbound(t, testbed.UnboundConfig{
		Zones: map[string]netip.AddrPort{plainZone: shared().knot.Addr},
		Options: []string{
			fmt.Sprintf("interface: %s@%d", addr, tlsPort), fmt.Sprintf("interface: %s@%d", addr, httpsPort),
			fmt.Sprintf("tls-port: %d", tlsPort), fmt.Sprintf("https-port: %d", httpsPort),
			fmt.Sprintf("tls-service-pem: %q", certificate), fmt.Sprintf("tls-service-key: %q", key),
			"edns-tcp-keepalive: yes", "pad-responses: yes",
		},
	})
	return u
}

// upstreams are the spellings of the servers at these addresses.
func secureUpstreams(tlsAt, httpsAt netip.AddrPort, name string) []string {
	return []string{fmt.Sprintf("tls://%s#%s", tlsAt, name), fmt.Sprintf("https://%s/dns-query#%s", httpsAt, name)}
}

// secureFront starts a notyet before one upstream.
func secureFront(t *testing.T, ca *upstreamtest.Authority, upstream string) *testbed.Notyet {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca.PEM(), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	return front(t, fmt.Sprintf("upstreams: [%q]\ntls_ca: %q", upstream, file))
}

func TestForwardingOverTLSAndHTTPS(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	u := startSecureUnbound(t, ca.For(t, upstreamName))
	for _, upstream := range secureUpstreams(u.tls, u.https, upstreamName) {
		t.Run(strings.SplitN(upstream, ":", 2)[0], func(t *testing.T) {
			t.Parallel()
			n := secureFront(t, ca, upstream)
			for _, name := range []string{"www", "txt4000", "alias", "missing", "x.wild"} {
				for _, qtype := range []uint16{dns.TypeA, dns.TypeTXT} {
					q := ask(name+"."+plainZone, qtype, withEDNS(1232))
					want := over(t, "tcp", u.Addr, q)
					got := over(t, "tcp", n.Addr, q)
					wantRcode(t, q, got, want.Rcode)
					sameRecords(t, q, "answer", got.Answer, want.Answer)
				}
			}
			if got := n.Metric(t, "notyet_upstream_connections", `upstream="`+upstream); got != 1 {
				t.Errorf("got %v connections, want one for all questions", got)
			}
		})
	}
}

func TestManyQuestionsOverTLSAndHTTPS(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	u := startSecureUnbound(t, ca.For(t, upstreamName))
	for _, upstream := range secureUpstreams(u.tls, u.https, upstreamName) {
		t.Run(strings.SplitN(upstream, ":", 2)[0], func(t *testing.T) {
			t.Parallel()
			n := secureFront(t, ca, upstream)
			var asking sync.WaitGroup
			for i := range 200 {
				asking.Go(func() {
					q := ask(label(i)+"wild."+plainZone, dns.TypeA)
					if r := over(t, "udp", n.Addr, q); r.Rcode != dns.RcodeSuccess {
						t.Errorf("%s: got %s, want NOERROR", describe(q), rcode(r.Rcode))
					}
				})
			}
			asking.Wait()
			if got := n.Metric(t, "notyet_upstream_connections", `upstream="`+upstream); got > 4 {
				t.Errorf("got %v connections, want 4 at most", got)
			}
		})
	}
}

func TestUpstreamWithABadCertificateIsNotAsked(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	now := time.Now()
	for _, test := range []struct {
		name, asked, want string
		certificate       tls.Certificate
	}{
		{"wrong name", "dns.example.org", "its certificate is for " + upstreamName + ", not for dns.example.org: write the right name", ca.For(t, upstreamName)},
		{"expired", upstreamName, "its certificate expired at", ca.Between(t, now.Add(-2*time.Hour), now.Add(-time.Hour), upstreamName)},
		{"of a stranger", upstreamName, "tls_ca", upstreamtest.NewAuthority(t).For(t, upstreamName)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := startSecureUnbound(t, test.certificate)
			for _, upstream := range secureUpstreams(u.tls, u.https, test.asked) {
				n := secureFront(t, ca, upstream)
				q := ask("www."+plainZone, dns.TypeA, withEDNS(1232))
				r := over(t, "udp", n.Addr, q)
				wantRcode(t, q, r, dns.RcodeServerFailure)
				if got := r.String(); !strings.Contains(got, test.want) {
					t.Errorf("%s: got %s, want an extended error that says %q", upstream, got, test.want)
				}
				told(t, n.Process, "certificate is not good", 1)
				if got := n.Stderr(); strings.Count(got, "certificate is not good") != 1 || !strings.Contains(got, test.want) {
					t.Errorf("%s: got the log\n%s\nwant one line that says %q", upstream, got, test.want)
				}
			}
			if got := u.Asked(); len(got) > 0 && strings.Contains(strings.Join(got, " "), plainZone) {
				t.Errorf("got %v asked, want nothing", got)
			}
		})
	}
}

// cutter forwards connections, and cuts one when it is told to.
type cutter struct {
	addr  netip.AddrPort
	after atomic.Int64 // bytes to come back until the connection they come over is cut; none: it is not
	cuts  atomic.Int64
}

func startCutter(t *testing.T, to netip.AddrPort) *cutter {
	t.Helper()
	c := &cutter{addr: netip.AddrPortFrom(testbed.Address(t), to.Port())}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(c.addr))
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go c.forward(client, to)
		}
	}()
	return c
}

func (c *cutter) forward(client net.Conn, to netip.AddrPort) {
	defer client.Close()
	server, err := net.Dial("tcp", to.String())
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	buf := make([]byte, 512)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if left := c.after.Load(); left > 0 {
			c.after.Add(int64(-n))
			if left <= int64(n) {
				c.cuts.Add(1)
				return
			}
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestConnectionCutInsideTheAnswerIsNotNoticed(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	u := startSecureUnbound(t, ca.For(t, upstreamName))
	tlsAt, httpsAt := startCutter(t, u.tls), startCutter(t, u.https)
	for i, upstream := range secureUpstreams(tlsAt.addr, httpsAt.addr, upstreamName) {
		c := []*cutter{tlsAt, httpsAt}[i]
		n := secureFront(t, ca, upstream)
		over(t, "udp", n.Addr, ask("www."+plainZone, dns.TypeA)) // the connection is there
		for j, qname := range []string{"txt4000.", "txt1300.", "txt700."} {
			c.after.Store(600)
			q := ask(qname+plainZone, dns.TypeTXT)
			r := over(t, "tcp", n.Addr, q)
			wantRcode(t, q, r, dns.RcodeSuccess)
			if got := c.cuts.Load(); got != int64(j+1) || len(r.Answer) != 1 {
				t.Errorf("%s, %s: got %d cuts and %d records, want %d and 1", upstream, describe(q), got, len(r.Answer), j+1)
			}
		}
		if got := n.Metric(t, "notyet_upstream_queries_total", `upstream="`+upstream, `result="unreachable"`); got != 0 {
			t.Errorf("%s: got %v exchanges that failed, want none", upstream, got)
		}
	}
}

func TestUpstreamOverTLSThatIsRestarted(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	c := ca.For(t, upstreamName)
	handle := func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") }
	config := func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	at := netip.AddrPortFrom(testbed.Address(t), tlsPort)
	s := upstreamtest.NewTLSAt(t, at, config(), handle)
	n := secureFront(t, ca, secureUpstreams(at, at, upstreamName)[0])
	for i := range 3 {
		q := ask(label(i)+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeSuccess)
		s.Close()
		q = ask("down."+label(i)+plainZone, dns.TypeA)
		wantRcode(t, q, over(t, "udp", n.Addr, q), dns.RcodeServerFailure)
		s = upstreamtest.NewTLSAt(t, at, config(), handle)
	}
}
