package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"notyet/admin"
	"notyet/config"
	"notyet/explain"
	"notyet/explain/wait"
)

// waitTime is how long a record is waited for unless a flag says otherwise.
const waitTime = 5 * time.Minute

// waitFlags are those of wait, and its arguments.
type waitFlags struct {
	qname     string
	qtype     uint16
	resolvers []config.Upstream // none: the system's
	servers   []netip.AddrPort
	expect    []string
	gone, any bool
	timeout   *time.Duration // nil: waitTime
	lease     bool
	json      bool
	remote    remote
}

func waitCommand() *cobra.Command {
	var f waitFlags
	cmd := &cobra.Command{
		Use:   "wait NAME [TYPE]",
		Short: "Wait until every name server of a name has its record",
		Long: `wait waits until all name servers of the zone that NAME lives in have a record of TYPE, which is A
unless another one is named. It finds them by itself, starting at the system's resolvers, and asks them
and nobody else about NAME: no cache is taught that the name does not exist. No notyet has to run.

An alias is followed: its target is waited for at the name servers of its own zone. A name server that is
silent or of no use is waited for like the others. For a name that exists already, be it by a wildcard,
say with --expect what is waited for.

It exits with 1 when the time is up, and tells what is missing where. A signal ends it with 128 and its number:
130 for Ctrl-C.`,
		Example: `  notyet wait pr-7.preview.example.com
  notyet wait _acme-challenge.example.com TXT --expect 3ZCBzXo1 --timeout 10m
  notyet wait www.example.com --expect 192.0.2.7 --expect 192.0.2.8
  notyet wait old.example.com --gone
  notyet wait pr-7.preview.example.com --server 192.0.2.53 --any`,
		Args: f.parse,
		RunE: func(cmd *cobra.Command, _ []string) error { return orStopped(cmd, f.run(cmd)) },
	}
	f.register(cmd.Flags())
	cmd.ValidArgsFunction = offerTypes
	return cmd
}

// offerTypes completes a name with the types that people look for.
func offerTypes(cmd *cobra.Command, args []string, start string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return words("A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NS", "PTR", "SRV", "TXT")(cmd, args, start)
}

func (f *waitFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.expect, "expect", nil, "`value` that has to be there, as a zone file has it (repeatable: all of them; others may be there too)")
	flags.BoolVar(&f.gone, "gone", false, "wait until the name servers deny that there is such a record")
	flags.BoolVar(&f.any, "any", false, "wait for the first name server instead of all")
	last(flags, &f.timeout, config.ParseLeaseTime, "timeout", "`duration` to wait, 1s to 24h (default 5m)")
	each(flags, &f.servers, config.ParseAuthority, "server",
		"`address` of a name server to ask, and nobody else; aliases are not followed out of its zone (repeatable)")
	each(flags, &f.resolvers, config.ParseUpstream, "upstream",
		"`resolver` to start at instead of the system's, in any of the forms of the configuration (repeatable)")
	flags.BoolVar(&f.lease, "lease", false, "also put the name under watch at a running notyet, for as long at least")
	f.remote.register(flags)
	jsonFlag(flags, &f.json)
}

// parse checks what was written against each other: what comes of it is in f.
func (f *waitFlags) parse(cmd *cobra.Command, args []string) (err error) {
	if f.qname, f.qtype, err = nameAndType(cmd, args); err != nil {
		return err
	}
	switch {
	case f.gone && len(f.expect) > 0:
		return errors.New("--gone waits for a denial: leave --expect out")
	case len(f.servers) > 0 && len(f.resolvers) > 0:
		return errors.New("with --server nobody else is asked: leave --upstream out")
	case !f.lease && (f.remote.address != nil || f.remote.tokenFile != nil):
		return errors.New("--admin and --admin-token-file are for --lease: add it, or leave them out")
	}
	slices.SortFunc(f.servers, netip.AddrPort.Compare)
	f.servers = slices.Compact(f.servers)
	_, err = f.values()
	return err
}

