package config_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"notyet/config"
)

func TestSystemServers(t *testing.T) {
	t.Parallel()
	path := resolvConf(t, `# by hand
search example.com
nameserver 192.0.2.53
nameserver 192.0.2.53
nameserver fe80::1%eth0
nameserver ::ffff:192.0.2.54
nameserver dns.example.com
nameserver 0.0.0.0
nameserver system
options edns0
`)
	got, err := config.System(path, config.Default().Listen)
	want := "[192.0.2.53:53 [fe80::1%eth0]:53 192.0.2.54:53]"
	if err != nil || fmt.Sprint(got.Upstreams()) != want || got.TCP || got.Rotate {
		t.Errorf("got %+v, %v, want %s", got, err, want)
	}
}

func TestSystemOptionsThatConcernAForwarder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ options, want string }{
		{"", "[192.0.2.1:53 192.0.2.2:53] false"},
		{"options ndots:5 timeout:1 attempts:3 edns0 trust-ad single-request", "[192.0.2.1:53 192.0.2.2:53] false"},
		{"options use-vc", "[tcp://192.0.2.1:53 tcp://192.0.2.2:53] false"},
		{"options ndots:2\trotate", "[192.0.2.1:53 192.0.2.2:53] true"},
		{"options rotate\noptions use-vc", "[tcp://192.0.2.1:53 tcp://192.0.2.2:53] true"},
		{"# options rotate\n;options use-vc\nsearch rotate use-vc", "[192.0.2.1:53 192.0.2.2:53] false"},
	} {
		path := resolvConf(t, "nameserver 192.0.2.1\n"+tt.options+"\nnameserver 192.0.2.2\n")
		got, err := config.System(path, nil)
		if text := fmt.Sprint(got.Upstreams(), got.Rotate); err != nil || text != tt.want {
			t.Errorf("%q: got %s, %v, want %s", tt.options, text, err, tt.want)
		}
	}
}

func TestSystemsAreEqualWhenTheySayTheSame(t *testing.T) {
	t.Parallel()
	read := func(text string) config.Resolv {
		r, err := config.System(resolvConf(t, text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	plain := read("nameserver 192.0.2.1\nnameserver 192.0.2.2")
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"# written anew\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch example.com", true},
		{"nameserver 192.0.2.2\nnameserver 192.0.2.1", false},
		{"nameserver 192.0.2.1", false},
		{"nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate", false},
		{"nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions use-vc", false},
	} {
		if got := plain.Equal(read(tt.text)); got != tt.want {
			t.Errorf("%q: got equal %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestSystemFaultsSayTheRemedy(t *testing.T) {
	t.Parallel()
	const remedy = ": name one with --upstream 192.0.2.1 or upstreams: [192.0.2.1]"
	missing := filepath.Join(t.TempDir(), "resolv.conf")
	for _, tt := range []struct {
		name, path, problem string
		listen              []netip.AddrPort
	}{
		{name: "missing", path: missing, problem: "open " + missing + ": no such file or directory"},
		{name: "empty", path: resolvConf(t, ""), problem: "%s has no nameserver"},
		{name: "only names", path: resolvConf(t, "nameserver dns.example.com\n"), problem: "%s has no nameserver"},
		{
			name: "ourselves", path: resolvConf(t, "nameserver 192.0.2.1\nnameserver 127.0.0.1\n"),
			listen:  []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")},
			problem: "%s has 127.0.0.1:53, which is notyet itself",
		},
		{
			name: "ourselves behind a wildcard", path: resolvConf(t, "nameserver 127.0.0.53\n"),
			listen:  []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:53")},
			problem: "%s has 127.0.0.53:53, which is notyet itself",
		},
	} {
		problem := tt.problem
		if tt.path != missing {
			problem = fmt.Sprintf(tt.problem, tt.path)
		}
		got, err := config.System(tt.path, tt.listen)
		want := `upstreams "system": ` + problem + remedy
		if err == nil || err.Error() != want || got.Servers != nil {
			t.Errorf("%s: got %v, %v\nwant %s", tt.name, got, err, want)
		}
	}
}

func resolvConf(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
