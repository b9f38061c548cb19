package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeAPI is behind a test's server. What it is asked is written down.
type fakeAPI struct {
	mu    sync.Mutex
	asked []string
	err   error // of all that may fail
}

func (f *fakeAPI) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

// calls are those since the last call.
func (f *fakeAPI) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

func (f *fakeAPI) Status() Status     { _ = f.note("status"); return Status{Version: "notyet devel"} }
func (f *fakeAPI) Watches() []Watch   { _ = f.note("watches"); return nil }
func (f *fakeAPI) Pending() []Pending { _ = f.note("pending"); return nil }

func (f *fakeAPI) AddWatch(lease []byte) (Watch, error) {
	return Watch{Name: "0/25.2.0.192.in-addr.arpa."}, f.note("add %s", lease)
}
func (f *fakeAPI) RemoveWatch(name string) error           { return f.note("remove %s", name) }
func (f *fakeAPI) Cache(name string) ([]CacheEntry, error) { return nil, f.note("cache %s", name) }
func (f *fakeAPI) Flush(what Flush) (int, error)           { return 3, f.note("flush %+v", what) }
func (f *fakeAPI) Explain(qname, qtype string) (Explanation, error) {
	return Explanation{}, f.note("explain %s %s", qname, qtype)
}

func withAPI(t *testing.T) (Config, *fakeAPI) {
	t.Helper()
	f := new(fakeAPI)
	c := config("127.0.0.1:0")
	c.API = f
	return c, f
}

// send makes one request; headers are lines such as "Host: localhost".
func (r *running) send(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	c := r.dial(t)
	if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Host:") }) {
		headers = append(headers, "Host: localhost")
	}
	if body != "" && !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Content-") }) {
		headers = append(headers, "Content-Type: application/json")
	}
	headers = append(headers, fmt.Sprintf("Content-Length: %d", len(body)), "Connection: close")
	go fmt.Fprintf(c, "%s %s HTTP/1.1\r\n%s\r\n\r\n%s", method, path, strings.Join(headers, "\r\n"), body)
	request, _ := http.NewRequest(method, "/", nil) // a reply to HEAD has no body
	response, err := http.ReadResponse(bufio.NewReader(c), request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response, string(text)
}

// wantProblem checks that a response is a problem, with some words in its detail.
func wantProblem(t *testing.T, what string, response *http.Response, body string, status int, detail string) {
	t.Helper()
	var p Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Errorf("%s: got %d %q, want a problem: %v", what, response.StatusCode, body, err)
		return
	}
	want := Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: p.Detail}
	if response.StatusCode != status || p != want || !strings.Contains(p.Detail, detail) {
		t.Errorf("%s: got %d with %+v, want %+v with %q", what, response.StatusCode, p, want, detail)
	}
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s: got Content-Type %q", what, got)
	}
}

