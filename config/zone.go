package config

import (
	"errors"
	"slices"
	"strings"
)

// Route sends a zone, the apex and all below it, to upstreams of its own.
type Route struct {
	Zone      string     // lower case, ends in a dot; the root is "."
	Upstreams []Upstream // in order of preference, at least one
}

// parseZone takes a name as it is usually written, without escapes, and returns it in lower case with its final dot.
func parseZone(s string) (string, error) {
	if s == "." {
		return s, nil
	}
	if s == "" {
		return "", errors.New("write a name such as cluster.local, or . for every name")
	}
	zone, err := ParseName(s)
	if err == nil && slices.Contains(strings.Split(zone, "."), "*") {
		err = errors.New("leave the * out: a zone covers all names below it")
	}
	if err != nil {
		return "", err
	}
	return zone, nil
}

// ParseName takes the name of a record as it is usually written, without escapes, and returns it in lower case with its
// final dot. The error says what to write instead.
func ParseName(s string) (string, error) {
	const (
		mostLabel = 63  // bytes (RFC 1035, section 2.3.4)
		mostName  = 253 // bytes without the final dot: 255 on the wire, where a length and the root are added

		// What names are made of; the slash is for reverse zones smaller than a /24 (RFC 2317).
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/"
	)
	name := strings.TrimSuffix(s, ".")
	if len(name) > mostName {
		return "", errors.New("write a shorter name: at most 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case name == "":
			return "", errors.New("write a name such as www.example.com")
		case label == "":
			return "", errors.New("write a name such as www.example.com: a label is empty")
		case len(label) > mostLabel:
			return "", errors.New("write shorter labels: at most 63 bytes each")
		case label != "*" && strings.Trim(label, letters) != "":
			return "", errors.New("write letters, digits, -, _ and / only; other alphabets in their xn-- form")
		}
	}
	return strings.ToLower(name) + ".", nil
}
