package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Clients is one entry of allow: the keyword loopback or private, or a prefix. Clients can be compared.
type Clients struct {
	keyword string       // empty: prefix counts
	prefix  netip.Prefix // never of IPv4-mapped addresses
}

var (
	loopback = Clients{keyword: "loopback"}
	private  = Clients{keyword: "private"}
)

var loopbackPrefixes = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("::1/128"),
}

var privatePrefixes = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),     // RFC 1918
	netip.MustParsePrefix("172.16.0.0/12"),  // RFC 1918
	netip.MustParsePrefix("192.168.0.0/16"), // RFC 1918
	netip.MustParsePrefix("100.64.0.0/10"),  // RFC 6598, behind a carrier's NAT, and many a pod network
	netip.MustParsePrefix("169.254.0.0/16"), // RFC 3927, link-local
	netip.MustParsePrefix("fc00::/7"),       // RFC 4193, unique local
	netip.MustParsePrefix("fe80::/10"),      // RFC 4291, link-local
}

// Prefixes are the addresses these clients have, at least one. The caller owns the slice.
func (c Clients) Prefixes() []netip.Prefix {
	switch c {
	case loopback:
		return slices.Clone(loopbackPrefixes)
	case private:
		return slices.Clone(privatePrefixes)
	}
	return []netip.Prefix{c.prefix}
}

// String is the spelling of the configuration: a keyword, a prefix, or a single address without its length.
func (c Clients) String() string {
	switch {
	case c.keyword != "":
		return c.keyword
	case c.prefix.IsSingleIP():
		return c.prefix.Addr().String()
	}
	return c.prefix.String()
}

// ParseClients reads loopback, private, a prefix or a single address. The error says what to write instead.
func ParseClients(s string) (Clients, error) {
	for _, c := range []Clients{loopback, private} {
		if s == c.keyword {
			return c, nil
		}
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		var ip netip.Addr
		ip, err = netip.ParseAddr(s)
		prefix = netip.PrefixFrom(ip, ip.BitLen())
	}
	switch {
	case err != nil:
		return Clients{}, errors.New("write loopback, private, or a prefix such as 192.0.2.0/24; everyone is 0.0.0.0/0 and ::/0")
	case strings.Contains(s, "%"):
		return Clients{}, errors.New("leave the zone out: a prefix is of every interface")
	case prefix.Addr().Is4In6():
		return Clients{}, errors.New("write it as IPv4: clients are known by their IPv4 address")
	case prefix != prefix.Masked():
		return Clients{}, fmt.Errorf("write %s: the address has bits outside its prefix", prefix.Masked())
	}
	return Clients{prefix: prefix}, nil
}
