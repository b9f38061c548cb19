package wait

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Value is what the data of a record is compared with.
type Value struct {
	is func(dns.RR) bool
}

// ParseValue reads the data of a record of the type as a zone file has it. The final dot of names may be left out, and so may
// the quotes of a TXT record's text, which then is taken as it stands. The error says what to write instead.
func ParseValue(s string, qtype uint16) (Value, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		return Value{}, errors.New("write it without control characters")
	}
	switch qtype {
	case dns.TypeA, dns.TypeAAAA:
		return address(s, qtype)
	case dns.TypeTXT, dns.TypeSPF:
		if !strings.HasPrefix(s, `"`) {
			escaped := escape(s)
			return Value{func(rr dns.RR) bool { return text(rr) == escaped }}, nil
		}
	}
	remedy := fmt.Errorf("write the data of a record of type %s as a zone file has it", dns.Type(qtype))
	want, err := dns.NewRR(fmt.Sprintf(". 0 IN %s %s", dns.Type(qtype), s))
	if err != nil || want == nil {
		return Value{}, remedy
	}
	// Once over the wire, so that it is spelled as what servers send.
	buf := make([]byte, dns.MaxMsgSize)
	n, err := dns.PackRR(want, buf, 0, nil, false)
	if err != nil {
		return Value{}, remedy
	}
	if want, _, err = dns.UnpackRR(buf[:n], 0); err != nil {
		return Value{}, remedy
	}
	if _, isText := texts(want); isText {
		joined := text(want)
		return Value{func(rr dns.RR) bool { return text(rr) == joined }}, nil
	}
	return Value{func(rr dns.RR) bool {
		want := dns.Copy(want)
		want.Header().Name = rr.Header().Name
		return dns.IsDuplicate(want, rr)
	}}, nil
}

func address(s string, qtype uint16) (Value, error) {
	want, err := netip.ParseAddr(s)
	switch {
	case qtype == dns.TypeA && (err != nil || !want.Is4()):
		return Value{}, errors.New("write an IPv4 address, such as 192.0.2.1")
	case qtype == dns.TypeAAAA && (err != nil || !want.Is6() || want.Zone() != ""):
		return Value{}, errors.New("write an IPv6 address, such as 2001:db8::1")
	}
	return Value{func(rr dns.RR) bool {
		switch rr := rr.(type) {
		case *dns.A:
			got, ok := netip.AddrFromSlice(rr.A)
			return ok && got.Unmap() == want
		case *dns.AAAA:
			got, ok := netip.AddrFromSlice(rr.AAAA)
			return ok && got == want
		}
		return false
	}}, nil
}

// texts are the strings of a record that is text: a long one is in several pieces, which mean nothing.
func texts(rr dns.RR) (pieces []string, ok bool) {
	switch rr := rr.(type) {
	case *dns.TXT:
		return rr.Txt, true
	case *dns.SPF:
		return rr.Txt, true
	}
	return nil, false
}

// text is what a record that is text says, escaped as in a zone file.
func text(rr dns.RR) string {
	pieces, _ := texts(rr)
	return strings.Join(pieces, "")
}

// escape writes text as records that came over the wire have it.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// data is a record's data as a zone file has it.
func data(rr dns.RR) string { return strings.TrimPrefix(rr.String(), rr.Header().String()) }
