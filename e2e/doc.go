// Package e2e holds the whole-program tests: the real notyet between real name servers (Knot, NSD,
// Unbound) and real sockets, all of it on loopback.
//
// They are built with the tag e2e, so that go test ./... needs no server:
//
//	go test -tags e2e ./e2e
//
// NOTYET_E2E_RACE=1 builds notyet with the race detector; NOTYET_E2E_BINARY=FILE tests that
// binary instead of building one. A server that is not installed fails the test that needs it. Servers that notyet finds
// by a zone's NS records listen at port 53: the tests of watches need root, or net.ipv4.ip_unprivileged_port_start at 53.
package e2e
