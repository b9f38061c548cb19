package config

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// ParseListen reads an address to listen on: IP:port, or an IP alone for port 53. Port 0 is any free port.
// The error says what to write instead.
func ParseListen(s string) (netip.AddrPort, error) {
	addr, ok := parseAddrPort(s)
	switch {
	case !ok && strings.HasPrefix(s, ":"):
		return netip.AddrPort{}, errors.New(`name the address too, such as 127.0.0.1:53, or 0.0.0.0:53 or [::]:53 for all`)
	case !ok:
		return netip.AddrPort{}, errors.New(`write an IP address and a port, such as 127.0.0.1:53 or "[::1]:53"`)
	case addr.Addr().IsMulticast():
		return netip.AddrPort{}, errors.New("write an address of this machine: this is a multicast address")
	}
	return addr, nil
}

// ParseAdmin reads where the admin API listens: IP:port, localhost:port, unix:// and an absolute path,
// or nothing, which is off. The error says what to write instead.
func ParseAdmin(s string) (string, error) {
	const mostPath = 103 // bytes; macOS takes 104 with the final zero, Linux 108
	if s == "" {
		return s, nil
	}
	if path, found := strings.CutPrefix(s, "unix://"); found {
		switch {
		case !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/"):
			return "", errors.New("write the absolute path of a socket, such as unix:///run/notyet.sock")
		case len(path) > mostPath:
			return "", errors.New("write a shorter path: a socket's has at most 103 bytes")
		}
		return s, printable(path)
	}
	addr := s
	if port, found := strings.CutPrefix(s, "localhost:"); found {
		addr = "127.0.0.1:" + port
	}
	if parsed, err := netip.ParseAddrPort(addr); err != nil || parsed.Addr().IsMulticast() {
		return "", errors.New(`write an IP address and a port, such as 127.0.0.1:8053, or localhost:8053, unix:///run/notyet.sock, or "" for off`)
	}
	return s, nil
}

// parseAddrPort reads IP:port, and an IP alone, with or without brackets, for port 53.
func parseAddrPort(s string) (addr netip.AddrPort, ok bool) { return parseAddrPortOr(s, 53) }

// parseAddrPortOr is parseAddrPort for another port.
func parseAddrPortOr(s string, port uint16) (addr netip.AddrPort, ok bool) {
	addr, err := netip.ParseAddrPort(s)
	if err != nil && strings.HasSuffix(s, "]") {
		addr, err = netip.ParseAddrPort(s + ":" + strconv.Itoa(int(port)))
	}
	if err != nil {
		var ip netip.Addr
		ip, err = netip.ParseAddr(s)
		addr = netip.AddrPortFrom(ip, port)
	}
	// Unmapped, so that an address has one spelling and compares equal to itself.
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), err == nil
}
