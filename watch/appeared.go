package watch

import (
	"time"

	"notyet/wire"
)

// maxAppeared bounds the names that have appeared without the type that was asked for.
const maxAppeared = 1000

// appearedLocked notes that the name of a pending question exists now, without the type that is asked for, if that is what
// was found. Many a client asks for AAAA first, and for A when there is an answer to that: what it gets then has been waited
// for, and a plain cache, where an NXDOMAIN is one of all types (RFC 2308, section 5), would still deny it.
func (s *Set) appearedLocked(p *pending, f finding) {
	if p.no.reply != nil && p.no.reply.Kind == wire.NXDOMAIN && f.reply.Kind == wire.NODATA {
		s.appeared.Add(p.qname, p)
	}
}

// appearedAs returns what is to be told of the first positive answer to a question for such a name; nil: nothing.
func (s *Set) appearedAs(q question, now time.Time) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.appeared.Peek(q.qname)
	if !ok || q.qtype == p.key.Type {
		return nil
	}
	s.appeared.Remove(q.qname)
	if !now.Before(p.plain) && now.Sub(p.at) >= forgetAfter { // somebody else asks
		return nil
	}
	as := &pending{watch: p.watch, qname: p.qname, first: p.first, plain: p.plain, key: p.key}
	as.key.Type = q.qtype
	return as
}
