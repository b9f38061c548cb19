package wire

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/miekg/dns"
)

// Kind says what a reply means to a cache.
type Kind uint8

const (
	// Failure is SERVFAIL, REFUSED, NOTIMP, FORMERR or an extended rcode: the server did not answer the question.
	Failure Kind = iota
	// Referral is a reply that names other servers; a recursive upstream that gives one is lame.
	Referral
	// Positive is NOERROR with at least one record of the qtype at the end of the chain.
	Positive
	// NXDOMAIN denies the last name of the chain (RFC 6604).
	NXDOMAIN
	// NODATA is NOERROR with no record of the qtype at the end of the chain (RFC 2308, section 2.2).
	NODATA
	// Other is any other rcode: passed on, never kept.
	Other
)

func (k Kind) String() string {
	return [...]string{"failure", "referral", "positive", "nxdomain", "nodata", "other"}[k]
}

// Negative reports whether the kind is NXDOMAIN or NODATA.
func (k Kind) Negative() bool { return k == NXDOMAIN || k == NODATA }

// maxEDE is the longest extended error, in bytes of option, that is passed on.
const maxEDE = 256

// maxChain bounds the CNAMEs that Target follows.
const maxChain = 16

// Reply is what a server's message says. Its slices point into that message.
type Reply struct {
	Flags Flags
	Rcode int // 0 to 4095, with the upper bits of the OPT
	Kind  Kind

	// Message is the message without its OPT and what follows it; its header's
	// count of additional records is not adjusted, Additional is right.
	Message    []byte
	Additional int // records of the additional section that Message has

	// TTLs are the offsets of the TTL fields in Message, section by section;
	// the first Answers are of the answer section, the next Authorities of the
	// authority section.
	TTLs        []uint16
	Answers     int
	Authorities int

	// AnswerTTL is the lowest TTL in the answer section, in seconds; 0 when it is empty.
	AnswerTTL uint32
	// SOA says whether the authority section has one; SOATTL and Minimum are its
	// first one's, in seconds, and MinimumOffset is where Minimum stands.
	SOA             bool
	SOATTL, Minimum uint32
	MinimumOffset   int
	// Chain says whether the answer section has a CNAME.
	Chain bool
	// EDE is the first extended error as a whole EDNS option, or nil (RFC 8914).
	EDE []byte

	qnameEnd int
	aliens   bool // the answer section has owner names that aren't a pointer to the qname
}

// NegativeTTL is min(SOA TTL, SOA MINIMUM) in seconds (RFC 2308, section 5); it
// means something only when the reply has an SOA.
func (r *Reply) NegativeTTL() uint32 { return min(r.SOATTL, r.Minimum) }

// record is where one resource record's parts stand in a message.
type record struct {
	owner, rtype, ttl, rdata, end int
}

// ParseReply reads msg, the reply to the question (name, qtype, IN), into r, whose TTLs are reused. It
// returns ErrMismatch when the question is another one, which RFC 5452 (section
// 9.1) says to ignore, and ErrFormat when the question is right and the rest is not. The
// id is for the caller to check. msg has at most MaxMessage bytes, and name is in wire format.
func ParseReply(msg, name []byte, qtype uint16, r *Reply) error {
	*r = Reply{TTLs: r.TTLs[:0]}
	if !MatchesQuestion(msg, name, qtype) {
		return ErrMismatch
	}
	r.Flags = Flags(be16(msg, 2))
	r.Rcode = r.Flags.Rcode()
	r.qnameEnd = HeaderLen + len(name)
	off := r.qnameEnd + 4
	r.Message = msg

	var sawType, sawNS bool
	for range int(be16(msg, 6)) {
		rr, ok := readRecord(msg, off)
		if !ok || rr.rtype == int(dns.TypeOPT) {
			return ErrFormat
		}
		ttl := r.addTTL(rr)
		if r.Answers == 0 || ttl < r.AnswerTTL {
			r.AnswerTTL = ttl
		}
		r.Answers++
		sawType = sawType || rr.rtype == int(qtype)
		r.Chain = r.Chain || rr.rtype == int(dns.TypeCNAME)
		r.aliens = r.aliens || be16(msg, rr.owner) != 0xC000|HeaderLen
		off = rr.end
	}
	for range int(be16(msg, 8)) {
		rr, ok := readRecord(msg, off)
		if !ok || rr.rtype == int(dns.TypeOPT) {
			return ErrFormat
		}
		ttl := r.addTTL(rr)
		r.Authorities++
		switch {
		case rr.rtype == int(dns.TypeNS):
			sawNS = true
		case rr.rtype == int(dns.TypeSOA) && !r.SOA:
			r.SOA, r.SOATTL = true, ttl
			r.MinimumOffset = rr.end - 4
			r.Minimum = TTL(be32(msg, r.MinimumOffset))
		}
		off = rr.end
	}
	end, sawOPT := off, false // what is kept of the message
	for range int(be16(msg, 10)) {
		rr, ok := readRecord(msg, off)
		if !ok {
			return ErrFormat
		}
		switch {
		case rr.rtype == int(dns.TypeOPT):
			if sawOPT || !r.readOPT(msg, rr) {
				return ErrFormat
			}
			sawOPT = true
		case !sawOPT:
			r.addTTL(rr)
			r.Additional++
			end = rr.end
		}
		off = rr.end
	}
	if off != len(msg) {
		return ErrFormat
	}
	r.Message = msg[:end]
	r.Kind = r.classify(sawType && r.answers(qtype), sawNS)
	return nil
}

