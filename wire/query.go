package wire

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// optKeepalive is the option code of edns-tcp-keepalive (RFC 7828).
const optKeepalive = dns.EDNS0TCPKEEPALIVE

// optEDE is the option code of an extended DNS error (RFC 8914).
const optEDE = dns.EDNS0EDE

// Query is what a client's packet asks.
type Query struct {
	ID    uint16
	Flags Flags
	// Name is the qname in wire format and in the client's spelling; it points
	// into the packet. It is empty when the question did not parse.
	Name  []byte
	Type  uint16
	Class uint16
	EDNS  EDNS
}

// EDNS is what the OPT record of a query says (RFC 6891).
type EDNS struct {
	Present   bool
	Version   uint8
	DO        bool
	Size      uint16 // bytes that the client takes over UDP, as it says
	Keepalive bool   // the client asks how long a connection may stay idle (RFC 7828)
}

// ParseQuery reads a client's packet into q, which needs no clearing. On
// ErrIgnore only the packet's being ignored is known; on ErrOpcode and ErrFormat q has
// the id and flags, the OPT as far as it parsed, and with ErrFormat the question too if it
// did, so that the error can be answered. Records other than one OPT in the
// additional section are stepped over; queries have none in answer and authority
// (IXFR excepted: RFC 1995, section 3).
func ParseQuery(b []byte, q *Query) error {
	*q = Query{}
	if len(b) < HeaderLen {
		return ErrIgnore
	}
	q.ID, q.Flags = be16(b, 0), Flags(be16(b, 2))
	if q.Flags.Has(QR) {
		return ErrIgnore
	}
	if q.Flags.Opcode() != dns.OpcodeQuery {
		q.EDNS.find(b)
		return ErrOpcode
	}
	if be16(b, 4) != 1 {
		return ErrFormat
	}
	end := plainName(b, HeaderLen)
	if end < 0 || end+4 > len(b) {
		return ErrFormat
	}
	q.Name = b[HeaderLen:end:end]
	q.Type, q.Class = be16(b, end), be16(b, end+2)
	off := end + 4

	before := int(be16(b, 6)) + int(be16(b, 8))
	if before > 0 && q.Type != dns.TypeIXFR {
		return ErrFormat
	}
	for range before {
		if off = skipRecord(b, off); off < 0 {
			return ErrFormat
		}
	}
	for range int(be16(b, 10)) {
		next := skipRecord(b, off)
		if next < 0 {
			return ErrFormat
		}
		// A pointer to a root label is a root name too, but RFC 6891 (section
		// 6.1.2) asks for the literal zero.
		if name := skipName(b, off); be16(b, name) == dns.TypeOPT {
			if q.EDNS.Present || b[off] != 0 || !q.EDNS.parse(b[name:next]) {
				return ErrFormat
			}
		}
		off = next
	}
	if off != len(b) {
		return ErrFormat
	}
	return nil
}

// find reads the first OPT of a message of another opcode, if what stands before it looks as in most of them: entries as in
// a question section, which a zone section has too (RFC 2136, section 2.3), and records.
func (e *EDNS) find(b []byte) {
	off := HeaderLen
	for range int(be16(b, 4)) {
		if off = skipName(b, off); off < 0 || off+4 > len(b) {
			return
		}
		off += 4
	}
	records := int(be16(b, 6)) + int(be16(b, 8))
	for i := range records + int(be16(b, 10)) {
		end := skipRecord(b, off)
		if end < 0 {
			return
		}
		if i >= records && b[off] == 0 && be16(b, off+1) == dns.TypeOPT { // the root's name is one byte
			e.parse(b[off+1 : end])
			return
		}
		off = end
	}
}

// skipRecord returns the end of the resource record at off, or -1.
func skipRecord(b []byte, off int) int {
	off = skipName(b, off)
	if off < 0 || off+10 > len(b) {
		return -1
	}
	end := off + 10 + int(be16(b, off+8))
	if end > len(b) {
		return -1
	}
	return end
}

// parse reads an OPT record from its type on, and reports whether its options
// fill it exactly. Options that we don't know, padding among them, are ignored.
func (e *EDNS) parse(rr []byte) bool {
	e.Present = true
	e.Size = be16(rr, 2)
	e.Version = rr[5]
	e.DO = rr[6]&0x80 != 0
	for opts := rr[10:]; len(opts) > 0; {
		if len(opts) < 4 {
			return false
		}
		n := 4 + int(be16(opts, 2))
		if n > len(opts) {
			return false
		}
		if be16(opts, 0) == optKeepalive {
			e.Keepalive = true
		}
		opts = opts[n:]
	}
	return true
}

// Limit is how many bytes of reply the client takes over UDP: 512 without EDNS,
// else what it says, at least 512 and at most UDPSize.
func (q *Query) Limit() int {
	if !q.EDNS.Present {
		return MinUDPSize
	}
	return min(max(int(q.EDNS.Size), MinUDPSize), UDPSize)
}

// AppendQuestion appends the question section of one question.
func AppendQuestion(dst, name []byte, qtype, qclass uint16) []byte {
	dst = append(dst, name...)
	dst = binary.BigEndian.AppendUint16(dst, qtype)
	return binary.BigEndian.AppendUint16(dst, qclass)
}

// AppendQuery appends a query for an upstream: one question and an OPT that
// announces UDPSize. ad is always set, so that the reply says whether the data was
// validated (RFC 6840, section 5.7). The id is 0, for the sender to set.
func AppendQuery(dst, name []byte, qtype uint16, flags Flags, do bool) []byte {
	dst = appendHeader(dst, 0, flags&(RD|CD)|AD, 1, 0, 0, 1)
	dst = AppendQuestion(dst, name, qtype, dns.ClassINET)
	return AppendOPT(dst, 0, do, nil)
}

func appendHeader(dst []byte, id uint16, flags Flags, counts ...uint16) []byte {
	dst = binary.BigEndian.AppendUint16(dst, id)
	dst = binary.BigEndian.AppendUint16(dst, uint16(flags))
	for _, n := range counts {
		dst = binary.BigEndian.AppendUint16(dst, n)
	}
	return dst
}

// AppendOPT appends an OPT record with UDPSize, version 0, the upper bits of
// rcode (0 to 4095) and the given options (RFC 6891, section 6.1).
func AppendOPT(dst []byte, rcode int, do bool, options []byte) []byte {
	var flags byte
	if do {
		flags = 0x80
	}
	dst = append(dst, 0, 0, byte(dns.TypeOPT), UDPSize>>8, UDPSize&0xFF, byte(rcode>>4), 0, flags, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(options)))
	return append(dst, options...)
}

// OPTLen is the length in bytes of what AppendOPT appends with no options.
const OPTLen = 11

// AppendOption appends one EDNS option.
func AppendOption(dst []byte, code uint16, data []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, code)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(data)))
	return append(dst, data...)
}

// AppendEDE appends an extended DNS error as an EDNS option (RFC 8914, section 2).
func AppendEDE(dst []byte, code uint16, text string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, optEDE)
	dst = binary.BigEndian.AppendUint16(dst, uint16(2+len(text)))
	dst = binary.BigEndian.AppendUint16(dst, code)
	return append(dst, text...)
}
