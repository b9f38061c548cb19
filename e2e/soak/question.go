//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

const (
	origin    = "soak.dev."
	hitNames  = 10_000
	goneNames = 1_000
	hitTTL    = 30 // seconds; 333 of the hits a second are refreshed
)

// missAddress is what the wildcard gives.
var missAddress = netip.AddrFrom4([4]byte{192, 0, 2, 99})

// zone has an address for every hit name, a wildcard for the misses, and nothing below gone.
func zone() testbed.Zone {
	var b strings.Builder
	b.WriteString(testbed.SOA("300", "3600"))
	fmt.Fprintf(&b, "*.miss A %s\n", missAddress)
	for n := range uint32(hitNames) {
		fmt.Fprintf(&b, "h%d %d A %s\n", n, hitTTL, hitAddress(n))
	}
	return testbed.Zone{Name: strings.TrimSuffix(origin, "."), Text: b.String()}
}

// hitAddress is the address of the n-th hit name.
func hitAddress(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// A kind of question; each has its own right answer.
type kind uint8

const (
	hit       kind = iota // a name that is in the cache nearly always
	miss                  // a name that nobody asked for before
	gone                  // a name that does not exist
	malformed             // a packet that gets an error, or nothing
)

// A question is enough to make the packet, and the right answer, again.
type question struct {
	kind kind
	n    uint32 // which name, or which fault
	edns bool
}

func (q question) qname() string {
	switch q.kind {
	case hit:
		return fmt.Sprintf("h%d.%s", q.n, origin)
	case miss:
		return fmt.Sprintf("m%d.miss.%s", q.n, origin)
	default:
		return fmt.Sprintf("g%d.gone.%s", q.n, origin)
	}
}

// faults turn a good query into a malformed one; rcode 0: there is no answer.
var faults = []struct {
	rcode int
	spoil func([]byte) []byte
}{
	{0, func(b []byte) []byte { return b[:11] }},
	{0, func(b []byte) []byte { b[2] |= 0x80; return b }}, // QR set
	{dns.RcodeFormatError, func(b []byte) []byte { b[5] = 0; return b }},
	{dns.RcodeFormatError, func(b []byte) []byte { b[5] = 2; return b }},
	{dns.RcodeFormatError, func(b []byte) []byte { return b[:len(b)-3] }},
	{dns.RcodeFormatError, func(b []byte) []byte { return append(b, "garbage"...) }},
	{dns.RcodeFormatError, func(b []byte) []byte { b[12] = 0xc0; return b }}, // a pointer ahead
	{dns.RcodeFormatError, func(b []byte) []byte { b[11] = 1; return b }},    // an additional record that is not there
	{dns.RcodeNotImplemented, func(b []byte) []byte { b[2] |= dns.OpcodeStatus << 3; return b }},
	{dns.RcodeNotImplemented, func(b []byte) []byte { b[len(b)-1] = dns.ClassCHAOS; return b }},
}

// answered tells whether the question gets an answer at all.
func (q question) answered() bool {
	return q.kind != malformed || faults[q.n].rcode != 0
}

// packet is the query on the wire.
func (q question) packet(id uint16) []byte {
	b := make([]byte, 12, 128)
	binary.BigEndian.PutUint16(b, id)
	b[2] = 1 // RD
	b[5] = 1 // QDCOUNT
	for label := range strings.SplitSeq(strings.TrimSuffix(q.qname(), "."), ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0, 0, byte(dns.TypeA), 0, dns.ClassINET)
	if q.edns {
		b[11] = 1                                                         // ARCOUNT
		b = append(b, 0, 0, byte(dns.TypeOPT), 4, 0xd0, 0, 0, 0, 0, 0, 0) // 1232 bytes
	}
	if q.kind == malformed {
		b = faults[q.n].spoil(b)
	}
	return b
}

// check tells what is wrong with the answer to the question; nil: nothing.
func (q question) check(id uint16, reply []byte) error {
	r := new(dns.Msg)
	if err := r.Unpack(reply); err != nil {
		return err
	}
	if q.kind == malformed {
		if want := faults[q.n].rcode; r.Rcode != want {
			return fmt.Errorf("got rcode %d, want %d", r.Rcode, want)
		}
		return nil
	}
	asked := q.packet(id)
	asked = asked[12:]
	if q.edns {
		asked = asked[:len(asked)-11]
	}
	if !bytes.HasPrefix(reply[12:], asked) {
		return fmt.Errorf("got question %v, want %s A", r.Question, q.qname())
	}
	if (r.IsEdns0() != nil) != q.edns {
		return fmt.Errorf("got an OPT %v, want one %v", r.IsEdns0() != nil, q.edns)
	}
	if q.kind == gone {
		if r.Rcode != dns.RcodeNameError || len(r.Answer) != 0 || len(r.Ns) != 1 {
			return fmt.Errorf("got %v, want NXDOMAIN with one SOA", r)
		}
		return nil
	}
	want := missAddress
	if q.kind == hit {
		want = hitAddress(q.n)
	}
	if r.Rcode != dns.RcodeSuccess || len(r.Answer) != 1 {
		return fmt.Errorf("got %v, want one address", r)
	}
	a, ok := r.Answer[0].(*dns.A)
	if !ok || a.A.String() != want.String() || a.Hdr.Name != q.qname() {
		return fmt.Errorf("got %v, want %s A %v", r.Answer[0], q.qname(), want)
	}
	return nil
}
