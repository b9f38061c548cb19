package admin

import (
	"net"
	"strings"
	"testing"
)

const testToken = "0123456789abcdef"

func TestForeignHostIsRefused(t *testing.T) {
	t.Parallel()
	c, api := withAPI(t)
	r := start(t, c)
	for host, ok := range map[string]bool{
		"127.0.0.1:8053": true, "127.0.0.1": true, "[::1]:8053": true, "localhost": true, "LocalHost:8053": true, "127.1.2.3": true,
		"evil.example.com:8053": false, "localhost.evil.example.com": false, "127.0.0.1.evil.example.com": false,
		"192.0.2.1": false, "[2001:db8::1]:8053": false, "0.0.0.0:8053": false, "notyet": false,
	} {
		for _, page := range []string{"/api/v1/status", "/api/v1/events?x", "/metrics", "/debug/pprof/cmdline", "/nothing"} {
			response, body := r.send(t, "GET", page, "", "Host: "+host)
			if !ok {
				wantProblem(t, host+page, response, body, 403, "ask by a loopback address or by the address in admin")
			} else if response.StatusCode == 403 {
				t.Errorf("Host %s: %s: got 403 %s", host, page, body)
			}
		}
		for _, probe := range []string{"/healthz", "/readyz"} { // a kubelet comes by the pod's address
			if response, _ := r.send(t, "GET", probe, "", "Host: "+host); response.StatusCode != 200 {
				t.Errorf("Host %s: %s: got %d, want 200", host, probe, response.StatusCode)
			}
		}
	}
	for _, call := range api.calls() {
		if call != "status" {
			t.Errorf("got %q asked", call)
		}
	}
}

// TestAddressThatIsListenedOnIsAHost has a wildcard address, which is asked by one of its own.
func TestAddressThatIsListenedOnIsAHost(t *testing.T) {
	t.Parallel()
	c, _ := withAPI(t)
	c.Address, c.Token = "0.0.0.0:0", testToken
	r := start(t, c)
	_, port, _ := net.SplitHostPort(r.Addr().String())
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip, _, err := net.ParseCIDR(a.String())
		if err != nil || ip.To4() == nil {
			continue
		}
		for _, tt := range []struct {
			host   string
			status int
		}{{ip.String() + ":" + port, 200}, {ip.String(), 200}, {"192.0.2.77:" + port, 403}, {"evil.example.com", 403}} {
			conn, err := net.Dial("tcp", net.JoinHostPort(ip.String(), port))
			if err != nil {
				t.Fatal(err)
			}
			if status := statusOf(t, conn, "GET /api/v1/status HTTP/1.1\r\nHost: "+tt.host+"\r\nAuthorization: Bearer "+testToken+"\r\nConnection: close\r\n\r\n"); status != tt.status {
				t.Errorf("at %s as %s: got %d, want %d", ip, tt.host, status, tt.status)
			}
		}
	}
}

func TestUnixSocketHasAnyHost(t *testing.T) {
	t.Parallel()
	c, _ := withAPI(t)
	c.Address = "unix://" + socketPath(t)
	r := start(t, c)
	for _, host := range []string{"localhost", "notyet", "unix"} {
		if response, body := r.send(t, "GET", "/api/v1/status", "", "Host: "+host); response.StatusCode != 200 {
			t.Errorf("Host %s: got %d %s, want 200: no web page reaches a socket", host, response.StatusCode, body)
		}
	}
	response, body := r.send(t, "DELETE", "/api/v1/cache?name=a", "", "Sec-Fetch-Site: cross-site")
	wantProblem(t, "cross-site", response, body, 403, "web page of another site")
}

func TestTokenIsAskedFor(t *testing.T) {
	t.Parallel()
	c, api := withAPI(t)
	c.Token = testToken
	r := start(t, c)
	for _, tt := range []struct {
		header string
		ok     bool
	}{
		{"Authorization: Bearer " + testToken, true},
		{"authorization: bearer " + testToken, true},
		{"X: y", false},
		{"Authorization: Bearer", false},
		{"Authorization: Bearer ", false},
		{"Authorization: " + testToken, false},
		{"Authorization: Basic " + testToken, false},
		{"Authorization: Bearer " + testToken[1:], false},
		{"Authorization: Bearer " + testToken + "0", false},
		{"Authorization: Bearer " + strings.ToUpper(testToken), false},
		{"Cookie: token=" + testToken, false},
	} {
		for _, page := range []string{"/api/v1/status", "/metrics", "/debug/pprof/cmdline", "/nothing"} {
			response, body := r.send(t, "GET", page, "", tt.header)
			if tt.ok == (response.StatusCode == 401) {
				t.Errorf("%s with %q: got %d, want it let in: %v", page, tt.header, response.StatusCode, tt.ok)
			}
			if tt.ok {
				continue
			}
			wantProblem(t, tt.header, response, body, 401, "send the token that admin_token_file has")
			if response.Header.Get("WWW-Authenticate") != "Bearer" || strings.Contains(body, testToken) {
				t.Errorf("got %v %s", response.Header, body)
			}
		}
		if response, _ := r.send(t, "GET", "/healthz", "", tt.header); response.StatusCode != 200 {
			t.Errorf("/healthz with %q: got %d, want 200", tt.header, response.StatusCode)
		}
	}
	if got := len(api.calls()); got != 2 {
		t.Errorf("got %d calls, want those two that had the token", got)
	}
}

func TestCrossSiteWritesAreRefused(t *testing.T) {
	t.Parallel()
	c, api := withAPI(t)
	r := start(t, c)
	for _, tt := range []struct {
		name    string
		headers []string
		ok      bool
	}{
		{"curl", nil, true},
		{"own page", []string{"Sec-Fetch-Site: same-origin", "Origin: http://localhost"}, true},
		{"address bar", []string{"Sec-Fetch-Site: none"}, true},
		{"old browser, own page", []string{"Origin: http://localhost"}, true},
		{"other site", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example.com"}, false},
		{"other port of this host", []string{"Sec-Fetch-Site: same-site", "Origin: http://localhost:3000"}, false},
		{"old browser, other site", []string{"Origin: https://evil.example.com"}, false},
		{"sandboxed page", []string{"Origin: null"}, false},
	} {
		for _, w := range [][3]string{
			{"POST", "/api/v1/watches", `{}`}, {"DELETE", "/api/v1/watches/a", ""}, {"DELETE", "/api/v1/cache?name=a", ""},
		} {
			response, body := r.send(t, w[0], w[1], w[2], tt.headers...)
			if !tt.ok {
				wantProblem(t, tt.name+": "+w[0], response, body, 403, "web page of another site")
			}
			if got := len(api.calls()); (got == 1) != tt.ok {
				t.Errorf("%s: %s: got %d %s and %d calls, want it done: %v", tt.name, w[0], response.StatusCode, body, got, tt.ok)
			}
		}
	}
}
