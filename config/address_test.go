package config_test

import (
	"net/netip"
	"strings"
	"testing"

	"notyet/config"
)

func TestListenAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"127.0.0.1:1053", "127.0.0.1:1053"},
		{"127.0.0.1", "127.0.0.1:53"},
		{"127.0.0.1:0", "127.0.0.1:0"},
		{"0.0.0.0:53", "0.0.0.0:53"},
		{"[::1]:1053", "[::1]:1053"},
		{"[::1]", "[::1]:53"},
		{"::1", "[::1]:53"},
		{"fe80::1%eth0", "[fe80::1%eth0]:53"},
		{"::ffff:127.0.0.1", "127.0.0.1:53"},
		{"[::ffff:127.0.0.1]:1053", "127.0.0.1:1053"},
	} {
		if got, err := config.ParseListen(tt.in); err != nil || got.String() != tt.want {
			t.Errorf("ParseListen(%q) = %v, %v, want %s", tt.in, got, err, tt.want)
		}
	}
}

func TestListenRemedies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, remedy string }{
		{":53", "0.0.0.0:53 or [::]:53 for all"},
		{"", "write an IP address and a port"},
		{"53", "write an IP address and a port"},
		{"localhost:53", "write an IP address and a port"},
		{"127.0.0.1:", "write an IP address and a port"},
		{"127.0.0.1:65536", "write an IP address and a port"},
		{"127.0.0.1:domain", "write an IP address and a port"},
		{"[127.0.0.1]:53", "write an IP address and a port"},
		{"]", "write an IP address and a port"},
		{" 127.0.0.1:53", "write an IP address and a port"},
		{"224.0.0.251:5353", "multicast"},
	} {
		got, err := config.ParseListen(tt.in)
		wantRemedy(t, "ParseListen", tt.in, err, tt.remedy)
		if got.IsValid() {
			t.Errorf("ParseListen(%q) = %v beside an error", tt.in, got)
		}
	}
}

func TestUpstreamSpellings(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddrPort
	for _, tt := range []struct {
		in       string
		want     config.Upstream
		spelling string
	}{
		{"system", config.Upstream{System: true}, "system"},
		{"10.0.0.2", config.Upstream{Addr: addr("10.0.0.2:53")}, "10.0.0.2:53"},
		{"10.0.0.2:5353", config.Upstream{Addr: addr("10.0.0.2:5353")}, "10.0.0.2:5353"},
		{"fd00::1", config.Upstream{Addr: addr("[fd00::1]:53")}, "[fd00::1]:53"},
		{"[fd00::1]", config.Upstream{Addr: addr("[fd00::1]:53")}, "[fd00::1]:53"},
		{"[fd00::1]:5353", config.Upstream{Addr: addr("[fd00::1]:5353")}, "[fd00::1]:5353"},
		{"fe80::1%eth0", config.Upstream{Addr: addr("[fe80::1%eth0]:53")}, "[fe80::1%eth0]:53"},
		{"tcp://10.0.0.2", config.Upstream{TCP: true, Addr: addr("10.0.0.2:53")}, "tcp://10.0.0.2:53"},
		{"tcp://[fd00::1]:5353", config.Upstream{TCP: true, Addr: addr("[fd00::1]:5353")}, "tcp://[fd00::1]:5353"},
		{"::ffff:10.0.0.2", config.Upstream{Addr: addr("10.0.0.2:53")}, "10.0.0.2:53"},
		{"tls://10.0.0.2", config.Upstream{TLS: true, Addr: addr("10.0.0.2:853")}, "tls://10.0.0.2:853"},
		{"tls://[fd00::1]", config.Upstream{TLS: true, Addr: addr("[fd00::1]:853")}, "tls://[fd00::1]:853"},
		{"tls://[fe80::1%eth0]:8853", config.Upstream{TLS: true, Addr: addr("[fe80::1%eth0]:8853")}, "tls://[fe80::1%eth0]:8853"},
		{
			"tls://1.1.1.1#Cloudflare-DNS.com.", config.Upstream{TLS: true, Addr: addr("1.1.1.1:853"), Name: "cloudflare-dns.com"},
			"tls://1.1.1.1:853#cloudflare-dns.com",
		},
		{"tls://fd00::1#dns.example.net", config.Upstream{TLS: true, Addr: addr("[fd00::1]:853"), Name: "dns.example.net"}, "tls://[fd00::1]:853#dns.example.net"},
		{"tls://dns.google", config.Upstream{TLS: true, Addr: named(853), Name: "dns.google"}, "tls://dns.google:853"},
		{"tls://DNS.google.:8853", config.Upstream{TLS: true, Addr: named(8853), Name: "dns.google"}, "tls://dns.google:8853"},
		{"https://dns.google/dns-query", config.Upstream{TLS: true, Addr: named(443), Name: "dns.google", Path: "/dns-query"}, "https://dns.google/dns-query"},
		{"https://dns.google:443/dns-query", config.Upstream{TLS: true, Addr: named(443), Name: "dns.google", Path: "/dns-query"}, "https://dns.google/dns-query"},
		{"https://DNS.google:8443/?a=b", config.Upstream{TLS: true, Addr: named(8443), Name: "dns.google", Path: "/?a=b"}, "https://dns.google:8443/?a=b"},
		{"https://1.1.1.1/dns-query", config.Upstream{TLS: true, Addr: addr("1.1.1.1:443"), Path: "/dns-query"}, "https://1.1.1.1/dns-query"},
		{"https://[fd00::1]:8443/q", config.Upstream{TLS: true, Addr: addr("[fd00::1]:8443"), Path: "/q"}, "https://[fd00::1]:8443/q"},
		{
			"https://8.8.8.8/dns-query#dns.google", config.Upstream{TLS: true, Addr: addr("8.8.8.8:443"), Name: "dns.google", Path: "/dns-query"},
			"https://8.8.8.8/dns-query#dns.google",
		},
	} {
		got, err := config.ParseUpstream(tt.in)
		if err != nil || got != tt.want || got.String() != tt.spelling {
			t.Errorf("ParseUpstream(%q) = %v, %v, want %v, spelled %s", tt.in, got, err, tt.want, tt.spelling)
		}
		if again, err := config.ParseUpstream(got.String()); err != nil || again != got {
			t.Errorf("ParseUpstream(%q) = %v, %v, want %v", got.String(), again, err, got)
		}
	}
}

