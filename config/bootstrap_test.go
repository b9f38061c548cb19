package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

func TestBootstrapServers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, bootstrap, resolv, want string
	}{
		{"configured", "192.0.2.1 [2001:db8::1]:5353", "nameserver 192.0.2.2", "[192.0.2.1:53 [2001:db8::1]:5353] <nil>"},
		{"of resolv.conf", "", "nameserver 192.0.2.2\nnameserver 192.0.2.2\nnameserver ::ffff:192.0.2.3", "[192.0.2.2:53 192.0.2.3:53] <nil>"},
		{"without ourselves", "", "nameserver 127.0.0.53\nnameserver 192.0.2.2\nnameserver 0.0.0.0\nnameserver a.example", "[192.0.2.2:53] <nil>"},
		{"only ourselves", "", "nameserver 127.0.0.53", "[] %s has no name server but notyet: write one into bootstrap, or an upstream by its address"},
		{"empty", "", "", "[] %s has no name server but notyet: write one into bootstrap, or an upstream by its address"},
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(tt.resolv), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Default()
		c.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.53:53")}
		c.Bootstrap = parseAll(t, tt.bootstrap, parseBootstrap)
		servers, err := c.BootstrapServers(path)
		want := tt.want
		if err != nil {
			want = fmt.Sprintf(tt.want, path)
		}
		if got := fmt.Sprintf("%v %v", servers, err); got != want {
			t.Errorf("%s: got %v %v, want %s", tt.name, servers, err, want)
		}
		c.Upstreams = parseAll(t, "192.0.2.1 tls://192.0.2.1#dns.example.net", ParseUpstream)
		if err := c.CheckNames(path); err != nil {
			t.Errorf("%s: upstreams by address: got %v, want nothing", tt.name, err)
		}
		c.Routes = []Route{{Zone: "a.example.", Upstreams: parseAll(t, "https://dns.example.net/dns-query", ParseUpstream)}}
		want = ""
		if err != nil {
			want = `routes[0].upstreams[0] "https://dns.example.net/dns-query": ` + err.Error()
		}
		got := ""
		if err := c.CheckNames(path); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: upstream by name: got %q, want %q", tt.name, got, want)
		}
	}
	missing := filepath.Join(t.TempDir(), "resolv.conf")
	if servers, err := Default().BootstrapServers(missing); err == nil {
		t.Errorf("missing: got %v, want an error", servers)
	}
}

func TestCheckReadsBootstrapAndPins(t *testing.T) {
	t.Parallel()
	const pin = "=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for _, tt := range []struct {
		name, upstreams, bootstrap, pins, want string
	}{
		{"good", "tls://dns.example.net tls://192.0.2.1", "192.0.2.1", "dns.example.net" + pin + " 192.0.2.1" + pin, ""},
		{"ourselves", "system", "127.0.0.1:1053", "", `bootstrap[0] "127.0.0.1:1053": name another server: this one is notyet itself`},
		{"twice", "system", "192.0.2.1 192.0.2.1:53", "", `bootstrap[1] "192.0.2.1:53": remove it: it is there twice`},
		{"pin for nobody", "tls://dns.example.net", "", "dns.example.com" + pin,
			`tls_pins[0] "dns.example.com": write the name of an upstream over TLS: none has this one`},
		{"pin for the address of a name", "tls://192.0.2.1#dns.example.net", "", "192.0.2.1" + pin,
			`tls_pins[0] "192.0.2.1": write the name of an upstream over TLS: none has this one`},
		{"pin for one in the clear", "192.0.2.1", "", "192.0.2.1" + pin,
			`tls_pins[0] "192.0.2.1": write the name of an upstream over TLS: none has this one`},
	} {
		c := Default()
		c.Upstreams = parseAll(t, tt.upstreams, ParseUpstream)
		c.Bootstrap = parseAll(t, tt.bootstrap, parseBootstrap)
		c.TLSPins = parseAll(t, tt.pins, parsePin)
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantFaults(t, c.faults(nil), tt.want)
		})
	}
	c := Default()
	c.Routes = []Route{{Zone: "a.example.", Upstreams: parseAll(t, "tls://dns.example.net", ParseUpstream)}}
	c.TLSPins = parseAll(t, "dns.example.net"+pin, parsePin)
	wantFaults(t, c.faults(nil), "")
}
