package wire

import (
	"strconv"

	"github.com/miekg/dns"
)

// RcodeName is what people call the rcode, 0 to 4095: NXDOMAIN, or RCODE24 where nobody does.
func RcodeName(rcode int) string {
	if rcode == dns.RcodeBadVers {
		return "BADVERS" // miekg/dns calls 16 BADSIG, which it is in TSIG records
	}
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return "RCODE" + strconv.Itoa(rcode)
}
