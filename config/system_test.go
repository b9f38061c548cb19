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
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v, want %s", got, err, want)
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
		servers, err := config.System(tt.path, tt.listen)
		want := `upstreams "system": ` + problem + remedy
		if err == nil || err.Error() != want || servers != nil {
			t.Errorf("%s: got %v, %v\nwant %s", tt.name, servers, err, want)
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
