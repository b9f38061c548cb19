package watch

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"notyet/authority"
	"notyet/wire"
)

// servers are those of a zone: all that a watch has been given, or those that are found.
type servers struct {
	zone  string // its apex, or the watch's that they are given for, in wire format
	given string // as text; empty: they are found
}

func serversOf(zone []byte, given []netip.AddrPort) servers {
	if len(given) == 0 {
		return servers{zone: string(zone)}
	}
	return servers{string(zone), fmt.Sprint(given)}
}

// Changed takes note that the servers of a zone can't be asked, and why, or with nil that they can be again. Names that the
// watches have there resolve as without them until then, but for the lifetimes.
func (s *Set) Changed(c authority.Change) {
	name, err := wire.Name(c.Zone)
	if err != nil {
		return
	}
	at := serversOf(name, c.Servers)
	s.mu.Lock()
	_, was := s.degraded[at]
	if c.Why != nil {
		s.degraded[at] = c.Why
	} else {
		delete(s.degraded, at)
	}
	s.mu.Unlock()
	if was == (c.Why != nil) {
		return
	}
	for _, w := range *s.byZone.Load() {
		if s.asks(w, at) {
			s.tellChanged(w, c.Zone, c.Why)
		}
	}
}

// asks reports whether a watch has names whose servers are these: those it was given, and else those of its own zone and all
// above, and of a zone below it in which no longer watch has all the names.
func (s *Set) asks(w *Watch, at servers) bool {
	options := w.options()
	zone := []byte(at.zone)
	switch {
	case options.Verify == Off:
		return false
	case at.given != "" || len(options.Authorities) > 0:
		return at.zone == string(w.zone) && at == serversOf(w.zone, options.Authorities)
	}
	return wire.IsSubdomain(w.zone, zone) || s.Find(zone) == w
}

// degradedLocked says of each of the watches that asks servers which can't be asked which these are, and why, by zone.
func (s *Set) degradedLocked(watches ...*Watch) map[*Watch][]string {
	why := make(map[*Watch][]string)
	if len(s.degraded) == 0 {
		return why
	}
	below := make(map[*Watch][]servers) // those of zones below a watch
	for at := range s.degraded {
		if w := s.Find([]byte(at.zone)); w != nil && at.zone != string(w.zone) {
			below[w] = append(below[w], at)
		}
	}
	for _, w := range watches {
		all := append(below[w], serversOf(w.zone, w.options().Authorities))
		for n := wire.Parent(w.zone); n != nil; n = wire.Parent(n) {
			all = append(all, servers{zone: string(n)})
		}
		for _, at := range all {
			if err := s.degraded[at]; err != nil && s.asks(w, at) {
				why[w] = append(why[w], wire.String([]byte(at.zone))+": "+err.Error())
			}
		}
		slices.Sort(why[w])
	}
	return why
}

func (s *Set) tellChanged(w *Watch, zone string, why error) {
	event := Event{Time: time.Now(), Kind: Recovered, Watch: w.name, Name: zone}
	if why == nil {
		s.events.send(event)
		s.config.Log.Info("watch recovered: the servers of the zone can be asked", "zone", zone, "watch", w.name)
		return
	}
	remedy := "let this machine reach port 53 of the zone's servers, or name reachable ones in the watch's authorities"
	if errors.Is(why, authority.ErrDiffers) {
		remedy = "name the servers that the upstream asks in the watch's authorities, or set verify: after"
	}
	event.Kind, event.Why = WentDegraded, why.Error()
	s.events.send(event)
	s.config.Log.Warn("watch degraded: the servers of the zone can't be asked, so its names go to the upstream, which keeps its denials",
		"zone", zone, "watch", w.name, "err", why, "remedy", remedy)
}

// privateView is why a watch is degraded whose authorities are not the ones that the upstream asks.
const privateView = "private view: the upstream has a name that the zone's own servers have not"

// becamePrivate takes note that the upstream had a name that the authorities have not.
func (s *Set) becamePrivate(w *Watch, qname string) {
	now := time.Now()
	w.mu.Lock()
	was := now.Before(w.private)
	w.private = now.Add(privateFor)
	w.mu.Unlock()
	if was {
		return
	}
	s.events.send(Event{Time: now, Kind: WentDegraded, Watch: w.name, Name: qname, Why: privateView})
	s.config.Log.Warn("watch degraded: "+privateView, "qname", qname, "watch", w.name,
		"remedy", "name the private zone's servers in the watch's authorities, or set verify: after")
}
