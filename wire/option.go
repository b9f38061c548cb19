package wire

import (
	"encoding/binary"
	"time"

	"github.com/miekg/dns"
)

// AddOption appends an option to the OPT of msg, as long as that is the last record, and returns the message. Without such
// an OPT the message stays as it is.
func AddOption(msg []byte, code uint16, data []byte) []byte {
	rtype, end := findOPT(msg)
	if rtype == 0 || end != len(msg) {
		return msg
	}
	msg = AppendOption(msg, code, data)
	binary.BigEndian.PutUint16(msg[rtype+8:], uint16(len(msg)-rtype-10))
	return msg
}

// Pad fills msg up to a multiple of block bytes with a padding option (RFC 7830), if its OPT can be added to.
func Pad(msg []byte, block int) []byte {
	const header = 4
	missing := block - (len(msg)+header)%block
	return AddOption(msg, dns.EDNS0PADDING, make([]byte, missing%block))
}

// Keepalive is how long the sender of msg keeps a connection open with nothing under way (RFC 7828); ok is false when it
// doesn't say so.
func Keepalive(msg []byte) (idle time.Duration, ok bool) {
	rtype, end := findOPT(msg)
	if rtype == 0 {
		return 0, false
	}
	for options := msg[rtype+10 : end]; len(options) >= 4; {
		n := 4 + int(be16(options, 2))
		if n > len(options) {
			break
		}
		if be16(options, 0) == optKeepalive && n == 6 {
			return time.Duration(be16(options, 4)) * 100 * time.Millisecond, true
		}
		options = options[n:]
	}
	return 0, false
}

// findOPT returns where the type of msg's OPT stands, and where the record ends; zeros when there is none.
func findOPT(msg []byte) (rtype, end int) {
	if len(msg) < HeaderLen || be16(msg, 4) != 1 {
		return 0, 0
	}
	off := skipName(msg, HeaderLen)
	if off < 0 {
		return 0, 0
	}
	off += 4
	for range int(be16(msg, 6)) + int(be16(msg, 8)) + int(be16(msg, 10)) {
		next := skipRecord(msg, off)
		if next < 0 {
			return 0, 0
		}
		if rtype := skipName(msg, off); be16(msg, rtype) == dns.TypeOPT {
			return rtype, next
		}
		off = next
	}
	return 0, 0
}
