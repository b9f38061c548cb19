//go:build e2e && linux

package e2e

import (
	"net/netip"
	"sync/atomic"
	"testing"

	"notyet/e2e/testbed"
)

// A server is a fakeUpstream whose ways can change.
type server struct {
	*fakeUpstream
	handler atomic.Pointer[func(*incoming)]
}

func startServer(t testing.TB, at netip.AddrPort, handle func(*incoming)) *server {
	t.Helper()
	s := new(server)
	s.behave(handle)
	s.fakeUpstream = startUpstreamAt(t, at, func(in *incoming) { (*s.handler.Load())(in) })
	return s
}

// behave makes it answer in another way from now on.
func (s *server) behave(handle func(*incoming)) { s.handler.Store(&handle) }

// An island is a zone with two servers of its own, which are found by an upstream that resolves the zone whatever
// becomes of the servers.
type island struct {
	t        *testing.T
	zone     *fakeZone // plainZone
	servers  []*server
	upstream *server
}

// newIsland starts one. The lines are more of the zone.
func newIsland(t *testing.T, lines ...string) *island {
	t.Helper()
	i := &island{t: t, zone: newZone(plainZone, append([]string{"@ NS ns1", "@ NS ns2", "www A " + rightAddress}, lines...)...)}
	for _, name := range []string{"ns1", "ns2"} {
		at := port53(t)
		i.zone.add(name + " A " + at.Addr().String())
		i.servers = append(i.servers, startServer(t, at, authoritative(i.zone)))
	}
	i.upstream = startServer(t, nobody(t), recursive(i.zone))
	return i
}

// port53 is an address of which nobody else has the port that name servers are found at.
func port53(t testing.TB) netip.AddrPort {
	return netip.AddrPortFrom(testbed.Address(t), testbed.DNSPort)
}

// publish adds records that only the servers have, and not the upstream.
func (i *island) publish(lines ...string) {
	own := i.zone.clone()
	own.add(lines...)
	for _, s := range i.servers {
		s.behave(authoritative(own))
	}
}

// both are the servers behaving in the same way.
func (i *island) both(handle func(*incoming)) {
	for _, s := range i.servers {
		s.behave(handle)
	}
}