func TestPagesOfTheAPI(t *testing.T) {
	t.Parallel()
	c, api := withAPI(t)
	r := start(t, c)
	for _, tt := range []struct {
		method, path, body string
		status             int
		answer             string // a part of it
		asked              string
	}{
		{"GET", "/api/v1/status", "", 200, `"version": "notyet devel"`, "status"},
		{"HEAD", "/api/v1/status", "", 200, "", "status"},
		{"GET", "/api/v1/watches", "", 200, `"watches": []`, "watches"},
		{"POST", "/api/v1/watches", `{"name": "a.example"}`, 201, `"name": "0/25.2.0.192.in-addr.arpa."`, `add {"name": "a.example"}`},
		{"DELETE", "/api/v1/watches/a.example", "", 204, "", "remove a.example"},
		{"DELETE", "/api/v1/watches/0%2F25.2.0.192.in-addr.arpa.", "", 204, "", "remove 0/25.2.0.192.in-addr.arpa."},
		{"GET", "/api/v1/pending", "", 200, `"pending": []`, "pending"},
		{"GET", "/api/v1/cache?name=a.example", "", 200, `"entries": []`, "cache a.example"},
		{"DELETE", "/api/v1/cache?name=a.example", "", 200, `"dropped": 3`, "flush {Name:a.example Zone: Negative:false}"},
		{"DELETE", "/api/v1/cache?zone=a.example&negative=true", "", 200, `"dropped": 3`, "flush {Name: Zone:a.example Negative:true}"},
		{"DELETE", "/api/v1/cache?name=a.example&negative=false", "", 200, `"dropped": 3`, "flush {Name:a.example Zone: Negative:false}"},
		{"GET", "/api/v1/explain?name=a.example", "", 200, `"cached": []`, "explain a.example "},
		{"GET", "/api/v1/explain?name=a.example&type=TXT", "", 200, `"upstreams": []`, "explain a.example TXT"},
	} {
		response, body := r.send(t, tt.method, tt.path, tt.body)
		if response.StatusCode != tt.status || !strings.Contains(body, tt.answer) {
			t.Errorf("%s %s: got %d %q, want %d with %q", tt.method, tt.path, response.StatusCode, body, tt.status, tt.answer)
		}
		if got := strings.Join(api.calls(), ", "); got != tt.asked {
			t.Errorf("%s %s: got %q asked, want %q", tt.method, tt.path, got, tt.asked)
		}
		if body != "" && (response.Header.Get("Content-Type") != "application/json" || !json.Valid([]byte(body))) {
			t.Errorf("%s %s: got %s %q, want JSON", tt.method, tt.path, response.Header.Get("Content-Type"), body)
		}
		if tt.status == 201 && response.Header.Get("Location") != "/api/v1/watches/0%2F25.2.0.192.in-addr.arpa." {
			t.Errorf("got Location %q", response.Header.Get("Location"))
		}
	}
}

// sendObject is what to do about a body that is no JSON object.
const sendObject = `send one JSON object, such as {"name": "preview.example.com", "for": "15m"}`

func TestWhatIsAskedWronglyIsAProblemWithARemedy(t *testing.T) {
	t.Parallel()
	c, api := withAPI(t)
	r := start(t, c)
	for _, tt := range []struct {
		method, path, body string
		headers            []string
		status             int
		detail             string
	}{
		{"GET", "/", "", nil, 404, "those of the API begin with /api/v1/"},
		{"GET", "/api/v1/nothing", "", nil, 404, `"/api/v1/nothing": there is no such page`},
		{"GET", "/api/v1/watches/a.example", "", nil, 405, "use DELETE"},
		{"PUT", "/api/v1/watches", "", nil, 405, `PUT "/api/v1/watches": use GET, HEAD, POST`},
		{"POST", "/metrics", "", nil, 405, "use GET, HEAD"},
		{"DELETE", "/healthz", "", nil, 405, "use GET, HEAD"},
		{"GET", "/api/v1/status?verbose=1", "", nil, 400, `unknown parameter "verbose": there are none here`},
		{"GET", "/api/v1/watches?a=%zz", "", nil, 400, "the query can't be read"},
		{"GET", "/api/v1/pending?limit=5", "", nil, 400, `unknown parameter "limit"`},
		{"GET", "/api/v1/events?since=5", "", nil, 400, `unknown parameter "since"`},
		{"GET", "/api/v1/cache", "", nil, 400, "name is missing"},
		{"GET", "/api/v1/cache?name=", "", nil, 400, "name is missing"},
		{"GET", "/api/v1/cache?zone=a.example", "", nil, 400, `unknown parameter "zone": there are name`},
		{"GET", "/api/v1/cache?name=a&name=b", "", nil, 400, `parameter "name": write it once`},
		{"DELETE", "/api/v1/cache", "", nil, 400, "name one of the two"},
		{"DELETE", "/api/v1/cache?negative=true", "", nil, 400, "name one of the two"},
		{"DELETE", "/api/v1/cache?name=a&zone=b", "", nil, 400, "name one of the two"},
		{"DELETE", "/api/v1/cache?zone=b&negative=yes", "", nil, 400, `negative "yes": write true or false`},
		{"DELETE", "/api/v1/cache?zone=b&negativ=true", "", nil, 400, `unknown parameter "negativ": there are name, zone, negative`},
		{"GET", "/api/v1/explain?type=A", "", nil, 400, "name is missing"},
		{"DELETE", "/api/v1/watches/a.example?force=1", "", nil, 400, `unknown parameter "force"`},
		{"POST", "/api/v1/watches?dry=1", "{}", nil, 400, `unknown parameter "dry"`},
		{"POST", "/api/v1/watches", "name=a", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "send JSON, as application/json"},
		{"POST", "/api/v1/watches", "", nil, 415, `Content-Type ""`},
		{"POST", "/api/v1/watches", strings.Repeat("x", maxBody+1), nil, 413, "send at most 65536 bytes"},
		{"POST", "/api/v1/watches", "", []string{"Content-Type: application/json"}, 400, "the body is empty: " + sendObject},
		{"POST", "/api/v1/watches", " \r\n", nil, 400, "the body is empty: " + sendObject},
		{"POST", "/api/v1/watches", "{bad", nil, 400, "the body is no JSON: invalid character 'b' looking for beginning of object key string: " + sendObject},
		{"POST", "/api/v1/watches", `{"name": "a.example"`, nil, 400, "the body is no JSON: unexpected end of JSON input: " + sendObject},
		{"POST", "/api/v1/watches", `{"name": "a.example"} {}`, nil, 400, "the body is no JSON: invalid character '{' after top-level value: " + sendObject},
		{"POST", "/api/v1/watches", "{\"name\": \"a\xff.example\"}", nil, 400, "the body is not UTF-8: " + sendObject},
		{"POST", "/api/v1/watches", "[]", nil, 400, "the body is no object: " + sendObject},
		{"POST", "/api/v1/watches", `"a.example"`, nil, 400, "the body is no object: " + sendObject},
		{"POST", "/api/v1/watches", "null", nil, 400, "the body is no object: " + sendObject},
	} {
		response, body := r.send(t, tt.method, tt.path, tt.body, tt.headers...)
		wantProblem(t, tt.method+" "+tt.path, response, body, tt.status, tt.detail)
		if tt.status == 405 && response.Header.Get("Allow") == "" {
			t.Errorf("%s %s: got no Allow", tt.method, tt.path)
		}
	}
	if got := api.calls(); len(got) != 0 {
		t.Errorf("got %q asked, want nothing", got)
	}
	largest := "{" + strings.Repeat(" ", maxBody-len("{}")) + "}"
	if _, body := r.send(t, "POST", "/api/v1/watches", largest, "Content-Type: application/json; charset=utf-8"); !strings.Contains(body, "in-addr") {
		t.Errorf("got %q for the largest body that may be", body)
	}
}

