package wire

import (
	"bytes"

	"github.com/miekg/dns"
)

// maxPointers bounds the compression pointers in one name: it has at most 127 labels.
const maxPointers = 127

// plainName returns the end of the uncompressed name that starts at off, or -1.
// A question's name has nothing before it that a pointer could point to.
func plainName(b []byte, off int) int {
	start := off
	for off < len(b) && off-start < MaxName {
		n := int(b[off])
		if n == 0 {
			return off + 1
		}
		if n > 63 {
			return -1
		}
		off += 1 + n
	}
	return -1
}

// skipName returns the end of the name that starts at off, or -1. What pointers lead to is checked too: it has to end before
// the name that leads there begins, so that no name changes when what follows it is cut off, and it is not in the header, which we write anew.
func skipName(b []byte, off int) int {
	end, length := -1, 0
	start, limit := off, len(b) // of this part of the name
	for pointers := 0; off < limit && length < MaxName; {
		n := int(b[off])
		switch {
		case n == 0:
			return max(end, off+1)
		case n >= 0xC0:
			if off+2 > limit || pointers == maxPointers {
				return -1
			}
			next := int(be16(b, off) & 0x3FFF)
			if next < HeaderLen || next >= start {
				return -1
			}
			end = max(end, off+2)
			off, start, limit = next, next, start
			pointers++
			continue
		case n > 63:
			return -1
		}
		off += 1 + n
		length += 1 + n
	}
	return -1
}

// appendName appends the name at off of message b, which skipName has taken, to dst, without compression and in lower case.
func appendName(dst, b []byte, off int) []byte {
	for {
		n := int(b[off])
		if n >= 0xC0 {
			off = int(be16(b, off) & 0x3FFF)
			continue
		}
		dst = appendLower(dst, b[off:off+1+n])
		if n == 0 {
			return dst
		}
		off += 1 + n
	}
}

// AppendLower appends the uncompressed wire-format name to dst in lower case
// (RFC 4343: ASCII letters only). Length octets are below 'A' and stay.
func AppendLower(dst, name []byte) []byte { return appendLower(dst, name) }

func appendLower(dst, name []byte) []byte {
	n := len(dst)
	dst = append(dst, name...)
	for i, c := range dst[n:] {
		if c-'A' < 26 {
			dst[n+i] = c | 0x20
		}
	}
	return dst
}

// EqualFold reports whether two uncompressed wire-format names are the same
// but for the case of ASCII letters.
func EqualFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		d := b[i]
		if c == d {
			continue
		}
		if c|0x20 != d|0x20 || (c|0x20)-'a' >= 26 {
			return false
		}
	}
	return true
}

// Parent returns the name without its first label; of the root, nil.
func Parent(name []byte) []byte {
	if len(name) <= 1 {
		return nil
	}
	return name[1+int(name[0]):]
}

// IsSubdomain reports whether name is zone or below it. Both are in wire
// format and lower case.
func IsSubdomain(name, zone []byte) bool {
	for n := name; len(n) >= len(zone); n = Parent(n) {
		if bytes.Equal(n, zone) {
			return true
		}
	}
	return false
}

// String gives an uncompressed wire-format name as people write it, escaped as
// in a zone file and with the final dot. It allocates.
func String(name []byte) string {
	s, _, err := dns.UnpackDomainName(name, 0)
	if err != nil {
		return "?"
	}
	return s
}

// Name turns a name as people write it into wire format, lower case; the final
// dot may be left out. It allocates.
func Name(s string) ([]byte, error) {
	var buf [MaxName]byte
	n, err := dns.PackDomainName(dns.Fqdn(s), buf[:], 0, nil, false)
	if err != nil {
		return nil, err
	}
	return AppendLower(nil, buf[:n]), nil // not before: an escape may stand for a capital
}