// named is a port of a server whose address has to be looked up.
func named(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.Addr{}, port) }

func TestUpstreamRemedies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, remedy string }{
		{"", "write an IP address"},
		{"dns.example.com", "names are for tls:// and https://"},
		{":53", "write an IP address"},
		{"System", "or system"},
		{"tcp://", "write an IP address"},
		{"tcp://system", "write an IP address"},
		{"quic://192.0.2.1", "other schemes are not supported"},
		{"tcp://192.0.2.1#dns.example.com", "write an IP address"},
		{"tcp://dns.example.com", "write an IP address"},
		{"tls://", "such as tls://192.0.2.1#dns.example.com"},
		{"tls://system", "such as tls://192.0.2.1#dns.example.com"},
		{"tls://192.0.2.1#", "such as tls://192.0.2.1#dns.example.com"},
		{"tls://192.0.2.1#192.0.2.1", "such as tls://192.0.2.1#dns.example.com"},
		{"tls://192.0.2", "such as tls://192.0.2.1#dns.example.com"},
		{"tls://192.0.2.1/dns-query", "such as tls://192.0.2.1#dns.example.com"},
		{"tls://dns.example.com:0", "such as tls://192.0.2.1#dns.example.com"},
		{"tls://dns.example.com:domain", "such as tls://192.0.2.1#dns.example.com"},
		{"tls://dns example.com", "such as tls://192.0.2.1#dns.example.com"},
		{"tls://dns.example.com#dns.example.com", "write an IP address before #"},
		{"tls://0.0.0.0#dns.example.com", "write the address of one server"},
		{"tls://192.0.2.1:0", "write the server's port"},
		{"https://dns.example.com", "write the path too"},
		{"https://dns.example.com/", "write the path too"},
		{"https:///dns-query", "write a URL such as"},
		{"https://me:secret@dns.example.com/dns-query", "write a URL such as"},
		{"https://localhost/dns-query", "write a URL such as"},
		{"https://dns.example.com:99999/dns-query", "write a URL such as"},
		{"https://dns.example.com/dns-query{?dns}", "leave the template in braces out"},
		{"https://dns.example.com/dns-query#dns.example.com", "write an IP address before #"},
		{"https://224.0.0.251/dns-query", "write the address of one server"},
		{"udp://192.0.2.1", "leave udp:// out"},
		{"0.0.0.0", "write the address of one server"},
		{"[::]:53", "write the address of one server"},
		{"::ffff:0.0.0.0", "write the address of one server"},
		{"224.0.0.251", "write the address of one server"},
		{"tcp://[ff02::fb]:5353", "write the address of one server"},
		{"192.0.2.1:0", "write the server's port"},
	} {
		got, err := config.ParseUpstream(tt.in)
		wantRemedy(t, "ParseUpstream", tt.in, err, tt.remedy)
		if got != (config.Upstream{}) {
			t.Errorf("ParseUpstream(%q) = %v beside an error", tt.in, got)
		}
	}
}

func TestAdminAddresses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "127.0.0.1:8053", "127.0.0.1:0", "0.0.0.0:8053", "[::1]:8053", "localhost:8053",
		"unix:///run/notyet.sock", "unix:///" + strings.Repeat("x", 102),
	} {
		if got, err := config.ParseAdmin(in); err != nil || got != in {
			t.Errorf("ParseAdmin(%q) = %q, %v", in, got, err)
		}
	}
}

func TestAdminRemedies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, remedy string }{
		{"off", `or "" for off`},
		{":8053", "write an IP address and a port"},
		{"8053", "write an IP address and a port"},
		{"127.0.0.1", "write an IP address and a port"},
		{"localhost", "or localhost:8053"},
		{"localhost:", "or localhost:8053"},
		{"localhost:http", "or localhost:8053"},
		{"notyet.example.com:8053", "write an IP address and a port"},
		{"224.0.0.1:8053", "write an IP address and a port"},
		{"http://127.0.0.1:8053", "write an IP address and a port"},
		{"/run/notyet.sock", "unix:///run/notyet.sock"},
		{"unix://run/notyet.sock", "write the absolute path"},
		{"unix://", "write the absolute path"},
		{"unix:///", "write the absolute path"},
		{"unix:///" + strings.Repeat("x", 103), "at most 103 bytes"},
		{"unix:///run/\x00", "control characters"},
		{"unix:///run/\xff", "control characters"},
	} {
		_, err := config.ParseAdmin(tt.in)
		wantRemedy(t, "ParseAdmin", tt.in, err, tt.remedy)
	}
}

// wantRemedy checks that fn, called with in, said what to write instead.
func wantRemedy(t *testing.T, fn, in string, err error, remedy string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), remedy) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s(%q): got error %v, want one line with %q", fn, in, err, remedy)
	}
}
