package config

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Upstream is a server that questions are forwarded to: the system's, or Addr. Upstreams can be compared.
type Upstream struct {
	System bool // the name servers of resolv.conf; all else is zero
	TCP    bool // TCP only; otherwise UDP first
	TLS    bool // DNS over TLS, or with a path DNS over HTTPS; TCP is not set
	// Addr has the usual port when the operator named none. With TLS it may have no IP address: that is looked up.
	Addr netip.AddrPort
	Name string // with TLS, what the certificate has to be for, lower case; empty: the IP address
	Path string // of DNS over HTTPS, with its slash
}

// The ports of DNS over TLS and over HTTPS.
const (
	tlsPort   = 853
	httpsPort = 443
)

// String is the spelling of the configuration: system, 10.0.0.2:53, tcp://10.0.0.2:53, tls://10.0.0.2:853#dns.example.com,
// tls://dns.example.com:853 or https://dns.example.com/dns-query.
func (u Upstream) String() string {
	switch {
	case u.System:
		return "system"
	case u.TLS:
		return u.url()
	case u.TCP:
		return "tcp://" + u.Addr.String()
	}
	return u.Addr.String()
}

func (u Upstream) url() string {
	scheme, at, name := "tls", u.Addr.String(), ""
	switch {
	case !u.Addr.Addr().IsValid():
		at = u.Name + ":" + strconv.Itoa(int(u.Addr.Port()))
	case u.Name != "":
		name = "#" + u.Name
	}
	if u.Path != "" {
		scheme, at = "https", strings.TrimSuffix(at, ":"+strconv.Itoa(httpsPort))
	}
	return scheme + "://" + at + u.Path + name
}

// Named reports whether the upstream's address has to be looked up.
func (u Upstream) Named() bool { return u.TLS && !u.Addr.Addr().IsValid() }

// ServerName is what the certificate of an upstream with TLS has to be for.
func (u Upstream) ServerName() string {
	if u.Name != "" {
		return u.Name
	}
	return u.Addr.Addr().WithZone("").String()
}

// ParseUpstream reads system, IP, IP:port, one of the latter two after tcp://, or what String says of TLS. The error says what
// to write instead.
func ParseUpstream(s string) (Upstream, error) {
	if s == "system" {
		return Upstream{System: true}, nil
	}
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case !found:
		rest = s
	case scheme == "tls":
		return parseTLS(rest)
	case scheme == "https":
		return parseHTTPS(s)
	case scheme != "tcp":
		return Upstream{}, upstreamRemedy(s)
	}
	addr, ok := parseAddrPort(rest)
	if !ok {
		return Upstream{}, upstreamRemedy(s)
	}
	if err := oneServer(addr); err != nil {
		return Upstream{}, err
	}
	return Upstream{TCP: found, Addr: addr}, nil
}

// parseTLS reads an IP address and maybe # and a name, or a name; each with a port or without.
func parseTLS(s string) (Upstream, error) {
	server, name, named := strings.Cut(s, "#")
	return overTLS(server, name, named, tlsPort, "write tls:// and an IP address, # and the name in its certificate, "+
		"such as tls://192.0.2.1#dns.example.com, or a name, such as tls://dns.example.com")
}

// parseHTTPS reads a URL. Its fragment is the name when the URL has an IP address.
func parseHTTPS(s string) (Upstream, error) {
	const remedy = "write a URL such as https://dns.example.com/dns-query or https://192.0.2.1/dns-query"
	if strings.ContainsAny(s, "{}") {
		return Upstream{}, errors.New("leave the template in braces out: questions are sent with POST")
	}
	at, err := url.Parse(s)
	switch {
	case err != nil || at.Host == "" || at.User != nil:
		return Upstream{}, errors.New(remedy)
	case at.Path == "" || at.Path == "/" && at.RawQuery == "":
		return Upstream{}, errors.New("write the path too, mostly it is /dns-query")
	}
	u, err := overTLS(at.Host, at.Fragment, at.Fragment != "", httpsPort, remedy)
	if err == nil {
		u.Path = at.RequestURI()
	}
	return u, err
}

// overTLS makes an upstream of a server, which is an IP address or a name, and of the name in its certificate.
func overTLS(server, name string, named bool, port uint16, remedy string) (Upstream, error) {
	addr, isAddr := parseAddrPortOr(server, port)
	if !isAddr {
		if named {
			return Upstream{}, errors.New("write an IP address before #, or the name alone")
		}
		var ok bool
		if name, port, ok = splitPort(server, port); !ok {
			return Upstream{}, errors.New(remedy)
		}
		addr = netip.AddrPortFrom(netip.Addr{}, port)
	} else if addr.Port() == 0 {
		return Upstream{}, errors.New("write the server's port, or none for the usual one")
	} else if err := oneServer(addr); err != nil {
		return Upstream{}, err
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if (named || !isAddr) && !isHostName(name) {
		return Upstream{}, errors.New(remedy)
	}
	return Upstream{TLS: true, Addr: addr, Name: name}, nil
}

// splitPort reads a name with a port, or with the usual one.
func splitPort(s string, usual uint16) (name string, port uint16, ok bool) {
	name, digits, found := strings.Cut(s, ":")
	if !found {
		return name, usual, true
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return name, uint16(n), err == nil && n > 0
}

// isHostName reports whether s is a name of two labels or more, of letters, digits, hyphens and underscores, whose last label
// is no number: those are addresses gone wrong.
func isHostName(s string) bool {
	const most, mostLabel = 253, 63
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > mostLabel || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return len(labels) > 1 && len(s) <= most && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// oneServer refuses an address that no single server has.
func oneServer(addr netip.AddrPort) error {
	switch ip := addr.Addr(); {
	case ip.IsUnspecified(), ip.IsMulticast():
		return errors.New("write the address of one server")
	case addr.Port() == 0:
		return errors.New("write the server's port, or none for 53")
	}
	return nil
}

func upstreamRemedy(s string) error {
	scheme, _, found := strings.Cut(s, "://")
	switch {
	case found && scheme == "udp":
		return errors.New("leave udp:// out: UDP is tried first anyway")
	case found && scheme != "tcp":
		return errors.New("write an IP address alone, or after tcp://, tls:// or https://: other schemes are not supported")
	case isHostName(strings.ToLower(s)):
		return errors.New("write an IP address, such as 192.0.2.1: names are for tls:// and https://")
	}
	return errors.New(`write an IP address, such as 192.0.2.1, 192.0.2.1:5353, "[2001:db8::1]:53" or tcp://192.0.2.1, or system`)
}
