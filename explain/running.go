package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"notyet/config"
)

// Notyet is what the running notyet knows.
type Notyet struct {
	Watch    string   `json:"watch,omitempty"`    // that the name is under
	Verify   string   `json:"verify,omitempty"`   // of that watch: before, after or off
	Degraded string   `json:"degraded,omitempty"` // why the watch is
	Pending  bool     `json:"pending"`
	Known    bool     `json:"known"`
	Cached   []Cached `json:"cached"`
	// Listen is where it answers, and Upstreams are those that it forwards the name to.
	Listen    []string `json:"listen"`
	Upstreams []string `json:"upstreams"`
	// Zones are those under watch, and Authorities the servers that the name's watch is configured with.
	Zones       []string `json:"zones"`
	Authorities []string `json:"authorities"`
	Fault       string   `json:"fault,omitempty"` // why nothing is known: something is there, and does not say

	Here  bool   `json:"-"` // it runs on this machine
	Flags string `json:"-"` // that commands need to find it, such as --admin 127.0.0.1:8054; empty: none
}

// overrules reports whether what the upstreams deny is of no account, as the name's own servers are asked.
func (n *Notyet) overrules() bool {
	return n.Watch != "" && n.Degraded == "" && n.Verify != string(config.VerifyOff)
}

// is reports whether a resolver is the running notyet: it listens there.
func (n *Notyet) is(resolver string) bool {
	at, err := netip.ParseAddrPort(strings.TrimPrefix(resolver, "tcp://"))
	if n == nil || err != nil {
		return false
	}
	var c config.Config
	for _, text := range n.Listen {
		if l, err := netip.ParseAddrPort(text); err == nil {
			c.Listen = append(c.Listen, l)
		}
	}
	if n.Here {
		return c.Ours(at)
	}
	return !at.Addr().IsLoopback() && slices.Contains(c.Listen, at)
}

// command is one that talks to it.
func (n *Notyet) command(command, qname string) string {
	return strings.TrimSpace("notyet " + command + " " + words(qname) + " " + n.Flags)
}

// behind are the resolvers that the running notyet forwards the name to, and that would not be asked otherwise. Where it asks the
// name's own servers, what they have cached is of no account.
func (e *inquiry) behind(n *Notyet) (all []resolver) {
	if n == nil || n.overrules() {
		return nil
	}
	for _, text := range n.Upstreams {
		if slices.ContainsFunc(e.resolvers, func(r resolver) bool { return r.String() == text }) || n.is(text) {
			continue
		}
		if r, err := e.another(text); err == nil { // a later notyet may have upstreams of other kinds
			all = append(all, r)
		}
	}
	return all
}

// who is the resolver in a sentence.
func (v *View) who() string {
	switch {
	case v.Notyet:
		return "the running notyet"
	case v.Behind:
		return address(v.Address) + " (which the running notyet asks)"
	}
	return address(v.Address)
}

// views are what the resolvers have. The running notyet is the last one to blame: it says what those say that it asks.
func (f *Facts) views() (all []*View) {
	var last []*View
	for i := range f.Resolvers {
		if v := &f.Resolvers[i]; v.Notyet {
			last = append(last, v)
		} else {
			all = append(all, v)
		}
	}
	return append(all, last...)
}

// forget is how the running notyet, which denies the name, is made to forget that.
func (f *Facts) forget() []string {
	if f.Notyet == nil {
		return nil
	}
	next := []string{"make the running notyet forget it: " + f.Notyet.command("cache flush", f.Name)}
	if !f.Notyet.overrules() && !slices.ContainsFunc(f.Resolvers, func(v View) bool { return !v.Notyet }) {
		next = append(next, fmt.Sprintf("those that it asks may keep it too, for longer; see each: notyet explain --upstream ADDRESS %s %s",
			words(f.Name), f.Type))
	}
	return next
}

func (f *Facts) writeNotyet(p *page) {
	n := f.Notyet
	switch {
	case n == nil:
		at := ""
		if f.Admin != "" {
			at = "nobody listens at " + f.Admin
		}
		p.row("notyet", "not running", none, at)
		return
	case n.Fault != "":
		p.row("notyet", "unknown", none, n.Fault)
		return
	case n.Watch == "":
		p.row("notyet", "running", none, "the name is under no watch")
	case n.Degraded != "":
		p.row("notyet", "running", red, "the name is under the watch "+words(n.Watch)+", which is degraded: "+n.Degraded)
	case n.Pending:
		p.row("notyet", "running", none, "the name is under the watch "+words(n.Watch)+", and pending")
	default:
		p.row("notyet", "running", none, "the name is under the watch "+words(n.Watch))
	}
	for i := range n.Cached {
		p.row("notyet", "running", none, n.Cached[i].Type+": "+n.Cached[i].inWords(nil))
	}
}
