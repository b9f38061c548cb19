package server

import "net/netip"

// allowList says which clients are answered.
type allowList []netip.Prefix

// SetAllow replaces the prefixes whose clients are answered.
func (s *Server) SetAllow(prefixes []netip.Prefix) {
	list := newAllowList(prefixes)
	s.allow.Store(&list)
}

func newAllowList(prefixes []netip.Prefix) allowList {
	list := make(allowList, len(prefixes))
	for i, p := range prefixes {
		list[i] = p.Masked()
	}
	return list
}

func (l allowList) has(addr netip.Addr) bool {
	addr = addr.WithZone("") // with one, no prefix contains it
	for _, p := range l {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
