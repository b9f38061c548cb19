package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"notyet/admin"
	"notyet/config"
	"notyet/explain"
	"notyet/resolver"
	"notyet/watch"
	"notyet/wire"
)

// api is the daemon as the admin API shows it. It uses nothing of it that a reload changes.
type api struct {
	*daemon
	config  config.Config // of the start
	started time.Time
}

func (a *api) Status() admin.Status {
	count, stats := a.watching.Count(), a.answers.Stats()
	status := admin.Status{
		Version: version(), Started: a.started.UTC(), Uptime: rounded(time.Since(a.started)),
		Watches: count.Watches, Leases: count.Leases, Pending: count.Pending, Rescued: count.Rescued,
		Cache: admin.CacheStats{
			Positive: admin.CacheBudget(stats.Positive), Negative: admin.CacheBudget(stats.Negative), Hits: stats.Hits, Misses: stats.Misses,
		},
		Listen: []string{}, Upstreams: []admin.Upstream{},
	}
	for _, addr := range a.server.Addrs() {
		status.Listen = append(status.Listen, addr.String())
	}
	for _, route := range a.resolver.Routes() {
		status.Upstreams = append(status.Upstreams, upstreamsOf(route)...)
	}
	return status
}

func upstreamsOf(route resolver.Route) []admin.Upstream {
	all := []admin.Upstream{}
	for _, up := range route.Upstreams {
		all = append(all, admin.Upstream{Zone: wire.String(route.Zone), Address: up.String(), Up: !up.Health().Down()})
	}
	return all
}

func (a *api) Watches() []admin.Watch {
	var all []admin.Watch
	for _, w := range a.watching.List() {
		all = append(all, watchOf(w))
	}
	return all
}

