package wire

import (
	"testing"

	"github.com/miekg/dns"
)

func TestRecordsKeepTheirText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ record, want string }{
		{"www.example. 300 IN A 192.0.2.1", "www.example. 300 IN A 192.0.2.1"},
		{`t.example. 60 TXT "v=x;  a   b" "c"`, `t.example. 60 IN TXT "v=x;  a   b" "c"`},
		{"t.example. 60 TXT \"a\tb\"", `t.example. 60 IN TXT "a\009b"`},
		{"example. 60 SOA a. b. 7 3600 600 86400 60", "example. 60 IN SOA a. b. 7 3600 600 86400 60"},
		{"m.example. 60 MX 10 mail.example.", "m.example. 60 IN MX 10 mail.example."},
		{`s.example. 60 HTTPS 1 . alpn=h2`, `s.example. 60 IN HTTPS 1 . alpn="h2"`},
		{`x.example. 60 TYPE65400 \# 2 abcd`, `x.example. 60 CLASS1 TYPE65400 \# 2 abcd`},
	} {
		rr, err := dns.NewRR(tt.record)
		if err != nil {
			t.Fatalf("%s: %v", tt.record, err)
		}
		// Once over the wire, as records come.
		b := make([]byte, 512)
		n, err := dns.PackRR(rr, b, 0, nil, false)
		if err != nil {
			t.Fatalf("%s: %v", tt.record, err)
		}
		if rr, _, err = dns.UnpackRR(b[:n], 0); err != nil {
			t.Fatalf("%s: %v", tt.record, err)
		}
		if got := Record(rr); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
