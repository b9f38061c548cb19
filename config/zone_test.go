package config

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"www.Example.com", "www.example.com."},
		{"*.example.com", "*.example.com."},
		{"bücher.shipit.dev", "xn--bcher-kva.shipit.dev."},
		{"BÜCHER.shipit.dev.", "xn--bcher-kva.shipit.dev."},
		{"_dmarc.straße.example", "_dmarc.xn--strae-oqa.example."},
		{"*.bücher.example", "*.xn--bcher-kva.example."},
		{"例。jp", "xn--fsq.jp."},
		{"\u212a.example", "k.example."},  // the Kelvin sign
		{"xn--.example", "xn--.example."}, // what is ASCII stays as it is
		{`a\032b.example`, `a\ b.example.`},
		{`a\.b.example`, `a\.b.example.`},
		{`a\.`, `a\..`},
		{`\065\b.example`, "ab.example."},
		{`\000\255.example`, `\000\255.example.`},
		{`a\+b.example`, "a+b.example."},
		{strings.Repeat(`\032`, 63), strings.Repeat(`\ `, 63) + "."},
	} {
		if got, err := ParseName(tt.in); err != nil || got != tt.want {
			t.Errorf("ParseName(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestNameRemedies(t *testing.T) {
	t.Parallel()
	const escape = `write \ before a character`
	for _, tt := range []struct{ in, remedy string }{
		{".", "write a name such as www.example.com"},
		{"a_ä.example", `write other letters than those of "a_ä", or its xn-- form: idna: disallowed rune U+005F`},
		{"١.example", "or its xn-- form: idna: invalid label"},
		{"\u00ad.example", "a label is empty"}, // a soft hyphen is left out
		{"b\xfccher.example", "write it in UTF-8"},
		{strings.Repeat("ü", 63) + ".example", "at most 63 bytes"},
		{`a\`, escape},
		{`a\25.example`, escape},
		{`a\256.example`, escape},
		{strings.Repeat(`\032`, 64) + ".example", "at most 63 bytes"},
	} {
		if _, err := ParseName(tt.in); err == nil || !strings.Contains(err.Error(), tt.remedy) {
			t.Errorf("ParseName(%q): got %v, want %q", tt.in, err, tt.remedy)
		}
	}
}

func TestAddressIsNoName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, remedy string }{
		{"192.0.2.1", "that of this address is 1.2.0.192.in-addr.arpa"},
		{"192.0.2.1.", "that of this address is 1.2.0.192.in-addr.arpa"},
		{"１９２.0.2.1", "that of this address is 1.2.0.192.in-addr.arpa"},
		{"2001:db8::1", "that of this address is 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
		{"fe80::1%eth0", "that of this address is 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa"},
		{"192.0.2.0/24", "the zone of a network is one such as 2.0.192.in-addr.arpa"},
	} {
		for what, parse := range map[string]func(string) (string, error){"ParseName": ParseName, "ParseWatchZone": ParseWatchZone, "parseZone": parseZone} {
			if _, err := parse(tt.in); err == nil || !strings.Contains(err.Error(), tt.remedy) {
				t.Errorf("%s(%q): got %v, want %q", what, tt.in, err, tt.remedy)
			}
		}
	}
}

func TestZoneIsWrittenDownAsItCanBeRead(t *testing.T) {
	t.Parallel()
	c := Default()
	for _, name := range []string{`a\032b.example`, `\000\255\.\"\\.example`, "bücher.example"} {
		zone, err := ParseWatchZone(name)
		if err != nil {
			t.Fatal(err)
		}
		c.Watch = append(c.Watch, DefaultWatch(zone))
	}
	again, err := Parse(c.YAML())
	if err != nil || Differences(c, again) != nil {
		t.Errorf("got %v and %v, want %v", again.Watch, err, c.Watch)
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat(strings.Repeat("a", 62)+".", 3) + strings.Repeat("b", 63) + "."
	for _, tt := range []struct{ in, want string }{
		{".", "."},
		{"cluster.local", "cluster.local."},
		{"Cluster.LOCAL.", "cluster.local."},
		{"_tcp.example.com", "_tcp.example.com."},
		{"0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa."},
		{"xn--bcher-kva.example", "xn--bcher-kva.example."},
		{strings.Repeat("a", 63), strings.Repeat("a", 63) + "."},
		{longest, longest},
	} {
		if got, err := parseZone(tt.in); err != nil || got != tt.want {
			t.Errorf("parseZone(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestZoneRemedies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, remedy string }{
		{"", ". for every name"},
		{"..", "a label is empty"},
		{".example.com", "a label is empty"},
		{"a..example.com", "a label is empty"},
		{"*.example.com", "leave the * out"},
		{strings.Repeat("a", 64) + ".example", "at most 63 bytes"},
		{strings.Repeat("a.", 126) + "aa", "at most 253 bytes"},
		{"a b.example", "write letters, digits"},
		{"*a.example", "write letters, digits"},
		{`*.a\.b.example`, "leave the * out"},
		{`a\+b.example`, "even with escapes"}, // miekg/dns writes it without
	} {
		if _, err := parseZone(tt.in); err == nil || !strings.Contains(err.Error(), tt.remedy) {
			t.Errorf("parseZone(%q): got %v, want %q", tt.in, err, tt.remedy)
		}
	}
}
