package resolver

import (
	"bytes"
	"errors"

	"github.com/miekg/dns"

	"notyet/upstream"
	"notyet/wire"
)

// verdict is what one exchange with an upstream is worth.
type verdict struct {
	good    bool // it is the answer
	replied bool
	timeout bool
	// failure is one of the upstream and not of the question's: three in a row and it is left alone. SERVFAIL is none, since
	// any zone may be broken.
	failure bool

	// What was wrong, if it isn't good:
	code     uint16 // as an extended DNS error
	why      string
	servfail []byte // the upstream's own extended error, if it gave one
}

// judge says what became of an exchange, whose query has RD or not, and reads the reply if there is one.
func judge(reply []byte, err error, x *upstream.Exchange, rd bool, parsed *wire.Reply) verdict {
	switch {
	case errors.Is(err, upstream.ErrTimeout):
		return verdict{timeout: true, failure: true, code: dns.ExtendedErrorCodeNoReachableAuthority, why: "timeout"}
	case err != nil:
		ours := errors.Is(err, upstream.ErrBusy) || errors.Is(err, upstream.ErrStopped)
		return verdict{failure: !ours, code: dns.ExtendedErrorCodeNetworkError, why: err.Error()}
	}
	v := verdict{replied: true}
	if err := wire.ParseReply(reply, x.Name, x.Type, parsed); err != nil {
		v.failure, v.code, v.why = true, dns.ExtendedErrorCodeInvalidData, err.Error()
		return v
	}
	switch {
	case parsed.Kind == wire.Failure:
		v.failure = parsed.Rcode == dns.RcodeRefused
		v.code, v.why = dns.ExtendedErrorCodeOther, wire.RcodeName(parsed.Rcode)
		v.servfail = bytes.Clone(parsed.EDE)
	case parsed.Kind == wire.Referral && rd:
		v.failure = true
		v.code, v.why = dns.ExtendedErrorCodeOther, "a referral: it does not recurse"
	default:
		v.good = true
	}
	return v
}
