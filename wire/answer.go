package wire

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// ReplyFlags are the flags of every reply to q: QR and RA set, the opcode, RD and CD as
// asked, AA and AD clear (RFC 6895, section 2; RFC 4035, section 3.2.2).
func ReplyFlags(q *Query, rcode int) Flags {
	return QR | RA | q.Flags&(0xF<<11|RD|CD) | Flags(rcode&0xF)
}

// AppendAnswer appends a reply to q with no records but the given one (nil: none),
// which goes to the answer section, and an OPT with options when q has one. The question is
// given back as far as it parsed. rcode is 0 to 4095; above 15 it shows only in the OPT.
func AppendAnswer(dst []byte, q *Query, rcode int, rr, options []byte) []byte {
	var questions, answers, additional uint16
	if len(q.Name) > 0 {
		questions = 1
	}
	if rr != nil {
		answers = 1
	}
	if q.EDNS.Present {
		additional = 1
	}
	dst = appendHeader(dst, q.ID, ReplyFlags(q, rcode), questions, answers, 0, additional)
	if questions > 0 {
		dst = AppendQuestion(dst, q.Name, q.Type, q.Class)
	}
	dst = append(dst, rr...)
	if q.EDNS.Present {
		dst = AppendOPT(dst, rcode, q.EDNS.DO, options)
	}
	return dst
}

// HINFO is an answer record for the qname that stands in for ANY (RFC 8482, section 4.2). It allocates.
func HINFO() []byte {
	const ttl = 3600 // seconds; it never changes
	rdata := []byte("\x07RFC8482\x00")
	return appendRecord(nil, dns.TypeHINFO, dns.ClassINET, ttl, rdata)
}

// ChaosTXT is a TXT answer record of class CH for the qname, with TTL 0 (RFC 4892). text is cut at 255 bytes.
// It allocates.
func ChaosTXT(text string) []byte {
	text = text[:min(len(text), 255)]
	return appendRecord(nil, dns.TypeTXT, dns.ClassCHAOS, 0, append([]byte{byte(len(text))}, text...))
}

// appendRecord appends a record whose owner is the question's name, by a pointer to it.
func appendRecord(dst []byte, rtype, class uint16, ttl uint32, rdata []byte) []byte {
	dst = append(dst, 0xC0, HeaderLen)
	dst = binary.BigEndian.AppendUint16(dst, rtype)
	dst = binary.BigEndian.AppendUint16(dst, class)
	dst = binary.BigEndian.AppendUint32(dst, ttl)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(rdata)))
	return append(dst, rdata...)
}
