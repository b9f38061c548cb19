package authority

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/miekg/dns"

	"notyet/upstream"
	"notyet/wire"
)

// A question about a name is sent again to a server that has not answered after a while, and given up later on.
const (
	retransmit = 500 * time.Millisecond
	patience   = 1500 * time.Millisecond
)

// maxSilent is how many questions in a row a server may leave without a reply before its zone is looked at again.
const maxSilent = 3

// errElsewhere is what is wrong with a reply that is about another zone.
var errElsewhere = errors.New("answers for another zone")

// question puts the request to one server of the zone. The verdict is nil when it does not reply, and a Failure when the reply is
// no good; with either there is an error.
func (f *Finder) question(z *zone, s *server, r *Request) (*verdict, error) {
	reply, err := f.exchange(s, r)
	if err != nil {
		r.observe(label(err))
		if s.silent.Add(1) >= maxSilent {
			f.trouble(z)
		}
		return nil, plain(err)
	}
	s.silent.Store(0)
	v := digest(reply, z.apex, r.Name, r.Type)
	if len(z.origin.servers) > 0 && v.cut != nil {
		// Those that are given are all of them. What they are authoritative for they may answer in any zone's name.
		if v.kind == wire.Referral {
			v.kind = wire.Failure
		}
		v.cut = nil
	}
	r.observe(v.label())
	if v.kind != wire.Failure {
		return v, nil
	}
	f.trouble(z)
	return v, cmp.Or(lame(reply), errElsewhere)
}

// exchange sends a question, and sends it again when no reply came for a while and the budget allows. A reply to either
// will do.
func (f *Finder) exchange(s *server, r *Request) (*dns.Msg, error) {
	type reply struct {
		msg *dns.Msg
		err error
	}
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	replies := make(chan reply, 2)
	send := func() {
		m, err := f.config.Exchange(ctx, s.address(), newQuery(r.Name, r.Type, r.DO))
		replies <- reply{m, err}
	}
	f.spawn(send)
	again := time.NewTimer(retransmit)
	defer again.Stop()
	for under := 1; ; {
		select {
		case a := <-replies:
			under--
			if a.err == nil || under == 0 {
				return a.msg, a.err
			}
		case <-again.C:
			if r.take(1) {
				r.observe("timeout")
				under++
				f.spawn(send)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func newQuery(qname string, qtype uint16, do bool) *dns.Msg {
	q := new(dns.Msg).SetQuestion(qname, qtype)
	q.RecursionDesired = false
	return q.SetEdns0(wire.UDPSize, do)
}

// label is what an exchange without a reply counts as.
func label(err error) string {
	if timedOut(err) {
		return "timeout"
	}
	return "unreachable"
}

// timedOut tells silence from a server that cannot be reached.
func timedOut(err error) bool {
	return errors.Is(err, upstream.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
