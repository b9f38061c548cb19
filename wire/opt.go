package wire

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// HasDO reports whether a query that AppendQuery made has the DO bit.
func HasDO(query []byte) bool { return query[len(query)-4]&0x80 != 0 }

// CutOPT returns a query that AppendQuery made without its OPT.
func CutOPT(query []byte) []byte {
	query = query[:len(query)-OPTLen]
	binary.BigEndian.PutUint16(query[10:], 0)
	return query
}

// OPT is what the OPT record of a reply says.
type OPT struct {
	Rcode   int    // the upper eight bits, at their place in the whole
	Options []byte // whole; they point into the reply
}

// FindOPT returns the first OPT of a message; false when there is none, or the records before it don't parse. Of the records only
// the frame is looked at.
func FindOPT(msg []byte) (OPT, bool) {
	start, end := findOPT(msg)
	if start == 0 {
		return OPT{}, false
	}
	return OPT{Rcode: int(msg[start+5]) << 4, Options: msg[start+OPTLen : end]}, true
}

// findOPT returns where the first OPT of a message begins and ends; zeros when there is none.
func findOPT(msg []byte) (start, end int) {
	if len(msg) < HeaderLen || be16(msg, 4) != 1 {
		return 0, 0
	}
	off := skipName(msg, HeaderLen)
	if off < 0 {
		return 0, 0
	}
	off += 4
	for range int(be16(msg, 6)) + int(be16(msg, 8)) {
		if off = skipRecord(msg, off); off < 0 {
			return 0, 0
		}
	}
	for range int(be16(msg, 10)) {
		end := skipRecord(msg, off)
		if end < 0 {
			return 0, 0
		}
		if msg[off] == 0 && be16(msg, off+1) == dns.TypeOPT { // the root's name is one byte
			return off, end
		}
		off = end
	}
	return 0, 0
}

// Option returns the data of the first option of that code, which is not nil if there is one.
func (o OPT) Option(code uint16) []byte {
	for opts := o.Options; len(opts) >= 4; {
		end := 4 + int(be16(opts, 2))
		if end > len(opts) {
			return nil
		}
		if be16(opts, 0) == code {
			return opts[4:end:end]
		}
		opts = opts[end:]
	}
	return nil
}

// Respell gives the qname of a reply, and the owner names of its answer section that are the same and written out, the
// spelling of name. MatchesQuestion has taken the reply for the name.
func Respell(reply, name []byte) {
	end := HeaderLen + len(name)
	copy(reply[HeaderLen:end], name)
	off := end + 4
	for range int(be16(reply, 6)) {
		next := skipRecord(reply, off)
		if next < 0 {
			return
		}
		if owner := reply[off:min(off+len(name), next)]; EqualFold(owner, name) {
			copy(owner, name)
		}
		off = next
	}
}
