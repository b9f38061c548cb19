package watch

import (
	"time"

	"github.com/miekg/dns"
)

// tellVisible records that a name which was pending can be had.
func (s *Set) tellVisible(p *pending, f finding, how string, now time.Time) {
	w := p.watch
	switch {
	case f.private:
		how = "private"
	case !f.own:
		how = "upstream"
	}
	took := now.Sub(p.first)
	w.meter.visible.Observe(took.Seconds())
	event := Event{Time: now, Kind: Visible, Watch: w.name, Name: p.qname, Type: p.key.Type, How: how, Took: took}
	s.events.send(event)
	event.Avoided = p.plain.Sub(now)
	if event.Avoided <= 0 || f.private { // a plain cache would have asked the upstream, which had it
		return
	}
	w.meter.rescue(how)
	s.mu.Lock()
	s.rescued++
	s.mu.Unlock()
	event.Kind = Rescued
	s.events.send(event)
	s.config.Log.Info("rescued",
		"qname", p.qname, "qtype", dns.Type(p.key.Type).String(), "zone", w.name, "how", how,
		"took", took.Round(time.Millisecond).String(), "avoided", event.Avoided.Round(time.Millisecond).String())
}
