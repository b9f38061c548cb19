package authority

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/miekg/dns"

	"notyet/wire"
)

// Answer is what the servers of a zone say. It is not safe for concurrent use.
type Answer struct {
	// Kind is Positive, NODATA or NXDOMAIN: what the zone says of the end of the chain within it. With a Target it is Positive.
	Kind wire.Kind
	// Msg is the best reply, with nothing but records of the zone; in the answer section those that lead from the qname to
	// its end. AA and AD are clear, OPT is gone, and question and owner names are in lower case.
	Msg  *dns.Msg
	Zone string   // its apex
	SOA  *dns.SOA // the zone's, as its apex probe had it
	// Have, Lack and Silent are the names of the servers by what they said, without the final dot; addresses when they are
	// given. Servers that do not count are in none of them, nor are, before Rest, those that have not answered yet.
	Have, Lack, Silent []string
	// Spared are those that there was no budget for.
	Spared []string
	// Replies is what each server of the zone said, in the order of their names.
	Replies []Reply
	// Absent are the names of servers that have no address that may be asked, without the final dot. Others pass them over too.
	Absent []string
	// Target is where the chain in Msg leads on to, out of what these servers say: the caller's to follow. "": nowhere.
	Target string

	tally *tally // nil: nobody is left to be heard
}

// All reports whether every server has the name. It means something after Rest.
func (a *Answer) All() bool { return len(a.Have) > 0 && len(a.Lack)+len(a.Silent)+len(a.Spared) == 0 }

// None reports whether every server denies it. It means something after Rest.
func (a *Answer) None() bool { return len(a.Lack) > 0 && len(a.Have)+len(a.Silent)+len(a.Spared) == 0 }

// Rest waits until every server that was asked has answered or has had its time, or ctx ends, and returns the answer
// completed. One that comes late may turn a denial into a positive answer.
func (a *Answer) Rest(ctx context.Context) *Answer {
	if a.tally == nil {
		return a
	}
	a.tally.rest(ctx)
	return a.tally.answer()
}

// Reply is what one server made of the question.
type Reply struct {
	Server           // Fault: why it does not count, or what is wrong with its reply
	Said             // with Fault it is a Failure
	At     time.Time // when it came, or was given up; zero: it has not come yet, or the server was not asked
}

// replies are those that have come by now, and the servers that they have not come from.
func (t *tally) replies() []Reply {
	all := slices.Clone(t.heard)
	for _, s := range t.zone.servers {
		if !slices.ContainsFunc(all, func(r Reply) bool { return r.Name == s.name }) {
			all = append(all, Reply{Server: s.public()})
		}
	}
	slices.SortFunc(all, func(a, b Reply) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
