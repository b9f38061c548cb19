package authority

import (
	"context"

	"github.com/miekg/dns"
)

// askCut asks the zone's servers whether the name is in a zone further down, as askOne does. To an alias they reply with its
// target, from whichever zone the alias is in: the name above it, which is in the same zone, is asked about in its place.
func (f *Finder) askCut(ctx context.Context, d *discovery, z *zone, qname string) (*verdict, error) {
	for {
		v, err := f.askOne(ctx, d, z, qname)
		if err != nil || v.cut != nil {
			return v, err
		}
		owner := aliased(v, qname)
		if owner == "" || !below(owner, z.apex) {
			return v, nil
		}
		qname = owner
	}
}

// aliased is the name above one that is an alias, or the owner of the DNAME that makes it one; "": it is none.
func aliased(v *verdict, qname string) (owner string) {
	if v.msg == nil {
		return ""
	}
	for _, rr := range v.msg.Answer {
		switch name := rr.Header().Name; {
		case rr.Header().Rrtype == dns.TypeDNAME && below(qname, name):
			return name
		case rr.Header().Rrtype == dns.TypeCNAME && name == qname:
			owner = parent(qname)
		}
	}
	return owner
}