func TestErrorsOfTheAPIAreTheAskersOrTheServers(t *testing.T) {
	t.Parallel()
	c, api := withAPI(t)
	r := start(t, c)
	pages := [][3]string{
		{"POST", "/api/v1/watches", "{}"}, {"DELETE", "/api/v1/watches/a", ""}, {"GET", "/api/v1/cache?name=a", ""},
		{"DELETE", "/api/v1/cache?name=a", ""}, {"GET", "/api/v1/explain?name=a", ""},
	}
	for _, tt := range []struct {
		err    error
		status int
		detail string
	}{
		{Refusal{409, "it is of the configuration"}, 409, "it is of the configuration"},
		{fmt.Errorf("lease: %w", Refusal{507, "too many"}), 507, "too many"},
		{errors.New("secret of the server"), 500, "the log says why"},
	} {
		api.err = tt.err
		for _, page := range pages {
			response, body := r.send(t, page[0], page[1], page[2])
			wantProblem(t, page[0]+" "+page[1], response, body, tt.status, tt.detail)
			if strings.Contains(body, "secret") {
				t.Errorf("%s: got %q", page[1], body)
			}
		}
	}
}

func TestServerWithoutAnAPIHasNoPagesOfIt(t *testing.T) {
	t.Parallel()
	r := start(t, config("127.0.0.1:0"))
	response, body := r.send(t, "GET", "/api/v1/status", "")
	wantProblem(t, "status", response, body, 404, "no such page")
}

// TestBodyThatDoesNotComeIsGivenUp has a client that sends half of it.
func TestBodyThatDoesNotComeIsGivenUp(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, r *running, l *memoryListener) {
		c := l.connect(t)
		began := time.Now()
		go io.WriteString(c, "POST /api/v1/watches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{}")
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		wantProblem(t, "half a body", response, string(body), 408, "within 5s")
		if took := time.Since(began); took != readTimeout {
			t.Errorf("got the answer after %v, want %v", took, readTimeout)
		}
	})
}
