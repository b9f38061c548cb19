package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
)

// secretUpstream has servers over TLS and HTTPS, and the file with their authority.
type secretUpstream struct {
	tls, https string // addresses
	ca         string
}

func newSecretUpstream(t *testing.T) secretUpstream {
	t.Helper()
	ca := upstreamtest.NewAuthority(t)
	s := secretUpstream{ca: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(s.ca, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	c := ca.For(t, "dns.example.net")
	config := func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	s.tls = upstreamtest.NewTLS(t, config(), func(q *upstreamtest.Query) { q.Answer("60 A 192.0.2.1") }).Addr.String()
	s.https = upstreamtest.NewHTTPS(t, config(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/dns-message")
		_, _ = w.Write(upstreamtest.Answer(query, "60 A 192.0.2.1"))
	}), func(net.Conn) {}).String()
	return s
}

func (s secretUpstream) file(t *testing.T, upstream, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notyet.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, "upstreams: [%q]\ntls_ca: %q\n%s\n", upstream, s.ca, more), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServeAnswersFromAnUpstreamOverTLS(t *testing.T) {
	t.Parallel()
	s := newSecretUpstream(t)
	knows := upstreamOf(t, func(q *dns.Msg) *dns.Msg {
		m := addressOf(q)
		if len(m.Answer) == 1 {
			m.Answer[0].(*dns.A).A = net.IPv4(127, 0, 0, 1)
		}
		return m
	})
	_, tlsPort, _ := net.SplitHostPort(s.tls)
	_, httpsPort, _ := net.SplitHostPort(s.https)
	for _, tt := range []struct{ upstream, more string }{
		{upstream: "tls://" + s.tls + "#dns.example.net"},
		{upstream: "https://" + s.https + "/dns-query#dns.example.net"},
		{"tls://dns.example.net:" + tlsPort, "bootstrap: [" + knows.addr + "]"},
		{"https://dns.example.net:" + httpsPort + "/dns-query", "bootstrap: [" + knows.addr + "]"},
	} {
		p := startProgram(t, "--config="+s.file(t, tt.upstream, tt.more))
		if m := p.ask(t, "udp", "www.example.com.", dns.TypeA); len(m.Answer) != 1 {
			t.Errorf("%s: got %v, want an address", tt.upstream, m)
		}
		if got := p.line(t, "forwarding")["upstream"]; got != tt.upstream {
			t.Errorf("got the upstream %s in the log, want %s", got, tt.upstream)
		}
		open := regexp.MustCompile(`notyet_upstream_connections{upstream="` + regexp.QuoteMeta(tt.upstream) + `"} [1-9]`)
		if _, body := p.get(t, "/metrics"); !open.MatchString(body) {
			t.Errorf("%s: got no connection in the metrics", tt.upstream)
		}
		if code := p.stopped(); code != 0 {
			t.Errorf("%s: got exit code %d, want 0: %s", tt.upstream, code, p.stderr)
		}
	}
}

func TestBadCertificateIsToldToTheClientAndTheLog(t *testing.T) {
	t.Parallel()
	s := newSecretUpstream(t)
	for _, tt := range []struct{ upstream, more, want string }{
		{"tls://" + s.tls + "#dns.example.org", "", "its certificate is for dns.example.net, not for dns.example.org"},
		{"https://" + s.https + "/dns-query", "", "its certificate is for dns.example.net, not for 127.0.0.1"},
		{
			"tls://" + s.tls + "#dns.example.net", "tls_pins: [dns.example.net=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]",
			"no certificate of its chain has a key of tls_pins",
		},
	} {
		p := startProgram(t, "--config="+s.file(t, tt.upstream, tt.more))
		q := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
		q.SetEdns0(1232, false)
		client := dns.Client{Timeout: patience}
		m, _, err := client.Exchange(q, p.addr)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(m.String(), tt.want) || m.Rcode != dns.RcodeServerFailure {
			t.Errorf("%s: got %v, want SERVFAIL that says %q", tt.upstream, m, tt.want)
		}
		line := p.line(t, "upstream's certificate is not good")
		if line["upstream"] != tt.upstream || !strings.Contains(fmt.Sprint(line["err"]), tt.want) {
			t.Errorf("%s: got the line %v, want it to say %q", tt.upstream, line, tt.want)
		}
		p.stopped()
		if n := strings.Count(p.stderr.String(), "certificate is not good"); n != 1 {
			t.Errorf("%s: got %d lines, want one for all attempts", tt.upstream, n)
		}
	}
}

func TestRootsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "ca.pem")
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ ca, want string }{
		{missing, fmt.Sprintf("tls_ca %q: no such file or directory: name a file with certificates in PEM, or leave the key out for those of the system", missing)},
		{filepath.Dir(empty), fmt.Sprintf("tls_ca %q: is a directory: name a file that the user whom notyet runs as may read", filepath.Dir(empty))},
		{empty, fmt.Sprintf("tls_ca %q: write a file with certificates in PEM: this one has none", empty)},
	} {
		var stdout, stderr bytes.Buffer
		args := []string{"serve", "--listen=127.0.0.1:0", "--admin=", "--config=" + secretUpstream{ca: tt.ca}.file(t, "tls://192.0.2.1", "")}
		if code := run(t.Context(), args, &stdout, &stderr); code != 1 || stderr.String() != "notyet: "+tt.want+"\n" {
			t.Errorf("got exit code %d and %q, want 1 and %q", code, &stderr, tt.want)
		}
	}
}
