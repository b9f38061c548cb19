package authority

import (
	"github.com/miekg/dns"

	"notyet/wire"
)

// Said is what one server's reply to a question is worth.
type Said struct {
	// Kind is Positive, NODATA, NXDOMAIN or Referral; Failure: nothing. With a Target it is Positive.
	Kind wire.Kind
	// Msg is as in Answer; nil with Referral and Failure.
	Msg    *dns.Msg
	Target string   // where the chain in Msg leads on to; "": nowhere
	Cut    string   // apex of the zone further down that the name is in; "": it isn't
	NS     []string // of Cut, with a Referral
}

// Judge reads the reply of a server of a zone to the question (qname, qtype) for a name in it, by the rules of Ask. It changes
// the owner names of reply's records to lower case.
func Judge(reply *dns.Msg, apex, qname string, qtype uint16) Said {
	return digest(reply, apex, qname, qtype).public()
}

// public is what others may see of the verdict.
func (v *verdict) public() Said {
	s := Said{Kind: v.kind, Msg: v.msg, Target: v.target}
	if v.cut != nil {
		s.Cut, s.NS = v.cut.apex, v.cut.names
	}
	return s
}
