package resolver

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"notyet/upstream"
	"notyet/upstream/upstreamtest"
)

// serverName is what the certificate of a server has to be for.
const serverName = "dns.example.net"

// secrets makes the server one over TLS or HTTPS, in the bubble of the test, and says how it is asked.
func (s *server) secrets(t *testing.T, transport string) *upstream.TLS {
	t.Helper()
	ca := upstreamtest.NewAuthority(t)
	now := time.Now()
	c := ca.For(t, serverName)
	switch s.certificate {
	case "expired":
		c = ca.Between(t, now.Add(-2*time.Hour), now.Add(-time.Hour), serverName)
	case "another's":
		c = ca.For(t, "dns.example.org")
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{c}}
	how := &upstream.TLS{Name: serverName, Roots: ca.Roots()}
	if transport == "https" {
		how.Path = "/dns-query"
		s.web = true
	}
	return how
}

// queued is a connection whose Write does not wait until the peer reads, as TLS expects.
type queued struct {
	net.Conn

	mu     sync.Mutex // guards all below
	out    chan []byte
	closed bool
}

func newQueued(c net.Conn) *queued {
	q := &queued{Conn: c, out: make(chan []byte, 1000)}
	go func() {
		for b := range q.out {
			_, _ = c.Write(b)
		}
		c.Close()
	}()
	return q
}

func (q *queued) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, net.ErrClosed
	}
	q.out <- bytes.Clone(b)
	return len(b), nil
}

// Close closes the connection once all is written.
func (q *queued) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.out)
	}
	return nil
}

// oneConn is a listener that has one connection to give, and ends with it.
type oneConn struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.conns) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// serveHTTPS answers what comes over HTTPS.
func (s *server) serveHTTPS(conn net.Conn) {
	l := &oneConn{conns: make(chan net.Conn, 1)}
	l.conns <- conn
	web := &http.Server{
		Handler: s, TLSConfig: s.tls, ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				l.Close()
			}
		},
	}
	_ = web.ServeTLS(l, "", "") // until the connection ends
}

// ServeHTTP answers a query. The reply is the first that is sent.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/dns-message")
	done := make(chan func(), 100) // what is left to do, and that it is the end
	s.fault(&packet{
		query: query, tcp: true, nth: s.count(query, &s.tcp),
		send: func(m []byte) { done <- func() { _, _ = w.Write(m) } },
		raw: func(m []byte) {
			w.Header().Set("Content-Length", "500")
			_, _ = w.Write(m)
			_ = http.NewResponseController(w).Flush()
		},
		close: func() { done <- func() { panic(http.ErrAbortHandler) } },
	})
	select {
	case end := <-done:
		end()
	case <-r.Context().Done():
	}
}
