package authority

import (
	"net/netip"
	"slices"
)

// ordered puts IPv4 first, which works in more places.
func ordered(addrs []netip.AddrPort) []netip.AddrPort {
	slices.SortStableFunc(addrs, func(a, b netip.AddrPort) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	return addrs[:min(len(addrs), maxAddresses)]
}

// mayAsk reports whether packets may go to a server's address, which one at from has named: never back to ourselves, and
// into the machine or the link only if that one is there as well.
func (f *Finder) mayAsk(at netip.AddrPort, from netip.Addr) bool {
	a, from := at.Addr().Unmap(), from.Unmap()
	at = netip.AddrPortFrom(a, at.Port())
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), f.config.Ours != nil && f.config.Ours(at):
		return false
	case a.IsLoopback():
		return from.IsLoopback()
	case a.IsLinkLocalUnicast():
		return from.IsLinkLocalUnicast()
	}
	return true
}
