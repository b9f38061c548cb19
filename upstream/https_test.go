package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

const dnsQuery = "/dns-query"

// web is a server for DNS over HTTPS.
type web struct {
	addr        netip.AddrPort
	connections atomic.Int32
	requests    atomic.Int32
	ca          *upstreamtest.Authority
}

// newWeb starts one; protocols are those of ALPN, none: those of net/http.
func newWeb(t testing.TB, handle func(w http.ResponseWriter, r *http.Request, query []byte), protocols ...string) *web {
	t.Helper()
	s := &web{ca: upstreamtest.NewAuthority(t)}
	config := serving(s.ca.For(t, serverName))
	config.NextProtos = protocols
	s.addr = upstreamtest.NewHTTPS(t, config, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		query, _ := io.ReadAll(r.Body)
		handle(w, r, query)
	}), func(net.Conn) { s.connections.Add(1) })
	return s
}

func (s *web) upstream(t testing.TB, u under) *Upstream {
	t.Helper()
	return u.secured(t, s.addr, TLS{Name: serverName, Path: dnsQuery, Roots: s.ca.Roots()})
}

// respond writes a message.
func respond(w http.ResponseWriter, m []byte) {
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write(m)
}

func yesOverHTTPS(w http.ResponseWriter, _ *http.Request, query []byte) {
	respond(w, upstreamtest.Answer(query, "60 A 192.0.2.1"))
}

func TestUpstreamOverHTTPS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		proto     string
		protocols []string
	}{
		{"HTTP/2.0", nil},
		{"HTTP/1.1", []string{"http/1.1"}},
	} {
		t.Run(tt.proto, func(t *testing.T) {
			t.Parallel()
			s := newWeb(t, func(w http.ResponseWriter, r *http.Request, query []byte) {
				got := fmt.Sprint(r.Method, r.URL, r.Proto, r.Header["Content-Type"], r.Header["Accept"], r.Header["User-Agent"])
				if want := fmt.Sprint("POST", dnsQuery, tt.proto, []string{mediaType}, []string{mediaType}, []string(nil)); got != want {
					t.Errorf("got the request %s, want %s", got, want)
				}
				if query[0] != 0 || query[1] != 0 || len(query)%padBlock != 0 {
					t.Errorf("got the query %x, want one with id 0 and padded", query)
				}
				if !strings.HasPrefix(r.Host, serverName) {
					t.Errorf("got a request to %s, want %s", r.Host, serverName)
				}
				yesOverHTTPS(w, r, query)
			}, tt.protocols...)
			u := s.upstream(t, newUnder(t))
			for range 10 {
				wantAddress(t, u, "www.example.com.", patience)
			}
			if got := s.connections.Load(); got != 1 {
				t.Errorf("got %d connections, want 1", got)
			}
			counted(t, "connections", u.meter.conns, 1)
			counted(t, "answered", u.meter.answered, 10)
			u.Close()
			counted(t, "connections after Close", u.meter.conns, 0)
		})
	}
}

func TestRequestsShareAConnectionOverHTTP2(t *testing.T) {
	t.Parallel()
	const n = 50
	var here sync.WaitGroup
	here.Add(n)
	var first atomic.Bool
	s := newWeb(t, func(w http.ResponseWriter, r *http.Request, query []byte) {
		if first.Swap(true) {
			here.Done()
			here.Wait() // all are under way at a time
		}
		yesOverHTTPS(w, r, query)
	})
	u := s.upstream(t, newUnder(t))
	wantAddress(t, u, "www.example.com.", patience)
	var all []<-chan result
	for range n {
		all = append(all, start(t, u, "www.example.com.", patience))
	}
	for _, done := range all {
		if got := finished(t, done); got.records() != "A 192.0.2.1" {
			t.Errorf("got %q, want A 192.0.2.1", got.records())
		}
	}
	if got := s.connections.Load(); got != 1 {
		t.Errorf("got %d connections, want 1", got)
	}
}