func (a *api) AddWatch(lease []byte) (admin.Watch, error) {
	l, err := a.config.ParseLease(lease)
	if err != nil {
		return admin.Watch{}, admin.Refusal{Status: http.StatusUnprocessableEntity, Detail: strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(lease, &given); err != nil { // ParseLease takes none such
		return admin.Watch{}, err
	}
	own := options(l.Watch)
	over := func(watched *watch.Options) watch.Options { return leased(own, given, watched) }
	switch added, err := a.watching.Lease(l.Zone, over, time.Now().Add(l.For)); {
	case errors.Is(err, watch.ErrTooManyLeases):
		return admin.Watch{}, admin.Refusal{Status: http.StatusInsufficientStorage,
			Detail: err.Error() + ": end one with DELETE /api/v1/watches/NAME, or wait until one ends"}
	case err != nil:
		return admin.Watch{}, admin.Refusal{Status: http.StatusServiceUnavailable, Detail: err.Error()}
	default:
		return watchOf(added), nil
	}
}

// optionKeys are those of a lease, and what each of them says.
var optionKeys = map[string]func(to, from *watch.Options){
	"negative_ttl":       func(to, from *watch.Options) { to.NegativeTTL = from.NegativeTTL },
	"nodata_ttl":         func(to, from *watch.Options) { to.NODATATTL = from.NODATATTL },
	"verify":             func(to, from *watch.Options) { to.Verify = from.Verify },
	"upstream_after":     func(to, from *watch.Options) { to.UpstreamAfter = from.UpstreamAfter },
	"hold":               func(to, from *watch.Options) { to.Hold = from.Hold },
	"poll":               func(to, from *watch.Options) { to.Poll = from.Poll },
	"give_up":            func(to, from *watch.Options) { to.GiveUp = from.GiveUp },
	"queries_per_second": func(to, from *watch.Options) { to.QueriesPerSecond = from.QueriesPerSecond },
	"authorities":        func(to, from *watch.Options) { to.Authorities = from.Authorities },
}

// leased are the options of a lease that says what own does: of the keys that are not given those of the watch that its name is
// under, nil when there is none.
func leased(own watch.Options, given map[string]json.RawMessage, watched *watch.Options) watch.Options {
	if watched == nil {
		return own
	}
	for key, copyOption := range optionKeys {
		if _, is := given[key]; !is {
			copyOption(&own, watched)
		}
	}
	return own
}

func (a *api) RemoveWatch(name string) error {
	zone, err := parseName(name)
	if err != nil {
		return err
	}
	if a.watching.EndLease(name) {
		return nil
	}
	if w, ok := a.watching.Covering(zone); ok && w.Name == wire.String(zone) {
		return admin.Refusal{Status: http.StatusConflict,
			Detail: fmt.Sprintf("watch %q is of the configuration: take it out there", w.Name)}
	}
	return admin.Refusal{Status: http.StatusNotFound,
		Detail: fmt.Sprintf("watch %q: there is none of that name; GET /api/v1/watches lists them", name)}
}

func (a *api) Pending() []admin.Pending {
	var all []admin.Pending
	for _, p := range a.watching.Pending() {
		all = append(all, pendingOf(p))
	}
	return all
}

func (a *api) Explain(qname, qtype string) (admin.Explanation, error) {
	name, err := parseName(qname)
	if err != nil {
		return admin.Explanation{}, err
	}
	t, err := parseType(qtype)
	if err != nil {
		return admin.Explanation{}, err
	}
	e := admin.Explanation{
		Name: wire.String(name), Type: dns.Type(t).String(), Known: a.watching.Knows(name, t),
		Cached: a.cached(name, t), Upstreams: upstreamsOf(a.resolver.RouteOf(name)),
	}
	if w, ok := a.watching.Covering(name); ok {
		covering := watchOf(w)
		e.Watch = &covering
	}
	if p, ok := a.watching.PendingFor(name, t); ok {
		pending := pendingOf(p)
		e.Pending = &pending
	}
	return e, nil
}

// parseName reads a name as a zone file has it, with escapes, into wire format in lower case.
func parseName(s string) ([]byte, error) {
	name, err := wire.Name(s)
	if err != nil || s == "" {
		return nil, admin.Refusal{Status: http.StatusBadRequest,
			Detail: fmt.Sprintf("name %q: write a name such as www.example.com", s)}
	}
	return name, nil
}

// parseType reads the type of a record; without one it is A.
func parseType(s string) (uint16, error) {
	if s == "" {
		return dns.TypeA, nil
	}
	t, err := explain.ParseType(s)
	if err != nil {
		return 0, admin.Refusal{Status: http.StatusBadRequest, Detail: fmt.Sprintf("type %q: %v", s, err)}
	}
	return t, nil
}

var verifyWords = map[watch.Verify]config.Verify{
	watch.Before: config.VerifyBefore, watch.After: config.VerifyAfter, watch.Off: config.VerifyOff,
}

func watchOf(w watch.Info) admin.Watch {
	shown := admin.Watch{
		Name: w.Name, Lease: !w.Until.IsZero(), Pending: w.Pending, Degraded: w.Degraded,
		NegativeTTL: admin.Duration(w.NegativeTTL), NODATATTL: admin.Duration(w.NODATATTL), Verify: string(verifyWords[w.Verify]),
		UpstreamAfter: admin.Duration(w.UpstreamAfter), Hold: admin.Duration(w.Hold), Poll: admin.Duration(w.Poll),
		GiveUp: admin.Duration(w.GiveUp), QueriesPerSecond: w.QueriesPerSecond, Authorities: []string{},
		Until: moment(w.Until),
	}
	for _, addr := range w.Authorities {
		shown.Authorities = append(shown.Authorities, addr.String())
	}
	return shown
}

func pendingOf(p watch.Waiting) admin.Pending {
	return admin.Pending{
		Name: p.Name, Type: dns.Type(p.Type).String(), Watch: p.Watch, Since: p.Since.UTC(), Asked: p.Asked.UTC(), Next: moment(p.Next),
		Have: append([]string{}, p.Have...), Lack: append([]string{}, p.Lack...), Silent: append([]string{}, p.Silent...),
	}
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// rounded is a duration as people are told it.
func rounded(d time.Duration) admin.Duration { return admin.Duration(d.Round(time.Millisecond)) }

// publish hands what happens under watch to the clients of the admin API, until the subscription is closed.
func publish(sub *watch.Subscription, to *admin.Server) {
	for e := range sub.C {
		to.Publish(eventOf(e))
	}
}

func eventOf(e watch.Event) admin.Event {
	shown := admin.Event{
		Time: e.Time.UTC(), Kind: strings.ReplaceAll(string(e.Kind), " ", "-"), Watch: e.Watch, Name: e.Name,
		How: e.How, Why: e.Why, Lost: e.Lost,
	}
	if e.Type != 0 {
		shown.Type = dns.Type(e.Type).String()
	}
	if slices.Contains([]watch.Kind{watch.Visible, watch.Rescued, watch.GaveUp}, e.Kind) {
		took := rounded(e.Took)
		shown.Took = &took
	}
	if e.Kind == watch.Rescued {
		avoided := rounded(e.Avoided)
		shown.Avoided = &avoided
	}
	return shown
}
