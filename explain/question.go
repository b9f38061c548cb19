package explain

import (
	"errors"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// ParseType reads a record type as a zone file spells it, or TYPE and its number (RFC 3597). The error says what to write.
func ParseType(s string) (uint16, error) {
	upper := strings.ToUpper(s)
	qtype, known := dns.StringToType[upper] // none of which begins with TYPE
	if digits, found := strings.CutPrefix(upper, "TYPE"); found {
		n, err := strconv.ParseUint(digits, 10, 16)
		qtype, known = uint16(n), err == nil
	}
	switch {
	case !known:
		return 0, errors.New("write a type such as A, AAAA, CNAME, MX, NS or TXT")
	case !isData(qtype):
		return 0, errors.New("write the type of one record, such as A: this is no record's")
	}
	return qtype, nil
}

// isData reports whether zones have records of the type (RFC 6895, section 3.1).
func isData(qtype uint16) bool {
	const firstQuestion, lastQuestion = 128, 255
	return qtype != dns.TypeNone && qtype != dns.TypeOPT && (qtype < firstQuestion || qtype > lastQuestion) && qtype != dns.TypeReserved
}

// typeName is what people call a type.
func typeName(qtype uint16) string { return dns.Type(qtype).String() }
