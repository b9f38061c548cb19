package explain

import (
	"fmt"
	"slices"
	"strings"
)

// unheard: no server of a step's zone says anything.
func unheard(f *Facts) *Verdict {
	for i := range f.Steps {
		s := &f.Steps[i]
		if s.count(heard) > 0 {
			continue
		}
		z := s.zone()
		switch {
		case z == nil || len(s.Servers) == 0:
			return f.notFound(s, z)
		case s.count(recursor) > 0 && s.count(recursor)+s.count(silent)+s.count(away) == len(s.Servers):
			return f.blocked(s, fmt.Sprintf("%s answers in the place of the servers of %s (%s): port 53 is intercepted on the way",
				"a resolver", words(z.Apex), list(s.which(recursor))))
		case s.count(isLame) > 0:
			return verdict(LameServers, fmt.Sprintf("no server of %s serves it: %s", words(z.Apex), s.faults()), s.mend(z))
		case s.upperHeard():
			return verdict(LameServers, fmt.Sprintf("no server of %s can be reached, while those of %s can: %s",
				words(z.Apex), words(s.Zones[len(s.Zones)-2].Apex), s.faults()), s.mend(z))
		}
		return f.blocked(s, fmt.Sprintf("no server of %s answers from here (%s): port 53 to the outside is blocked, or all of them are down",
			words(z.Apex), s.faults()))
	}
	return nil
}

func recursor(s *Server) bool { return s.Recursor }

// upperHeard reports whether servers of a zone further up could be asked: so port 53 is open.
func (s *Step) upperHeard() bool {
	return len(s.Zones) > 1 && slices.ContainsFunc(s.Zones[:len(s.Zones)-1], func(z Zone) bool { return z.SOA != nil })
}

// faults are what is wrong with the step's servers.
func (s *Step) faults() string {
	var all []string
	for _, server := range s.Servers {
		if !server.counts() {
			all = append(all, server.Name+": "+server.Why)
		}
	}
	return strings.Join(all, "; ")
}

func (s *Step) mend(z *Zone) string {
	return fmt.Sprintf("make them serve %s, or take them out of its NS, here and in the zone above it", words(z.Apex))
}

func (f *Facts) blocked(s *Step, sentence string) *Verdict {
	next := []string{
		"open port 53, UDP and TCP, from here to the name servers, or run this where it is open",
		"for notyet: name the servers that can be reached with authorities, or leave the watch to the upstream with verify: off",
	}
	if !f.Asked {
		next = append(next, "let the resolvers say what they see: notyet explain --ask "+words(f.Name)+" "+f.Type+" (they remember a denial)")
	}
	return verdict(PortBlocked, sentence, next...)
}

// notFound: it cannot be told who serves the name.
func (f *Facts) notFound(s *Step, z *Zone) *Verdict {
	sentence := fmt.Sprintf("the name servers of %s cannot be found", words(s.Name))
	if z != nil && z.Fault != "" {
		sentence += ": " + z.Fault
	}
	next := []string{"see whether the resolvers work at all, or name others with --upstream"}
	if !f.Asked {
		next = append(next, "if the zone is private only its resolvers know it: notyet explain --ask "+words(f.Name)+" "+f.Type+" (they remember a denial)")
	}
	return verdict(Undecided, sentence, next...)
}

// someLame: it is there, but some servers of a zone don't serve it.
func someLame(f *Facts) *Verdict {
	for i := range f.Steps {
		s := &f.Steps[i]
		bad := append(s.which(isLame), s.which(silent)...)
		if len(bad) == 0 {
			continue
		}
		z := s.zone()
		return verdict(LameServers, fmt.Sprintf("%s is there, but %d of %d servers of %s %s not serve it: %s",
			f.question(), len(bad), len(s.Servers), words(z.Apex), be(bad, "does", "do"), s.faults()), s.mend(z))
	}
	return nil
}
