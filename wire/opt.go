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

// AppendQueryOption appends an option to a query that AppendQuery made, whose OPT has none.
func AppendQueryOption(query []byte, code uint16, data []byte) []byte {
	n := len(query)
	query = AppendOption(query, code, data)
	binary.BigEndian.PutUint16(query[n-2:], uint16(len(query)-n))
	return query
}

// OPT is what the OPT record of a reply says.
type OPT struct {
	Rcode   int    // the upper eight bits, at their place in the whole
	Options []byte // whole; they point into the reply
}

// FindOPT returns the first OPT of a reply that MatchesQuestion has taken for the name; false when there is none, or the
// records before it don't parse. Of the records only the frame is looked at.
func FindOPT(reply, name []byte) (OPT, bool) {
	off := HeaderLen + len(name) + 4
	for range int(be16(reply, 6)) + int(be16(reply, 8)) {
		if off = skipRecord(reply, off); off < 0 {
			return OPT{}, false
		}
	}
	for range int(be16(reply, 10)) {
		end := skipRecord(reply, off)
		if end < 0 {
			return OPT{}, false
		}
		if reply[off] == 0 && be16(reply, off+1) == dns.TypeOPT { // the root's name is one byte
			return OPT{Rcode: int(reply[off+5]) << 4, Options: reply[off+11 : end]}, true
		}
		off = end
	}
	return OPT{}, false
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
