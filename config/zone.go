package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/miekg/dns"
	"golang.org/x/net/idna"
)

// Route sends a zone, the apex and all below it, to upstreams of its own.
type Route struct {
	Zone      string     // lower case, ends in a dot; the root is "."
	Upstreams []Upstream // in order of preference, at least one
}

// parseZone is ParseName for a zone; "." is one too.
func parseZone(s string) (string, error) {
	if s == "." {
		return s, nil
	}
	if s == "" {
		return "", errors.New("write a name such as cluster.local, or . for every name")
	}
	zone, err := ParseName(s)
	if err != nil {
		return "", err
	}
	if slices.Contains(dns.SplitDomainName(zone), "*") {
		return "", errors.New("leave the * out: a zone covers all names below it")
	}
	if _, err := ParseName(zone); err != nil { // what is written down is read again
		return "", errors.New("write letters, digits, -, _ and / only, even with escapes")
	}
	return zone, nil
}

// What the labels of a name are made of unless they are escaped; the slash is for reverse zones smaller than a /24 (RFC 2317).
const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/"

// ParseName takes the name of a record as it is usually written, in any alphabet, or escaped as in a zone file, and returns it
// as miekg/dns has it: in lower case, with other alphabets in their xn-- form (RFC 5891) and with its final dot. The error
// says what to write instead.
func ParseName(s string) (string, error) {
	name, err := toASCII(s)
	if err != nil {
		return "", err
	}
	if err := notAddress(strings.TrimSuffix(name, ".")); err != nil {
		return "", err
	}
	plain, err := unescaped(name)
	if err != nil {
		return "", err
	}
	if err := spelling(strings.TrimSuffix(plain, ".")); err != nil {
		return "", err
	}
	if plain != name {
		if name, err = canonical(name); err != nil {
			return "", err
		}
	}
	return strings.ToLower(dns.Fqdn(name)), nil
}

// spelling checks a name without its final dot, in which a letter stands for each escape.
func spelling(name string) error {
	const (
		mostLabel = 63  // bytes (RFC 1035, section 2.3.4)
		mostName  = 253 // bytes: 255 on the wire, where a length and the root are added
	)
	if len(name) > mostName {
		return errors.New("write a shorter name: at most 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case name == "":
			return errors.New("write a name such as www.example.com")
		case label == "":
			return errors.New("write a name such as www.example.com: a label is empty")
		case len(label) > mostLabel:
			return errors.New("write shorter labels: at most 63 bytes each")
		case label != "*" && strings.Trim(label, letters) != "":
			return errors.New(`write letters, digits, -, _ and / only, and others as in a zone file: \032 for a space`)
		}
	}
	return nil
}

// toASCII writes each label of another alphabet in its xn-- form, and leaves the others as they are.
func toASCII(name string) (string, error) {
	isOther := func(r rune) bool { return r > unicode.MaxASCII }
	if !utf8.ValidString(name) {
		return "", errors.New("write it in UTF-8, or other alphabets in their xn-- form")
	}
	labels := strings.Split(name, ".")
	for i, label := range labels {
		if !strings.ContainsFunc(label, isOther) {
			continue
		}
		form, err := idna.Lookup.ToASCII(label)
		if err != nil {
			return "", fmt.Errorf("write other letters than those of %s, or its xn-- form: %w", quote(label), err)
		}
		labels[i] = form
	}
	return strings.Join(labels, "."), nil
}

// notAddress refuses addresses, which people take for names, and says what their names are.
func notAddress(s string) error {
	if _, err := netip.ParsePrefix(s); err == nil {
		return errors.New("write a name: the zone of a network is one such as 2.0.192.in-addr.arpa")
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return nil
	}
	reverse, err := dns.ReverseAddr(addr.WithZone("").String())
	if err != nil {
		return err
	}
	return errors.New("write a name: that of this address is " + strings.TrimSuffix(reverse, "."))
}

// unescaped puts a letter in the place of each escape of a zone file (RFC 1035, section 5.1).
func unescaped(name string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(name, `\`)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		length := 1
		if after != "" && '0' <= after[0] && after[0] <= '9' {
			length = 3
		}
		if len(after) < length {
			return "", errBadEscape
		}
		if _, err := strconv.ParseUint(after[:length], 10, 8); err != nil && length == 3 {
			return "", errBadEscape
		}
		b.WriteByte('x')
		name = after[length:]
	}
}

var errBadEscape = errors.New(`write \ before a character, or before three digits as in \032 for a space`)

// canonical is a name with the escapes that miekg/dns writes, and no others.
func canonical(name string) (string, error) {
	wire := make([]byte, 255)
	if _, err := dns.PackDomainName(dns.Fqdn(name), wire, 0, nil, false); err != nil {
		return "", err
	}
	name, _, err := dns.UnpackDomainName(wire, 0)
	return name, err
}
