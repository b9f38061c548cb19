// Package wire reads DNS messages and patches them in place: a query's question
// and OPT record, a reply's TTLs and what RFC 2308 needs to know of it. Nothing
// here allocates unless a slice that the caller hands in is too small, and what
// is returned points into the caller's bytes unless said otherwise.
package wire

import (
	"encoding/binary"
	"errors"
)

// HeaderLen is the length of a message's header in bytes (RFC 1035, section 4.1.1).
const HeaderLen = 12

// MaxName is the longest name on the wire in bytes, length octets and the root
// included (RFC 1035, section 3.1).
const MaxName = 255

// MaxMessage is the longest message in bytes: TCP's length prefix has 16 bits
// (RFC 1035, section 4.2.2).
const MaxMessage = 65535

// UDPSize is what we announce and the most we send over UDP, in bytes: it fits
// the IPv6 minimum MTU (dnsflagday.net/2020).
const UDPSize = 1232

// MinUDPSize is what every client takes, EDNS or not (RFC 1035, section 2.3.4).
const MinUDPSize = 512

// Header flags as they stand in the second 16 bits of a message.
const (
	QR Flags = 1 << 15 // response
	AA Flags = 1 << 10 // authoritative answer
	TC Flags = 1 << 9  // truncated
	RD Flags = 1 << 8  // recursion desired
	RA Flags = 1 << 7  // recursion available
	AD Flags = 1 << 5  // authentic data (RFC 4035)
	CD Flags = 1 << 4  // checking disabled (RFC 4035)
)

// Flags is the second 16-bit word of a header: flags, opcode and the lower four
// bits of the rcode.
type Flags uint16

// Has reports whether every bit of f is set.
func (h Flags) Has(f Flags) bool { return h&f == f }

// Opcode is the kind of query, 0 to 15.
func (h Flags) Opcode() int { return int(h>>11) & 0xF }

// Rcode is the lower four bits of the response code; an OPT record may extend it.
func (h Flags) Rcode() int { return int(h & 0xF) }

var (
	// ErrIgnore means: no answer at all. The packet is too short to have a
	// header, or it is a response.
	ErrIgnore = errors.New("not a query")
	// ErrOpcode means that the opcode is not QUERY; behind the header only an OPT was looked for.
	ErrOpcode = errors.New("opcode is not QUERY")
	// ErrFormat means that the message does not parse.
	ErrFormat = errors.New("malformed message")
	// ErrMismatch means that a reply is not for the question that was asked.
	ErrMismatch = errors.New("reply to another question")
)

func be16(b []byte, off int) uint16 { return binary.BigEndian.Uint16(b[off:]) }
func be32(b []byte, off int) uint32 { return binary.BigEndian.Uint32(b[off:]) }
