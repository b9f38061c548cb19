package upstream

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"notyet/upstream/upstreamtest"
)

const serverName = "dns.example.net"

// secured makes an upstream over TLS, or over HTTPS if there is a path. It is closed when the test ends.
func (u under) secured(t testing.TB, addr netip.AddrPort, how TLS) *Upstream {
	t.Helper()
	up := New(Config{Addr: addr, TLS: &how, Group: u.group, Deadlines: u.deadlines, Metrics: NewMetrics()})
	t.Cleanup(up.Close)
	return up
}

func serving(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }

func yes(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") }

func TestUpstreamOverTLS(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	for _, tt := range []struct {
		name, serverName, certificate, sni string
	}{
		{"by name", serverName, serverName, serverName},
		{"by address", "", "127.0.0.1", ""},
	} {
		var mu sync.Mutex
		var hellos []*tls.ClientHelloInfo
		config := serving(ca.For(t, tt.certificate))
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			mu.Lock()
			defer mu.Unlock()
			hellos = append(hellos, hello)
			return nil, nil
		}
		s := upstreamtest.NewTLS(t, config, func(q *upstreamtest.Query) {
			if len(q.Wire)%padBlock != 0 {
				t.Errorf("%s: got a query of %d bytes, want it padded to a multiple of %d", tt.name, len(q.Wire), padBlock)
			}
			yes(q)
		})
		u := newUnder(t).secured(t, s.Addr, TLS{Name: tt.serverName, Roots: ca.Roots()})
		for range 3 {
			wantAddress(t, u, "www.example.com.", patience)
		}
		if s.Connections() != 1 {
			t.Errorf("%s: got %d connections, want 1", tt.name, s.Connections())
		}
		mu.Lock()
		if hello := hellos[0]; hello.ServerName != tt.sni || strings.Join(hello.SupportedProtos, " ") != "dot" || hello.SupportedVersions[len(hello.SupportedVersions)-1] < tls.VersionTLS12 {
			t.Errorf("%s: got a hello for %q with %q and versions %x, want %q with dot and TLS 1.2 or later", tt.name, hello.ServerName, hello.SupportedProtos, hello.SupportedVersions, tt.sni)
		}
		mu.Unlock()
	}
}

func TestSessionIsResumed(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	var mu sync.Mutex
	var resumed []bool
	config := serving(ca.For(t, serverName))
	config.VerifyConnection = func(state tls.ConnectionState) error {
		mu.Lock()
		defer mu.Unlock()
		resumed = append(resumed, state.DidResume)
		return nil
	}
	s := upstreamtest.NewTLS(t, config, func(q *upstreamtest.Query) {
		yes(q)
		q.Hangup()
	})
	pin := sha256.Sum256(ca.Certificate.RawSubjectPublicKeyInfo)
	u := newUnder(t).secured(t, s.Addr, TLS{Name: serverName, Roots: ca.Roots(), Pins: [][32]byte{pin}})
	for range 3 {
		wantAddress(t, u, "www.example.com.", patience)
		comesTo(0, s.Open)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(resumed) != 3 || resumed[0] || !resumed[1] || !resumed[2] {
		t.Errorf("got connections with sessions resumed %v, want the second and third", resumed)
	}
}

func TestCertificateThatIsNotGood(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	good := ca.For(t, serverName)
	hour := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Hour) }
	other := sha256.Sum256([]byte("another key"))
	for _, tt := range []struct {
		name        string
		certificate tls.Certificate
		roots       *x509.CertPool
		pins        [][32]byte
		serverName  string
		want        []string
	}{
		{name: "another name", certificate: ca.For(t, "dns.example.org", "192.0.2.1"), serverName: serverName,
			want: []string{"its certificate is for dns.example.org, 192.0.2.1, not for " + serverName, "write the right name"}},
		{name: "many names", certificate: ca.For(t, "a.example", "b.example", "c.example", "d.example"), serverName: serverName,
			want: []string{"for a.example, b.example, c.example, others, not for"}},
		{name: "a name but not the address", certificate: good,
			want: []string{"its certificate is for " + serverName + ", not for 127.0.0.1"}},
		{name: "expired", certificate: ca.Between(t, hour(-2), hour(-1), serverName), serverName: serverName,
			want: []string{"its certificate expired at 20", "renew"}},
		{name: "not yet valid", certificate: ca.Between(t, hour(1), hour(2), serverName), serverName: serverName,
			want: []string{"its certificate is not valid before 20", "clock"}},
		{name: "unknown authority", certificate: upstreamtest.NewAuthority(t).For(t, serverName), serverName: serverName,
			want: []string{"not trusted here", "tls_ca"}},
		{name: "system roots", certificate: good, serverName: serverName, roots: x509.NewCertPool(),
			want: []string{"not trusted here", "tls_ca"}},
		{name: "another key", certificate: good, serverName: serverName, pins: [][32]byte{other},
			want: []string{"tls_pins"}},
	} {
		for _, path := range []string{"", "/dns-query"} {
			t.Run(tt.name+path, func(t *testing.T) {
				t.Parallel()
				s := upstreamtest.NewTLS(t, serving(tt.certificate), yes)
				roots := tt.roots
				if roots == nil {
					roots = ca.Roots()
				}
				u := newUnder(t).secured(t, s.Addr, TLS{Name: tt.serverName, Path: path, Roots: roots, Pins: tt.pins})
				got := ask(t, u, "www.example.com.", patience)
				if got.err == nil || got.took > atOnce {
					t.Fatalf("got %q and %v after %v, want an error at once", got.records(), got.err, got.took)
				}
				for _, want := range tt.want {
					if !strings.Contains(got.err.Error(), want) {
						t.Errorf("got %q, want it to say %q", got.err, want)
					}
				}
				if s.Queries() != 0 || s.Connections() != 1 {
					t.Errorf("got %d queries over %d connections, want none over 1", s.Queries(), s.Connections())
				}
				counted(t, "unreachable", u.meter.unreachable, 1)
				if got := comesTo(0, s.Open); got != 0 {
					t.Errorf("got %d open connections, want none", got)
				}
			})
		}
	}
}

