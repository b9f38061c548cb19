package main

import "fmt"

// expected is what a load is meant to be, so that no program looks fast by losing queries, by refusing them, or by
// asking the authority less or more than the workload supposes.
type expected struct {
	rcode  string
	misses float64 // the part of the queries that goes to the authority
	names  int     // that have to be asked within the time; 0: as many as there is time for
}

// tolerance is the part of the queries that may be otherwise: packets get lost, and the last ones are cut off.
const tolerance = 0.01

// check says what is wrong with l and the probes beside it. asked counts the queries that reached the authority meanwhile.
func (e expected) check(l load, p probes, asked int) error {
	sent, completed := l.sent+p.Sent, l.completed+p.Answered
	some := int(tolerance * float64(sent))
	misses := int(e.misses * float64(sent))
	switch {
	case l.completed == 0:
		return fmt.Errorf("none of %d queries was answered", l.sent)
	case sent-completed > some:
		return fmt.Errorf("%d of %d queries were not answered", sent-completed, sent)
	case l.completed-l.rcodes[e.rcode] > some:
		return fmt.Errorf("%d of %d answers were not %s", l.completed-l.rcodes[e.rcode], l.completed, e.rcode)
	case p.Wrong > 0:
		return fmt.Errorf("%d of %d answers to the prober were not what it asked for", p.Wrong, p.Answered)
	case e.misses < 1 && asked > misses+some:
		return fmt.Errorf("%d of %d queries went to the authority, not to the cache; %d are meant to", asked, sent, misses)
	case asked < misses-some:
		return fmt.Errorf("only %d of %d queries went to the authority; %d are meant to", asked, sent, misses)
	case l.sent < e.names:
		return fmt.Errorf("only %d of %d names were asked within the time", l.sent, e.names)
	}
	return nil
}
