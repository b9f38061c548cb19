package wire

import (
	"encoding/binary"
	"time"

	"github.com/miekg/dns"
)

// AddOption appends an option to the OPT of msg, as long as that is the last record, and returns the message. Without such
// an OPT the message stays as it is.
func AddOption(msg []byte, code uint16, data []byte) []byte {
	start, end := findOPT(msg)
	if start == 0 || end != len(msg) {
		return msg
	}
	msg = AppendOption(msg, code, data)
	binary.BigEndian.PutUint16(msg[start+9:], uint16(len(msg)-start-OPTLen))
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
	opt, _ := FindOPT(msg)
	timeout := opt.Option(optKeepalive)
	if len(timeout) != 2 {
		return 0, false
	}
	return time.Duration(be16(timeout, 0)) * 100 * time.Millisecond, true
}
