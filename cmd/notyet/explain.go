package main

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"notyet/admin"
	"notyet/config"
	"notyet/explain"
)

// notyetTime is how long the running notyet may take for all that it is asked, which it has at hand.
const notyetTime = 2 * time.Second

// explaining is what the flags of explain say.
type explaining struct {
	remote    remote
	upstreams []config.Upstream // none: the system's
	servers   []netip.AddrPort
	ask       bool
}

func explainCommand() *cobra.Command {
	var e explaining
	cmd := &cobra.Command{
		Use:   "explain NAME [TYPE]",
		Short: "Say why a name does not resolve, who says so, and until when",
		Long: `explain asks the name servers of a name's zone what they have, the resolvers of this
machine what they have cached, and the notyet that is running what it knows. It prints all
of that, what it comes to, and what to do. TYPE is A unless you say so.

Explaining spoils no cache: unless --ask is given the resolvers are asked about the name
without recursion only, as are they about the names between it and its registered domain.
A resolver that does not answer such a question from its cache is "unknown".

The exit code is 0 when the name resolves wherever it was asked for, and 1 when it does not.
A signal ends it with 128 and its number: 130 for Ctrl-C.`,
		Example: `  notyet explain www.example.com
  notyet explain _acme-challenge.example.com TXT
  notyet explain --upstream 10.0.0.2 --json www.example.com`,
		Args: func(cmd *cobra.Command, args []string) error {
			_, _, err := nameAndType(cmd, args)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := e.remote.client()
			if err != nil {
				return err
			}
			q := explain.Question{Ask: e.ask, Given: e.servers}
			q.Admin, _, _ = e.remote.where()           // it is good, as there is a client
			q.Name, q.Type, _ = nameAndType(cmd, args) // which Args has found good
			q.Notyet = func(ctx context.Context) *explain.Notyet { return e.running(ctx, client, q) }
			return orStopped(cmd, e.run(cmd, q))
		},
	}
	cmd.ValidArgsFunction = offerTypes
	flags := cmd.Flags()
	each(flags, &e.upstreams, config.ParseUpstream, "upstream", "`server` to take for the resolver, or system for those of resolv.conf (repeatable)")
	each(flags, &e.servers, config.ParseAuthority, "server", "`address` of a name server that should have the name, delegated or not (repeatable)")
	flags.BoolVar(&e.ask, "ask", false, "let the resolvers resolve the name, too: they remember if it is missing")
	e.remote.register(flags)
	jsonFlag(flags, &e.remote.json)
	return cmd
}

func (e *explaining) run(cmd *cobra.Command, q explain.Question) error {
	resolvers := e.upstreams
	if len(resolvers) == 0 {
		resolvers = []config.Upstream{{System: true}}
	}
	world, err := explain.Open(explain.Config{Resolvers: resolvers, ResolvConf: resolvConf})
	if err != nil {
		return failure{fileless(err)}
	}
	defer world.Close()
	facts := world.Explain(cmd.Context(), q)
	if err := cmd.Context().Err(); err != nil {
		return failure{errors.New("interrupted")}
	}
	if e.remote.json {
		err = showJSON(cmd, facts)
	} else {
		_, isTerminal := terminalOf(cmd.OutOrStdout())
		err = facts.Write(cmd.OutOrStdout(), isTerminal && coloured())
	}
	switch {
	case err != nil:
		return failure{err}
	case facts.Verdict.Code != explain.Fine:
		return notSo{errors.New(facts.Verdict.Sentence)}
	}
	return nil
}

// running asks the running notyet what it knows; nil: none is running.
func (e *explaining) running(ctx context.Context, client *admin.Client, q explain.Question) *explain.Notyet {
	ctx, cancel := context.WithTimeout(ctx, notyetTime)
	defer cancel()
	n := &explain.Notyet{
		Cached: []explain.Cached{}, Zones: []string{}, Authorities: []string{}, Listen: []string{}, Upstreams: []string{},
		Here: e.remote.isHere(), Flags: e.remote.flags(),
	}
	got, err := client.Explain(ctx, q.Name, dns.Type(q.Type).String())
	switch {
	case errors.Is(err, admin.ErrNoServer):
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		n.Fault = q.Admin + ": no answer within " + notyetTime.String()
		return n
	case err != nil:
		n.Fault = strings.ReplaceAll(e.remote.failed(err).Error(), "\n", ": ")
		return n
	}
	n.Known, n.Pending = got.Known, got.Pending != nil
	for _, up := range got.Upstreams {
		n.Upstreams = append(n.Upstreams, up.Address)
	}
	if status, err := client.Status(ctx); err == nil { // without it no resolver is known to be this one
		n.Listen = append(n.Listen, status.Listen...)
	}
	if got.Watch != nil {
		n.Watch, n.Degraded, n.Verify = got.Watch.Name, got.Watch.Degraded, got.Watch.Verify
		n.Authorities = append(n.Authorities, got.Watch.Authorities...)
	}
	for _, entry := range got.Cached {
		n.Cached = append(n.Cached, cached(entry))
	}
	if watches, err := client.Watches(ctx); err == nil { // they are for suggestions alone
		for _, w := range watches.Watches {
			n.Zones = append(n.Zones, w.Name)
		}
	}
	return n
}

// cached is an entry of the running notyet's cache as what a resolver has.
func cached(entry admin.CacheEntry) explain.Cached {
	c := explain.Cached{State: explain.Unknown, Type: entry.Type}
	switch {
	case entry.Stale:
		c.Why = "it has an answer past its TTL, which may stand in"
	case entry.Kind == "failure":
		c.Why = "it keeps a failure, " + entry.Rcode
	default:
		c.State = entry.Kind // the API calls them the same
		left := uint32(max(0, time.Duration(entry.Left)) / time.Second)
		c.Left = &left
	}
	if entry.Kind == explain.Positive {
		c.Records = entry.Records
	}
	return c
}
