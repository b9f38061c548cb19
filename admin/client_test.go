package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// served is a client of a server with this handler.
func served(t *testing.T, token string, handler http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return NewClient(s.Listener.Addr().String(), token)
}

// answer is a handler that always says the same.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestClientAsksWhatTheAPITakes(t *testing.T) {
	t.Parallel()
	hold := Duration(4 * time.Second)
	for _, tt := range []struct {
		call   func(context.Context, *Client) (any, error)
		want   string // method, URI and body
		answer string
		is     any
	}{
		{func(ctx context.Context, c *Client) (any, error) { return c.Status(ctx) },
			"GET /api/v1/status ", `{"pending": 3}`, Status{Pending: 3}},
		{func(ctx context.Context, c *Client) (any, error) { return c.Watches(ctx) },
			"GET /api/v1/watches ", `{"watches": [{"name": "a.example.", "hold": "4s"}]}`,
			Watches{[]Watch{{Name: "a.example.", Hold: hold}}}},
		{func(ctx context.Context, c *Client) (any, error) {
			return c.AddWatch(ctx, Lease{Name: "a.example.", Hold: &hold})
		}, `POST /api/v1/watches {"name":"a.example.","hold":"4s"}`, `{"name": "a.example.", "lease": true}`,
			Watch{Name: "a.example.", Lease: true}},
		{func(ctx context.Context, c *Client) (any, error) {
			return nil, c.RemoveWatch(ctx, "0/25.2.0.192.in-addr.arpa.")
		}, "DELETE /api/v1/watches/0%2F25.2.0.192.in-addr.arpa. ", "", nil},
		{func(ctx context.Context, c *Client) (any, error) { return c.Pending(ctx) },
			"GET /api/v1/pending ", `{"pending": [{"name": "a.example."}]}`, PendingNames{[]Pending{{Name: "a.example."}}}},
		{func(ctx context.Context, c *Client) (any, error) { return c.CacheEntries(ctx, `a\&b.example.`) },
			`GET /api/v1/cache?name=a%5C%26b.example. `, `{"entries": [{"type": "A", "left": "5m"}]}`,
			CacheEntries{[]CacheEntry{{Type: "A", Left: Duration(5 * time.Minute)}}}},
		{func(ctx context.Context, c *Client) (any, error) { return c.Flush(ctx, Flush{Name: "a.example."}) },
			"DELETE /api/v1/cache?name=a.example. ", `{"dropped": 2}`, Flushed{2}},
		{func(ctx context.Context, c *Client) (any, error) {
			return c.Flush(ctx, Flush{Zone: "a.example.", Negative: true})
		}, "DELETE /api/v1/cache?negative=true&zone=a.example. ", `{"dropped": 0}`, Flushed{}},
		{func(ctx context.Context, c *Client) (any, error) { return c.Explain(ctx, "a.example.", "AAAA") },
			"GET /api/v1/explain?name=a.example.&type=AAAA ", `{"known": true}`, Explanation{Known: true}},
	} {
		var got string
		c := served(t, "", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if kind := r.Header.Get("Content-Type"); (kind == "application/json") != (len(body) > 0) || len(body) == 0 && kind != "" {
				t.Errorf("%s: got Content-Type %q", tt.want, kind)
			}
			got = r.Method + " " + r.RequestURI + " " + string(body)
			answer(http.StatusOK, "application/json", tt.answer)(w, r)
		})
		is, err := tt.call(t.Context(), c)
		if err != nil || got != tt.want || !reflect.DeepEqual(is, tt.is) {
			t.Errorf("%s: got %+v, %v for %s, want %+v", tt.want, is, err, got, tt.is)
		}
	}
}

func TestClientOfAUnixSocket(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "localhost" {
			t.Errorf("got Host %q, want localhost", r.Host)
		}
		answer(http.StatusOK, "application/json", `{"version": "devel"}`)(w, r)
	})}}
	s.Start()
	t.Cleanup(s.Close)
	if got, err := NewClient("unix://"+path, "").Status(t.Context()); err != nil || got.Version != "devel" {
		t.Errorf("got %+v, %v, want its version", got, err)
	}
}

func TestClientFindsWhatListensOnEveryAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ address, want string }{
		{"0.0.0.0:8053", "127.0.0.1:8053"},
		{"[::]:8053", "[::1]:8053"},
		{"192.0.2.1:8053", "192.0.2.1:8053"},
		{"localhost:8053", "localhost:8053"},
	} {
		if got := reachable(tt.address); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.address, got, tt.want)
		}
	}
}

func TestClientShowsItsToken(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"", "s3cret"} {
		want := ""
		if token != "" {
			want = "Bearer " + token
		}
		c := served(t, token, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			answer(http.StatusOK, "application/json", "{}")(w, r)
		})
		if _, err := c.Status(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestClientIsNotSentOn has a server point to another, which must not see the token.
func TestClientIsNotSentOn(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("got %s with %q, want nothing", r.URL, r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	c := served(t, "s3cret", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "307 Temporary Redirect") {
		t.Errorf("got %v, want it told", err)
	}
}

func TestClientTellsWhyItIsNotServed(t *testing.T) {
	t.Parallel()
	long := `"` + strings.Repeat("x", maxAnswer) + `"`
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
		status  int // of the problem; zero: it is none
	}{
		{"problem", answer(404, "application/problem+json", `{"detail": "no lease for a.example."}`), "no lease for a.example.", 404},
		{"problem in short", answer(403, "application/problem+json; charset=utf-8", `{}`), "403 Forbidden", 403},
		{"broken problem", answer(404, "application/problem+json", `{`), "404 Not Found, and not in the words of the API", 0},
		{"another server's page", answer(200, "text/html", "<html>"), "200 OK, and not in the words of the API", 0},
		{"another server's fault", answer(404, "text/plain", "404 page not found"), "name the admin address of a notyet", 0},
		{"broken answer", answer(200, "application/json", `{"pending": "many"}`), "read the answer: json: ", 0},
		{"cut answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "{")
		}, "unexpected EOF", 0},
		{"endless answer", answer(200, "application/json", long), "the answer is longer than 16 MiB", 0},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 10s", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := served(t, "", tt.handler)
			if tt.name == "silence" {
				c.http.Timeout = 50 * time.Millisecond
			}
			_, err := c.Status(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "http://") {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			var p *Problem
			if got := errors.As(err, &p); got != (tt.status != 0) || got && p.Status != tt.status {
				t.Errorf("got problem %+v, want status %d", p, tt.status)
			}
			if errors.Is(err, ErrNoServer) {
				t.Errorf("got %v, but there is one", err)
			}
		})
	}
}

func TestClientTellsThatNobodyIsThere(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:1", "unix://" + socketPath(t)} {
		_, err := NewClient(address, "").Status(t.Context())
		if !errors.Is(err, ErrNoServer) || !strings.HasPrefix(err.Error(), address+": no notyet runs there: ") {
			t.Errorf("%s: got %v, want ErrNoServer", address, err)
		}
	}
}

func TestClientStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := served(t, "", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := c.Status(ctx); err != context.Canceled {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if _, err := NewClient("127.0.0.1:1", "").Status(ctx); err != context.Canceled {
		t.Errorf("before the call: got %v, want %v", err, context.Canceled)
	}
}

func TestClientTellsWhetherAServerIsReady(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string // empty: it is
	}{
		{"ready", answer(200, "text/plain; charset=utf-8", "ready\n"), ""},
		{"not ready", answer(503, "text/plain; charset=utf-8", "stopping\n"), "not ready: stopping"},
		{"a page", answer(200, "text/html", "<html>"), "200 OK, and not in the words of the API"},
		{"a gateway's page", answer(503, "text/html", "<html>"), "503 Service Unavailable, and not in the words"},
		{"no such page", answer(404, "text/plain", "404 page not found"), "404 Not Found, and not in the words"},
	} {
		err := served(t, "", tt.handler).Ready(t.Context())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