// answers reports whether the answer section has a record of the type at the end of the chain. A record of
// another name is no answer, whatever its type.
func (r *Reply) answers(qtype uint16) bool {
	if !r.aliens {
		return true
	}
	var buf, scratch [MaxName]byte
	end := appendLower(buf[:0], r.Message[HeaderLen:r.qnameEnd])
	if qtype != dns.TypeCNAME {
		end = r.Target(buf[:0])
	}
	for i := range r.Answers {
		rr := r.answer(i)
		if rr.rtype == int(qtype) && bytes.Equal(appendName(scratch[:0], r.Message, rr.owner), end) {
			return true
		}
	}
	return false
}

func (r *Reply) classify(sawType, sawNS bool) Kind {
	switch r.Rcode {
	case dns.RcodeNameError:
		return NXDOMAIN
	case dns.RcodeSuccess:
		switch {
		case sawType:
			return Positive
		case r.Answers == 0 && sawNS && !r.SOA && !r.Flags.Has(AA):
			return Referral
		}
		return NODATA
	case dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeFormatError, dns.RcodeNotImplemented:
		return Failure
	}
	if r.Rcode > 0xF {
		return Failure
	}
	return Other
}

// MatchesQuestion reports whether msg is a response whose only question is (name,
// qtype, IN), in whatever spelling.
func MatchesQuestion(msg, name []byte, qtype uint16) bool {
	end := HeaderLen + len(name)
	return len(msg) >= end+4 &&
		Flags(be16(msg, 2)).Has(QR) && Flags(be16(msg, 2)).Opcode() == dns.OpcodeQuery &&
		be16(msg, 4) == 1 &&
		EqualFold(msg[HeaderLen:end], name) &&
		be16(msg, end) == qtype && be16(msg, end+2) == dns.ClassINET
}

// addTTL notes where the record's TTL stands and returns it.
func (r *Reply) addTTL(rr record) uint32 {
	r.TTLs = append(r.TTLs, uint16(rr.ttl))
	return TTL(be32(r.Message, rr.ttl))
}

// TTL reads a TTL field: with the top bit set it counts as zero (RFC 2181, section 8).
func TTL(field uint32) uint32 {
	if field > 1<<31-1 {
		return 0
	}
	return field
}

// readRecord reads the resource record at off and checks the rdata that clients
// and this package take apart.
func readRecord(b []byte, off int) (record, bool) {
	rr := record{owner: off}
	if off = skipName(b, off); off < 0 || off+10 > len(b) {
		return rr, false
	}
	rr.rtype, rr.ttl, rr.rdata = int(be16(b, off)), off+4, off+10
	rr.end = rr.rdata + int(be16(b, off+8))
	if rr.end > len(b) {
		return rr, false
	}
	return rr, checkRdata(b[:rr.end], rr)
}

// checkRdata reports whether the rdata, which ends with b, has the form of its type.
func checkRdata(b []byte, rr record) bool {
	switch uint16(rr.rtype) {
	case dns.TypeA:
		return rr.end-rr.rdata == 4
	case dns.TypeAAAA:
		return rr.end-rr.rdata == 16
	case dns.TypeCNAME, dns.TypeDNAME, dns.TypeNS, dns.TypePTR:
		return skipName(b, rr.rdata) == rr.end
	case dns.TypeMX:
		return skipName(b, rr.rdata+2) == rr.end
	case dns.TypeSOA:
		rname := skipName(b, rr.rdata)
		if rname < 0 {
			return false
		}
		serial := skipName(b, rname)
		return serial >= 0 && serial+20 == rr.end
	}
	return true
}

