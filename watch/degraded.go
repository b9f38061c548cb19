package watch

import (
	"errors"
	"time"

	"notyet/authority"
	"notyet/wire"
)

// Changed takes note that the servers of a zone can't be asked, and why, or with nil that they can be again. Names under the
// watches that it concerns resolve as without them until then, but for the lifetimes.
func (s *Set) Changed(zone string, why error) {
	name, err := wire.Name(zone)
	if err != nil {
		return
	}
	for _, w := range *s.byZone.Load() {
		if !wire.IsSubdomain(w.zone, name) && !wire.IsSubdomain(name, w.zone) {
			continue
		}
		w.mu.Lock()
		_, was := w.degraded[zone]
		if why != nil {
			w.degraded[zone] = why
		} else {
			delete(w.degraded, zone)
		}
		w.mu.Unlock()
		if was != (why != nil) {
			s.tellChanged(w, zone, why)
		}
	}
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

// isDegraded reports whether the upstream comes first for some of the watch's names.
func (w *Watch) isDegraded(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.degraded) > 0 || now.Before(w.private)
}
