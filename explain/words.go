package explain

import (
	"fmt"
	"strings"
	"time"
)

// words is a name as people write it.
func words(qname string) string {
	if qname == "." {
		return "the root"
	}
	return strings.TrimSuffix(strings.ToLower(qname), ".")
}

// address is one as people write it: without the usual port.
func address(at string) string {
	at, _ = strings.CutSuffix(at, ":53")
	return strings.Trim(at, "[]")
}

// list writes words one after the other: a, b and c.
func list(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// negativeTTL says for how long a denial of the zone is kept, and why so long.
func negativeTTL(s *SOA) string {
	return fmt.Sprintf("negative TTL %s = min(SOA TTL %d, MINIMUM %d)", span(uint32(s.NegativeTTL()/time.Second)), s.TTL, s.Minimum)
}

// inWords is the zone by its SOA.
func (s *SOA) inWords() string {
	return fmt.Sprintf("changed at %s, serial %d, %s", words(s.MName), s.Serial, negativeTTL(s))
}

// inWords says what the cache has, and for how much longer. zone is the SOA that the zone's own servers have, or nil.
func (c *Cached) inWords(zone *SOA) string {
	if c.State == Unknown {
		return "unknown: " + c.Why
	}
	says := strings.ToUpper(c.State)
	if c.State == Positive {
		says = "the answer"
	}
	switch {
	case c.Own:
		return "has " + says + " of its own, not from a cache"
	case c.Left == nil && c.State == Positive:
		return "has the answer"
	case c.Left == nil:
		return "will keep saying " + says + ", and does not say for how long: its answer has no SOA"
	case *c.Left == 0:
		return "has " + says + ", and forgets it now"
	case c.State == Positive:
		return "has the answer for another " + span(*c.Left)
	}
	s := "will keep saying " + says + " for another " + span(*c.Left)
	switch {
	case c.Heard == nil || zone == nil:
	case *c.Heard == 0:
		s += ": it heard it just now, maybe as it asked others although it was told not to; " + negativeTTL(zone)
	case c.HeardAtMost:
		s += ": it heard it at most " + span(*c.Heard) + " ago, " + negativeTTL(zone)
	default:
		s += ": it heard it " + span(*c.Heard) + " ago, " + negativeTTL(zone)
	}
	return s
}