func TestUselessResponses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		handle func(w http.ResponseWriter, r *http.Request, query []byte)
		want   string
	}{
		{"not found", func(w http.ResponseWriter, r *http.Request, _ []byte) { http.NotFound(w, r) }, "HTTP status 404: write the right path"},
		{"redirection", func(w http.ResponseWriter, r *http.Request, _ []byte) {
			http.Redirect(w, r, "https://192.0.2.1/", http.StatusTemporaryRedirect)
		}, "HTTP status 307"},
		{"failure", func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusBadGateway) }, "HTTP status 502"},
		{"a page", func(w http.ResponseWriter, _ *http.Request, _ []byte) { fmt.Fprint(w, "<html>") }, "something else than " + mediaType},
		{"nothing", func(w http.ResponseWriter, _ *http.Request, _ []byte) { respond(w, nil) }, "another question"},
		{"garbage", func(w http.ResponseWriter, _ *http.Request, _ []byte) { respond(w, []byte("garbage")) }, "another question"},
		{"the query itself", func(w http.ResponseWriter, _ *http.Request, q []byte) { respond(w, q) }, "another question"},
		{"another question's reply", func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			respond(w, upstreamtest.Answer(upstreamtest.Pack(new(dns.Msg).SetQuestion("other.example.com.", dns.TypeA))))
		}, "another question"},
		{"a reply too long", func(w http.ResponseWriter, _ *http.Request, q []byte) {
			respond(w, append(upstreamtest.Answer(q), make([]byte, wire.MaxMessage)...))
		}, "another question"},
		{"truncated", func(w http.ResponseWriter, _ *http.Request, q []byte) {
			m := upstreamtest.Reply(q)
			m.Truncated = true
			respond(w, upstreamtest.Pack(m))
		}, "truncated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newWeb(t, tt.handle)
			u := s.upstream(t, newUnder(t))
			got := ask(t, u, "www.example.com.", patience)
			if got.err == nil || !strings.Contains(got.err.Error(), tt.want) || got.took > atOnce {
				t.Errorf("got %q and %v after %v, want an error with %q at once", got.records(), got.err, got.took, tt.want)
			}
			if got := s.requests.Load(); got != 1 {
				t.Errorf("got %d requests, want 1", got)
			}
			counted(t, "unreachable", u.meter.unreachable, 1)
		})
	}
}

func TestContentTypeMayHaveParameters(t *testing.T) {
	t.Parallel()
	s := newWeb(t, func(w http.ResponseWriter, _ *http.Request, query []byte) {
		w.Header().Set("Content-Type", "Application/DNS-Message; charset=utf-8")
		_, _ = w.Write(upstreamtest.Answer(query, "60 A 192.0.2.1"))
	})
	wantAddress(t, s.upstream(t, newUnder(t)), "www.example.com.", patience)
}

func TestLongestMessageOverHTTPS(t *testing.T) {
	t.Parallel()
	s := newWeb(t, func(w http.ResponseWriter, _ *http.Request, query []byte) {
		m := upstreamtest.Answer(query, "60 A 192.0.2.1")
		respond(w, append(m, make([]byte, wire.MaxMessage-len(m))...))
	})
	if got := ask(t, s.upstream(t, newUnder(t)), "www.example.com.", patience); got.err != nil || len(got.reply) != wire.MaxMessage {
		t.Errorf("got %d bytes and %v, want %d", len(got.reply), got.err, wire.MaxMessage)
	}
}

func TestTimeInACacheForHTTPIsTakenOffTheTTL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		age  string
		want uint32
	}{
		{"", 60}, {"0", 60}, {"25", 35}, {"60", 0}, {"100000", 0}, {"-1", 60}, {"soon", 60}, {"99999999999", 60},
	} {
		s := newWeb(t, func(w http.ResponseWriter, r *http.Request, query []byte) {
			w.Header().Set("Age", tt.age)
			yesOverHTTPS(w, r, query)
		})
		got := ask(t, s.upstream(t, newUnder(t)), "www.example.com.", patience)
		m := new(dns.Msg)
		if err := m.Unpack(got.reply); err != nil || len(m.Answer) != 1 {
			t.Fatalf("age %q: got %v and %v", tt.age, got.err, err)
		}
		if ttl := m.Answer[0].Header().Ttl; ttl != tt.want {
			t.Errorf("age %q: got the TTL %d, want %d", tt.age, ttl, tt.want)
		}
	}
}

