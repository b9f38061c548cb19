package wire

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

// unpackQuery is what others read in a query.
func unpackQuery(t *testing.T, b []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	return m
}

func TestAddedOptionsAreReadByOthers(t *testing.T) {
	t.Parallel()
	name, err := Name("www.example.com.")
	if err != nil {
		t.Fatal(err)
	}
	q := AppendQuery(nil, name, dns.TypeA, RD, true)
	q = AddOption(q, dns.EDNS0TCPKEEPALIVE, nil)
	q = Pad(q, 128)
	if len(q) != 128 {
		t.Errorf("got %d bytes, want 128", len(q))
	}
	options := unpackQuery(t, q).IsEdns0().Option
	if len(options) != 2 || options[0].Option() != dns.EDNS0TCPKEEPALIVE || options[1].Option() != dns.EDNS0PADDING {
		t.Errorf("got the options %v, want keepalive and padding", options)
	}
}

func TestPaddingFillsABlock(t *testing.T) {
	t.Parallel()
	for n := 1; n < 200; n++ {
		label := make([]byte, 0, MaxName)
		for left := n; left > 0; {
			l := min(left, 63)
			label = append(label, byte(l))
			for range l {
				label = append(label, 'a')
			}
			left -= l
		}
		name := append(label, 0)
		q := AppendQuery(nil, name, dns.TypeA, RD, false)
		padded := Pad(q, 128)
		if len(padded)%128 != 0 || len(padded)-len(q) < 4 || len(padded)-len(q) >= 128+4 {
			t.Errorf("%d bytes: got %d, want the next multiple of 128 that has room for the option", len(q), len(padded))
		}
		unpackQuery(t, padded)
	}
}

func TestNoOptionIsAddedWithoutAnOPTAtTheEnd(t *testing.T) {
	t.Parallel()
	plain := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
	signed := plain.Copy()
	signed.SetEdns0(1232, false)
	signed.Extra = append(signed.Extra, &dns.A{Hdr: dns.RR_Header{Name: "a.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: make([]byte, 4)})
	for _, m := range []*dns.Msg{plain, signed} {
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if got := AddOption(b, dns.EDNS0TCPKEEPALIVE, nil); len(got) != len(b) {
			t.Errorf("%v: got %d bytes, want the %d from before", m, len(got), len(b))
		}
	}
	for _, b := range [][]byte{nil, make([]byte, HeaderLen), {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 63}} {
		if got := AddOption(b, dns.EDNS0TCPKEEPALIVE, nil); len(got) != len(b) {
			t.Errorf("%x: got %x, want it as it was", b, got)
		}
	}
}

func TestKeepaliveIsInTenthsOfASecond(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		option dns.EDNS0
		want   time.Duration
		ok     bool
	}{
		{"12 s", &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE, Timeout: 120}, 12 * time.Second, true},
		{"another option", &dns.EDNS0_EDE{InfoCode: 3}, 0, false},
		{"without a time", &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}, 0, false},
		{"a time of none", &dns.EDNS0_LOCAL{Code: dns.EDNS0TCPKEEPALIVE, Data: []byte{0, 0}}, 0, true},
		{"one byte", &dns.EDNS0_LOCAL{Code: dns.EDNS0TCPKEEPALIVE, Data: []byte{1}}, 0, false},
	} {
		m := new(dns.Msg).SetReply(new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA))
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "www.example.com.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: make([]byte, 4)}}
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: []byte{1, 2, 3}}, tt.option}
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := Keepalive(b); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %v, %v, want %v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
		for n := range b {
			Keepalive(b[:n]) // has to be safe
		}
	}
}
