package config

import (
	"errors"
	"net/netip"
	"strings"
)

// Upstream is a server that questions are forwarded to: the system's, or Addr. Upstreams can be compared.
type Upstream struct {
	System bool           // the name servers of resolv.conf; TCP and Addr are zero
	TCP    bool           // TCP only; otherwise UDP first
	Addr   netip.AddrPort // port 53 when the operator named none
}

// String is the spelling of the configuration: system, 10.0.0.2:53 or tcp://10.0.0.2:53.
func (u Upstream) String() string {
	switch {
	case u.System:
		return "system"
	case u.TCP:
		return "tcp://" + u.Addr.String()
	}
	return u.Addr.String()
}

// ParseUpstream reads system, IP, IP:port, or one of the latter two after tcp://. The error says what to write instead.
func ParseUpstream(s string) (Upstream, error) {
	if s == "system" {
		return Upstream{System: true}, nil
	}
	rest, tcp := strings.CutPrefix(s, "tcp://")
	addr, ok := parseAddrPort(rest)
	if !ok {
		return Upstream{}, upstreamRemedy(s)
	}
	if err := oneServer(addr); err != nil {
		return Upstream{}, err
	}
	return Upstream{TCP: tcp, Addr: addr}, nil
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
		return errors.New("encrypted DNS and other schemes are not supported: write an IP address, such as 192.0.2.1 or tcp://192.0.2.1")
	}
	return errors.New(`write an IP address, such as 192.0.2.1, 192.0.2.1:5353, "[2001:db8::1]:53" or tcp://192.0.2.1, or system`)
}
