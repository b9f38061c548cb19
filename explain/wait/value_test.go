package wait

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// received is a record as it comes over the wire.
func received(t *testing.T, text string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1000)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if rr, _, err = dns.UnpackRR(buf[:n], 0); err != nil {
		t.Fatal(err)
	}
	return rr
}

func TestValuesAreComparedAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	for _, tt := range []struct {
		value, record string
		same          bool
	}{
		{"192.0.2.7", "a. 60 IN A 192.0.2.7", true},
		{"192.0.2.7", "a. 60 IN A 192.0.2.70", false},
		{"2001:DB8:0::7", "a. 60 IN AAAA 2001:db8::7", true},
		{"2001:db8::7", "a. 60 IN AAAA 2001:db8::70", false},
		{"Host.Other.DEV", "a. 60 IN CNAME host.other.dev.", true},
		{"host.other.dev.", "a. 60 IN CNAME HOST.other.dev.", true},
		{"host.other.dev", "a. 60 IN CNAME host.other.dev.shipit.dev.", false},
		{"ns1.other.dev", "a. 60 IN NS ns1.other.dev.", true},
		{"10 mail.other.dev", "a. 60 IN MX 10 mail.other.dev.", true},
		{"20 mail.other.dev", "a. 60 IN MX 10 mail.other.dev.", false},
		{"token", "a. 60 IN TXT token", true},
		{"token", "a. 60 IN TXT Token", false},
		{`"token"`, "a. 60 IN TXT token", true},
		{"v=spf1 -all", `a. 60 IN TXT "v=spf1 -all"`, true},
		{`"v=spf1 -all"`, `a. 60 IN TXT "v=spf1 -all"`, true},
		{`say "hi" \o/`, `a. 60 IN TXT "say \"hi\" \\o/"`, true},
		{`"say \"hi\" \\o/"`, `a. 60 IN TXT "say \"hi\" \\o/"`, true},
		{"grün", `a. 60 IN TXT "gr\195\188n"`, true},
		{`"gr\195\188n"`, `a. 60 IN TXT "gr\195\188n"`, true},
		{long + long, `a. 60 IN TXT "` + long + `" "` + long + `"`, true},
		{`"` + long + `" "` + long + `"`, `a. 60 IN TXT "` + long[:150] + `" "` + long + long[:50] + `"`, true},
		{`0 issue "ca.example"`, `a. 60 IN CAA 0 issue "ca.example"`, true},
		{`0 issue "ca.example"`, `a. 60 IN CAA 128 issue "ca.example"`, false},
		{"1 . alpn=h2", `a. 60 IN HTTPS 1 . alpn="h2"`, true},
		{`\# 2 abcd`, `a. 60 IN TYPE65400 \# 2 ABCD`, true},
	} {
		rr := received(t, tt.record)
		v, err := ParseValue(tt.value, rr.Header().Rrtype)
		if err != nil {
			t.Errorf("value %q: %v", tt.value, err)
			continue
		}
		if got := v.is(rr); got != tt.same {
			t.Errorf("value %q of %s: got %v, want %v", tt.value, tt.record, got, tt.same)
		}
	}
}

func TestValuesThatNoRecordHasAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value  string
		qtype  uint16
		remedy string
	}{
		{"", dns.TypeA, "IPv4 address"},
		{"host.other.dev", dns.TypeA, "IPv4 address"},
		{"2001:db8::7", dns.TypeA, "IPv4 address"},
		{"192.0.2.7", dns.TypeAAAA, "IPv6 address"},
		{"fe80::1%eth0", dns.TypeAAAA, "IPv6 address"},
		{"mail.other.dev", dns.TypeMX, "type MX as a zone file has it"},
		{"a b", dns.TypeCNAME, "type CNAME"},
		{"", dns.TypeCNAME, "type CNAME"},
		{"a..b", dns.TypeCNAME, "type CNAME"},
		{"a\nb", dns.TypeCNAME, "control characters"},
		{`"token`, dns.TypeTXT, "type TXT"},
		{"; token", dns.TypeMX, "type MX"},
	} {
		if _, err := ParseValue(tt.value, tt.qtype); err == nil || !strings.Contains(err.Error(), tt.remedy) {
			t.Errorf("%q of type %s: got %v, want %q", tt.value, dns.Type(tt.qtype), err, tt.remedy)
		}
	}
}