func TestOneOfThePinsMustBeInTheChain(t *testing.T) {
	t.Parallel()
	ca, stranger := upstreamtest.NewAuthority(t), upstreamtest.NewAuthority(t)
	leaf := ca.For(t, serverName)
	other := sha256.Sum256(nil)
	for _, tt := range []struct {
		name string
		pins [][32]byte
		good bool
	}{
		{"its own", [][32]byte{other, sha256.Sum256(leaf.Leaf.RawSubjectPublicKeyInfo)}, true},
		{"the root's", [][32]byte{sha256.Sum256(ca.Certificate.RawSubjectPublicKeyInfo), other}, true},
		{"that of a certificate which came along", [][32]byte{sha256.Sum256(stranger.Certificate.RawSubjectPublicKeyInfo)}, false},
	} {
		c := leaf
		c.Certificate = [][]byte{leaf.Certificate[0], stranger.Certificate.Raw}
		s := upstreamtest.NewTLS(t, serving(c), yes)
		u := newUnder(t).secured(t, s.Addr, TLS{Name: serverName, Roots: ca.Roots(), Pins: tt.pins})
		if got := ask(t, u, "www.example.com.", patience); (got.err == nil) != tt.good {
			t.Errorf("%s: got %v, want good: %v", tt.name, got.err, tt.good)
		}
	}
}

func TestServerThatSpeaksNoTLS(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { plain.Close(); <-ended })
	go func() {
		defer close(ended)
		for c, err := plain.Accept(); err == nil; c, err = plain.Accept() {
			_, _ = c.Write([]byte("220 mail.example.net\r\n"))
			defer c.Close()
		}
	}()
	h2 := serving(ca.For(t, serverName))
	h2.NextProtos = []string{"h2"}
	web := upstreamtest.NewTLS(t, h2, yes)
	under := newUnder(t)
	for _, tt := range []struct {
		addr netip.AddrPort
		want string
	}{
		{plain.Addr().(*net.TCPAddr).AddrPort(), "it does not speak TLS: write the right port"},
		{web.Addr, "refuses the connection: tls: no application protocol"},
	} {
		u := under.secured(t, tt.addr, TLS{Name: serverName, Roots: ca.Roots()})
		if got := ask(t, u, "www.example.com.", patience); got.err == nil || !strings.Contains(got.err.Error(), tt.want) {
			t.Errorf("got %v, want %q", got.err, tt.want)
		}
	}
}

func TestBadCertificateIsToldOnce(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	good, bad := ca.For(t, serverName), ca.For(t, "dns.example.org")
	var mu sync.Mutex
	now := &bad
	config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		return now, nil
	}}
	s := upstreamtest.NewTLS(t, config, func(q *upstreamtest.Query) { yes(q); q.Hangup() })
	under := newUnder(t)
	var log bytes.Buffer
	u := New(Config{
		Name: "tls://dns.example.net", Addr: s.Addr, TLS: &TLS{Name: serverName, Roots: ca.Roots()}, Deadlines: under.deadlines,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for _, c := range []*tls.Certificate{&bad, &bad, &good, &good, &bad} {
		mu.Lock()
		now = c
		mu.Unlock()
		ask(t, u, "www.example.com.", patience)
		comesTo(0, s.Open)
	}
	u.Close()
	var levels []string
	for line := range strings.Lines(log.String()) {
		fields := strings.Fields(line)
		levels = append(levels, fields[1])
		if !strings.Contains(line, "upstream=tls://dns.example.net") {
			t.Errorf("got %s, want the upstream in it", line)
		}
	}
	if got := strings.Join(levels, " "); got != "level=ERROR level=INFO" && got != "level=ERROR level=INFO level=ERROR" {
		t.Errorf("got %q, want one line for every change:\n%s", got, &log)
	}
}

// TestStalledHandshake has a server that accepts and says nothing.
func TestStalledHandshake(t *testing.T) {
	t.Parallel()
	s := upstreamtest.New(t, func(*upstreamtest.Query) {})
	under := newUnder(t)
	for _, path := range []string{"", "/dns-query"} {
		u := under.secured(t, s.Addr, TLS{Name: serverName, Path: path})
		if got := ask(t, u, "www.example.com.", soon); !errors.Is(got.err, ErrTimeout) || got.took > atOnce {
			t.Errorf("%q: got %v after %v, want %v", path, got.err, got.took, ErrTimeout)
		}
		done := start(t, u, "www.example.com.", patience)
		u.Close()
		if got := finished(t, done); !errors.Is(got.err, ErrStopped) {
			t.Errorf("%q: got %v, want %v", path, got.err, ErrStopped)
		}
	}
}

func TestConnectionOverTLSClosedInsideTheAnswerIsReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	ca := upstreamtest.NewAuthority(t)
	s := upstreamtest.NewTLS(t, serving(ca.For(t, serverName)), func(q *upstreamtest.Query) {
		if q.Nth == 1 {
			q.SendRaw([]byte{0, 100, 1, 2, 3})
			q.Hangup()
			return
		}
		yes(q)
	})
	u := newUnder(t).secured(t, s.Addr, TLS{Name: serverName, Roots: ca.Roots()})
	wantAddress(t, u, "www.example.com.", atOnce)
	if s.Connections() != 2 {
		t.Errorf("got %d connections, want 2", s.Connections())
	}
}