// readOPT takes the extended rcode and the first extended error from an OPT record.
func (r *Reply) readOPT(b []byte, rr record) bool {
	if b[rr.owner] != 0 {
		return false
	}
	r.Rcode |= int(b[rr.ttl]) << 4
	for opts := b[rr.rdata:rr.end]; len(opts) > 0; {
		if len(opts) < 4 {
			return false
		}
		n := 4 + int(be16(opts, 2))
		if n > len(opts) {
			return false
		}
		if be16(opts, 0) == optEDE && r.EDE == nil && n >= 6 && n <= maxEDE {
			r.EDE = opts[:n:n]
		}
		opts = opts[n:]
	}
	return true
}

// Target appends to dst, in lower case and without compression, the name at the
// end of the answer's chain of CNAMEs: what an NXDOMAIN denies (RFC 6604, section
// 3). Without a chain that is the qname.
func (r *Reply) Target(dst []byte) []byte {
	start := len(dst)
	dst = appendLower(dst, r.Message[HeaderLen:r.qnameEnd])
	var owner, next [MaxName]byte
	for range maxChain {
		target := r.cname(dst[start:], owner[:0], next[:0])
		if target == nil {
			break
		}
		dst = append(dst[:start], target...)
	}
	return dst
}

// cname returns the target of name's CNAME in the answer section, built in dst, or nil.
func (r *Reply) cname(name, scratch, dst []byte) []byte {
	for i := range r.Answers {
		rr := r.answer(i)
		if rr.rtype != int(dns.TypeCNAME) || !bytes.Equal(appendName(scratch, r.Message, rr.owner), name) {
			continue
		}
		return appendName(dst, r.Message, rr.rdata)
	}
	return nil
}

// Owners calls yield with each owner name of the answer section other than the qname, lower case, which is
// valid only during the call. A name that comes several times may be given several times. It allocates if there is one.
func (r *Reply) Owners(yield func(name []byte)) {
	if !r.aliens {
		return
	}
	var buf [MaxName]byte
	for i := range r.Answers {
		owner := appendName(buf[:0], r.Message, r.answer(i).owner)
		if !EqualFold(owner, r.Message[HeaderLen:r.qnameEnd]) {
			yield(owner)
		}
	}
}

// answer returns record i of the answer section. Records stand one behind the other, so
// the owner of one begins where the one before it ends.
func (r *Reply) answer(i int) record {
	owner := r.qnameEnd + 4
	if i > 0 {
		prev := int(r.TTLs[i-1])
		owner = prev + 6 + int(be16(r.Message, prev+4))
	}
	ttl := int(r.TTLs[i])
	return record{
		owner: owner, rtype: int(be16(r.Message, ttl-4)), ttl: ttl,
		rdata: ttl + 6, end: ttl + 6 + int(be16(r.Message, ttl+4)),
	}
}

// Age takes seconds off every TTL of msg whose offset is in offsets, two bytes
// each, big-endian. It never goes below zero, and a field whose top bit is set becomes zero.
func Age(msg, offsets []byte, seconds uint32) {
	for ; len(offsets) >= 2; offsets = offsets[2:] {
		field := msg[be16(offsets, 0):][:4]
		ttl := TTL(binary.BigEndian.Uint32(field))
		binary.BigEndian.PutUint32(field, ttl-min(ttl, seconds))
	}
}

// Cap lowers the TTL or other 32-bit field at off to at most limit.
func Cap(msg []byte, off int, limit uint32) {
	field := msg[off:][:4]
	binary.BigEndian.PutUint32(field, min(TTL(binary.BigEndian.Uint32(field)), limit))
}

// Clone returns a copy that shares no bytes with r, and so outlives the message that r was read from. It allocates.
func (r *Reply) Clone() *Reply {
	c := *r
	c.Message = bytes.Clone(r.Message)
	c.TTLs = slices.Clone(r.TTLs)
	c.EDE = bytes.Clone(r.EDE)
	return &c
}

// Msg unpacks the reply, without its OPT. It allocates.
func (r *Reply) Msg() (*dns.Msg, error) {
	b := bytes.Clone(r.Message)
	binary.BigEndian.PutUint16(b[10:], uint16(r.Additional))
	m := new(dns.Msg)
	return m, m.Unpack(b)
}
