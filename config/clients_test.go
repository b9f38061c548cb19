package config_test

import (
	"net/netip"
	"testing"

	"notyet/config"
)

func TestClientsCover(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in, spelling string
		covered      []string
		not          []string
	}{
		{
			in: "loopback", spelling: "loopback",
			covered: []string{"127.0.0.1", "127.255.255.255", "::1"},
			not:     []string{"128.0.0.1", "::2", "10.0.0.1"},
		},
		{
			in: "private", spelling: "private",
			covered: []string{"10.0.0.1", "172.31.255.255", "192.168.1.1", "100.127.255.255", "169.254.1.1", "fd00::1", "fe80::1"},
			not:     []string{"127.0.0.1", "172.32.0.1", "100.128.0.1", "192.0.2.1", "2001:db8::1", "::1"},
		},
		{in: "192.0.2.0/24", spelling: "192.0.2.0/24", covered: []string{"192.0.2.255"}, not: []string{"192.0.3.0"}},
		{in: "2001:DB8::/32", spelling: "2001:db8::/32", covered: []string{"2001:db8::1"}, not: []string{"2001:db9::"}},
		{in: "192.0.2.1", spelling: "192.0.2.1", covered: []string{"192.0.2.1"}, not: []string{"192.0.2.2"}},
		{in: "192.0.2.1/32", spelling: "192.0.2.1", covered: []string{"192.0.2.1"}, not: []string{"192.0.2.0"}},
		{in: "0.0.0.0/0", spelling: "0.0.0.0/0", covered: []string{"192.0.2.1"}, not: []string{"::1"}},
	} {
		c := clients(t, tt.in)
		if c.String() != tt.spelling || clients(t, c.String()) != c {
			t.Errorf("ParseClients(%q) is spelled %q, want %q", tt.in, c, tt.spelling)
		}
		for _, ip := range tt.covered {
			if !covers(c, ip) {
				t.Errorf("%s does not cover %s", c, ip)
			}
		}
		for _, ip := range tt.not {
			if covers(c, ip) {
				t.Errorf("%s covers %s", c, ip)
			}
		}
	}
}

func TestClientsRemedies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, remedy string }{
		{"", "write loopback, private, or a prefix"},
		{"all", "everyone is 0.0.0.0/0 and ::/0"},
		{"192.0.2.0/33", "write loopback, private, or a prefix"},
		{"192.0.2.1/24", "write 192.0.2.0/24"},
		{"2001:db8::1/32", "write 2001:db8::/32"},
		{"::ffff:192.0.2.1", "write it as IPv4"},
		{"::ffff:192.0.2.0/120", "write it as IPv4"},
		{"fe80::1%eth0", "leave the zone out"},
	} {
		_, err := config.ParseClients(tt.in)
		wantRemedy(t, "ParseClients", tt.in, err, tt.remedy)
	}
}

func covers(c config.Clients, ip string) bool {
	for _, prefix := range c.Prefixes() {
		if prefix.Contains(netip.MustParseAddr(ip)) {
			return true
		}
	}
	return false
}
