package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"notyet/authority"
	"notyet/cache"
	"notyet/config"
	"notyet/resolver"
	"notyet/watch"
	"notyet/wire"
)

var verifies = map[config.Verify]watch.Verify{
	config.VerifyBefore: watch.Before, config.VerifyAfter: watch.After, config.VerifyOff: watch.Off,
}

// watches makes the names under watch, and what finds and asks their name servers.
func (d *daemon) watches(cfg config.Config, answers *cache.Cache) (err error) {
	d.finder = authority.New(authority.Config{
		Exchange: d.servers.Exchange,
		Lookup: func(ctx context.Context, qname string, qtype uint16) (*dns.Msg, netip.Addr, error) {
			return lookup(ctx, d.resolver, answers, qname, qtype)
		},
		Ours:    cfg.Ours,
		Changed: func(c authority.Change) { d.watching.Changed(c) },
	})
	d.watching, err = watch.New(watch.Config{
		Watches: zones(cfg), Cache: answers, Ask: d.finder.Ask, Notify: notify(cfg), LeasesChanged: func() { d.state.changed() }, Log: d.log,
		Forward: func(k cache.Key, done func(*wire.Reply, []byte)) {
			d.resolver.Forward(k, true, func(o resolver.Outcome) { done(o.Reply, o.EDE) })
		},
	})
	return err
}

// zones are the watches of the configuration.
func zones(cfg config.Config) (all []watch.Zone) {
	for _, w := range cfg.Watch {
		all = append(all, watch.Zone{Name: w.Zone, Options: options(w)})
	}
	return all
}

// options are those of a watch, but for its name.
func options(w config.Watch) watch.Options {
	return watch.Options{
		NegativeTTL: w.NegativeTTL, NODATATTL: w.NODATATTL, Verify: verifies[w.Verify],
		UpstreamAfter: w.UpstreamAfter, Hold: w.Hold, Poll: w.Poll, GiveUp: w.GiveUp,
		QueriesPerSecond: w.QueriesPerSecond, Authorities: slices.Clone(w.Authorities),
	}
}

// notify is who may notify by the configuration.
func notify(cfg config.Config) watch.Notify {
	n := watch.Notify{Allow: prefixes(cfg.Notify.Allow)}
	for _, k := range cfg.Notify.Keys {
		n.Keys = append(n.Keys, watch.Key{Name: k.Name, Algorithm: k.Algorithm, Secret: k.Secret})
	}
	return n
}

// found is what a look-up brought.
type found struct {
	reply *dns.Msg
	from  netip.Addr
	err   error
}

// lookup asks the upstreams past the cache and waits.
func lookup(ctx context.Context, r *resolver.Resolver, answers *cache.Cache, qname string, qtype uint16) (*dns.Msg, netip.Addr, error) {
	name, err := wire.Name(qname)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	done := make(chan found, 1)
	r.Forward(answers.Key(nil, name, qtype, false, false), true, func(o resolver.Outcome) { done <- unpack(o) })
	select {
	case f := <-done:
		return f.reply, f.from, f.err
	case <-ctx.Done():
		return nil, netip.Addr{}, ctx.Err()
	}
}

// unpack gives the reply of an outcome, or why there is none.
func unpack(o resolver.Outcome) found {
	f := found{from: o.From.Addr().Addr()}
	if o.Reply == nil {
		f.err = fmt.Errorf("%s has no answer", o.From)
		return f
	}
	f.reply, f.err = o.Reply.Msg()
	return f
}