func TestConnectionOverHTTPSClosedInsideTheAnswerIsReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		var n atomic.Int32
		s := newWeb(t, func(w http.ResponseWriter, r *http.Request, query []byte) {
			if n.Add(1) > 1 {
				yesOverHTTPS(w, r, query)
				return
			}
			w.Header().Set("Content-Length", "100")
			respond(w, query[:20])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, protocols...)
		wantAddress(t, s.upstream(t, newUnder(t)), "www.example.com.", atOnce)
		if got := s.requests.Load(); got != 2 {
			t.Errorf("%v: got %d requests, want 2", protocols, got)
		}
	}
}

func TestServerThatAlwaysAbortsIsAFailure(t *testing.T) {
	t.Parallel()
	s := newWeb(t, func(http.ResponseWriter, *http.Request, []byte) { panic(http.ErrAbortHandler) })
	u := s.upstream(t, newUnder(t))
	if got := ask(t, u, "www.example.com.", patience); !errors.Is(got.err, errHungUp) || got.took > atOnce {
		t.Errorf("got %v after %v, want %v at once", got.err, got.took, errHungUp)
	}
	if got := s.requests.Load(); got != 2 {
		t.Errorf("got %d requests, want 2", got)
	}
}

func TestServerOverHTTPSThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	let := make(chan struct{})
	s := newWeb(t, func(w http.ResponseWriter, r *http.Request, query []byte) {
		select {
		case <-let:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(let) })
	u := s.upstream(t, newUnder(t))
	if got := ask(t, u, "www.example.com.", soon); !errors.Is(got.err, ErrTimeout) || got.took < soon || got.took > soon+atOnce {
		t.Errorf("got %v after %v, want %v after %v", got.err, got.took, ErrTimeout, soon)
	}
	counted(t, "timeout", u.meter.timeout, 1)
	under := func(more int) {
		u.https.mu.Lock()
		defer u.https.mu.Unlock()
		u.https.underWay += more
	}
	under(maxTCP)
	if got := ask(t, u, "www.example.com.", patience); !errors.Is(got.err, ErrBusy) || got.took > atOnce {
		t.Errorf("with %d under way: got %v after %v, want %v at once", maxTCP, got.err, got.took, ErrBusy)
	}
	under(-maxTCP)
	done := start(t, u, "www.example.com.", patience)
	u.Close()
	if got := finished(t, done); !errors.Is(got.err, ErrStopped) {
		t.Errorf("got %v, want %v", got.err, ErrStopped)
	}
	if got := ask(t, u, "www.example.com.", patience); !errors.Is(got.err, ErrStopped) {
		t.Errorf("after Close: got %v, want %v", got.err, ErrStopped)
	}
}

func TestServerOverHTTPSThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := upstreamtest.NewTLS(t, &tls.Config{}, yes)
	s.Close()
	u := newUnder(t).secured(t, s.Addr, TLS{Name: serverName, Path: dnsQuery})
	if got := ask(t, u, "www.example.com.", patience); got.err == nil || got.err.Error() != "connect: connection refused" || got.took > atOnce {
		t.Errorf("got %v after %v, want a refused connection", got.err, got.took)
	}
}

func TestHostOfAURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, addr, want string }{
		{"", "192.0.2.1:443", "192.0.2.1"},
		{"", "192.0.2.1:8443", "192.0.2.1:8443"},
		{"", "[2001:db8::1]:443", "[2001:db8::1]"},
		{"", "[fe80::1%eth0]:8443", "[fe80::1]:8443"},
		{"dns.example.net", "192.0.2.1:443", "dns.example.net"},
		{"dns.example.net", "192.0.2.1:444", "dns.example.net:444"},
	} {
		if got := host(tt.name, netip.MustParseAddrPort(tt.addr)); got != tt.want {
			t.Errorf("host(%q, %s) = %s, want %s", tt.name, tt.addr, got, tt.want)
		}
	}
}
