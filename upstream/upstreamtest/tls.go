package upstreamtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates. It lives in memory.
type Authority struct {
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes one that nobody trusts yet.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{key: newKey(t)}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.Certificate = a.sign(t, template, template, a.key)
	return a
}

// Roots are this authority alone.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

// PEM is the authority's certificate as a file has it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})
}

// For makes a certificate for DNS names and IP addresses, valid for an hour.
func (a *Authority) For(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	now := time.Now()
	return a.Between(t, now.Add(-time.Hour), now.Add(time.Hour), names...)
}

// Between is For with the time in which the certificate is valid.
func (a *Authority) Between(t testing.TB, begin, end time.Time, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: begin, NotAfter: end}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	key := newKey(t)
	leaf := a.sign(t, template, a.Certificate, key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// sign makes a certificate for a key.
func (a *Authority) sign(t testing.TB, template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Files writes a certificate and its key into a directory, in PEM.
func Files(t testing.TB, c tls.Certificate) (certificate, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: c.Certificate[0]},
		key:         {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// loopback is 127.0.0.1 with any port.
var loopback = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)

// NewTLS starts a server on 127.0.0.1 that answers over TLS alone. To the handler a query came over TCP.
func NewTLS(t testing.TB, config *tls.Config, handle func(*Query)) *Server {
	t.Helper()
	return NewTLSAt(t, loopback, config, handle)
}

// NewTLSAt is NewTLS at another address.
func NewTLSAt(t testing.TB, at netip.AddrPort, config *tls.Config, handle func(*Query)) *Server {
	t.Helper()
	s := &Server{handle: handle, conns: make(map[net.Conn]struct{})}
	l := listen(t, at)
	s.Addr = netip.AddrPortFrom(at.Addr(), portOf(l))
	s.tcp = tls.NewListener(l, config)
	s.running.Go(s.serveTCP)
	t.Cleanup(s.Close)
	return s
}

// NewHTTPS starts a server for HTTP/2 and HTTP/1.1 on 127.0.0.1, and tells each connection that it gets.
func NewHTTPS(t testing.TB, config *tls.Config, handler http.Handler, accepted func(net.Conn)) netip.AddrPort {
	t.Helper()
	l := listen(t, loopback)
	s := &http.Server{
		Handler: handler, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateNew {
				accepted(c)
			}
		},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.ServeTLS(l, "", "") // until Close
	}()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return netip.AddrPortFrom(loopback.Addr(), portOf(l))
}

func listen(t testing.TB, at netip.AddrPort) net.Listener {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	return l
}
