package main

import (
	"time"

	"github.com/miekg/dns"

	"notyet/admin"
	"notyet/cache"
	"notyet/wire"
)

func (a *api) Cache(name string) ([]admin.CacheEntry, error) {
	qname, err := parseName(name)
	if err != nil {
		return nil, err
	}
	return a.cached(qname, 0), nil
}

// cached is what the cache has of a name and a type; 0: of all types.
func (a *api) cached(qname []byte, qtype uint16) (all []admin.CacheEntry) {
	now := time.Now()
	under := ""
	if w, ok := a.watching.Covering(qname); ok {
		under = w.Name
	}
	for _, e := range a.answers.Inspect(qname, now) {
		if qtype == 0 || e.Key.Type == qtype {
			shown := a.entryOf(e, now)
			shown.Watch = under
			all = append(all, shown)
		}
	}
	return all
}

func (a *api) entryOf(e cache.Inspected, now time.Time) admin.CacheEntry {
	return admin.CacheEntry{
		Name: wire.String(e.Key.Name), Type: dns.Type(e.Key.Type).String(), DO: e.Key.DO, CD: e.Key.CD,
		Kind: e.Kind().String(), Rcode: dns.RcodeToString[e.Rcode()],
		Age: rounded(e.Age), Left: rounded(e.Left), Stale: e.Stale() || e.Left == 0,
		Records: a.records(e, now),
	}
}

// records are those that a client with the same flags would get now.
func (a *api) records(e cache.Inspected, now time.Time) []string {
	q := wire.Query{Flags: wire.RD, Name: e.Key.Name, Type: e.Key.Type, Class: dns.ClassINET}
	if e.Key.CD {
		q.Flags |= wire.CD
	}
	q.EDNS.Present, q.EDNS.DO = e.Key.DO, e.Key.DO
	var m dns.Msg
	if err := m.Unpack(a.answers.AppendReply(nil, e.Entry, &q, wire.MaxMessage, now)); err != nil {
		return []string{} // a record that only the client understands
	}
	texts := []string{}
	for _, rr := range append(m.Answer, m.Ns...) {
		texts = append(texts, wire.Record(rr))
	}
	return texts
}

func (a *api) Flush(f admin.Flush) (dropped int, err error) {
	name, err := parseName(f.Name + f.Zone) // one of which is empty
	if err != nil {
		return 0, err
	}
	drop := map[[2]bool]func([]byte) int{ // subtree, negatives only
		{false, false}: a.answers.Drop, {false, true}: a.answers.DropNegatives,
		{true, false}: a.answers.DropBelow, {true, true}: a.answers.DropNegativesBelow,
	}[[2]bool{f.Zone != "", f.Negative}]
	return drop(name), nil
}
