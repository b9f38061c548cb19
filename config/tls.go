package config

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
)

// parseBootstrap takes the address of a DNS server, with port 53 when there is none.
func parseBootstrap(s string) (netip.AddrPort, error) {
	addr, ok := parseAddrPort(s)
	if !ok || addr.Port() == 0 || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast() {
		return netip.AddrPort{}, errors.New(`write the IP address of a DNS server, such as 192.0.2.1 or "[2001:db8::1]:53"`)
	}
	return addr, nil
}

// Pin is a key that one certificate of a server's chain must have (RFC 7858, section 4.2). A server with several needs one.
type Pin struct {
	Name string   // of the server, as in its upstream
	Key  [32]byte // SHA-256 of the certificate's SubjectPublicKeyInfo
}

// parsePin takes NAME=BASE64.
func parsePin(s string) (Pin, error) {
	name, digest, found := strings.Cut(s, "=")
	key, err := base64.StdEncoding.DecodeString(digest)
	if !found || name == "" || err != nil || len(key) != sha256.Size {
		return Pin{}, errors.New("write the name of an upstream, = and the SHA-256 of its key in base64, as curl's --pinnedpubkey takes it")
	}
	return Pin{Name: strings.ToLower(name), Key: [32]byte(key)}, nil
}

func (p Pin) String() string { return p.Name + "=" + base64.StdEncoding.EncodeToString(p.Key[:]) }