func (f *waitFlags) values() (all []wait.Value, err error) {
	for _, text := range f.expect {
		v, err := wait.ParseValue(text, f.qtype)
		if err != nil {
			return nil, fmt.Errorf("--expect %q: %w", text, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// what is what is waited for, as people write it.
func (f *waitFlags) what() string { return withoutDot(f.qname) + " " + dns.Type(f.qtype).String() }

func (f *waitFlags) run(cmd *cobra.Command) error {
	limit := waitTime
	override(&limit, f.timeout)
	world, err := explain.Open(f.world())
	if err != nil {
		return failure{fileless(err)}
	}
	defer world.Close()
	if f.lease {
		if err := f.takeLease(cmd.Context(), limit); err != nil {
			return err
		}
	}
	values, _ := f.values() // parse has found them good
	c := wait.Config{
		Name: f.qname, Type: f.qtype, Expect: values, Gone: f.gone, Any: f.any, Servers: f.servers,
		Ask: world.Finder.Ask, Request: world.Request, Why: world.Why,
	}
	progress := f.progress(cmd.OutOrStdout())
	if progress != nil {
		outliveReaders() // the wait still has its exit code
		c.Progress = progress.show
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), limit)
	defer cancel()
	stopClock := progress.run()
	report, err := wait.Run(ctx, c)
	stopClock()
	switch {
	case f.json:
		if err := showJSON(cmd, report); err != nil {
			return err
		}
	case err == nil:
		if err := show(cmd, f.done(report)+"\n"); err != nil {
			return err
		}
	}
	if err != nil {
		return f.failed(report, err, limit, world.Kept())
	}
	return nil
}

// world says where to begin. With servers given, nowhere.
func (f *waitFlags) world() explain.Config {
	c := explain.Config{Resolvers: f.resolvers, ResolvConf: resolvConf}
	if len(f.servers) == 0 && len(f.resolvers) == 0 {
		c.Resolvers = []config.Upstream{{System: true}}
	}
	return c
}

// takeLease puts the name under watch at a running notyet, unless it is for as long already: the lease may be somebody else's,
// with keys of its own, and the wait is to add to it, never to take away.
func (f *waitFlags) takeLease(ctx context.Context, limit time.Duration) error {
	client, err := f.remote.client()
	if err != nil {
		return err
	}
	there, err := client.Watches(ctx)
	if err != nil {
		return f.remote.failed(err)
	}
	end := time.Now().Add(limit)
	if slices.ContainsFunc(there.Watches, func(w admin.Watch) bool { return w.Name == f.qname && lasts(w, end) }) {
		return nil
	}
	lease := admin.Lease{Name: f.qname, For: new(admin.Duration(limit))}
	if _, err := client.AddWatch(ctx, lease); err != nil {
		return f.remote.failed(err)
	}
	return nil
}

// lasts reports whether a watch is there until a moment. Those of the configuration do not end.
func lasts(w admin.Watch, end time.Time) bool { return w.Until == nil || !w.Until.Before(end) }

// done says that the wait is over.
func (f *waitFlags) done(r *wait.Report) string {
	is := "is there"
	if f.gone {
		is = "is gone"
	}
	return fmt.Sprintf("%s %s after %s", f.what(), is, seconds(r.Took))
}

// failed says why the wait has ended without what was waited for, and what is missing where.
func (f *waitFlags) failed(r *wait.Report, err error, limit time.Duration, kept []string) error {
	var wildcard wait.Wildcard
	var strangers wait.NotServers
	switch {
	case errors.As(err, &strangers):
		return failure{fmt.Errorf("%w\nleave --server out: wait finds the zone's name servers by itself; or name those with it", err)}
	case errors.As(err, &wildcard) && f.gone:
		return failure{fmt.Errorf("%w\nwait for that instead, with --expect %q", err, wildcard.Says[len(wildcard.Says)-1])}
	case errors.As(err, &wildcard):
		return failure{fmt.Errorf("%w\nsay with --expect which value is waited for", err)}
	case errors.Is(err, wait.ErrMissing):
		err = fmt.Errorf("%s: %w after %s", f.what(), err, admin.Duration(limit))
	default:
		err = fmt.Errorf("%s: interrupted after %s", f.what(), seconds(r.Took))
	}
	for _, line := range r.Missing() {
		err = fmt.Errorf("%w\n%s", err, line)
	}
	for _, name := range kept {
		err = fmt.Errorf("%w\n%s is a name server's, and not looked up while it is waited for", err, withoutDot(name))
	}
	if f.lost(r) {
		err = fmt.Errorf("%w\nname the zone's own servers with --server, or another resolver with --upstream", err)
	}
	return failure{err}
}

// lost reports whether the servers of a name could not be found or asked, and others could be named.
func (f *waitFlags) lost(r *wait.Report) bool {
	return len(f.servers) == 0 && (len(r.Names) == 0 || slices.ContainsFunc(r.Names, func(n wait.Name) bool { return n.Fault != "" }))
}
