package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"notyet/admin"
	"notyet/config"
)

func watchAddCommand(r *remote) *cobra.Command {
	var lease admin.Lease
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Lease a name that is about to be created",
		Long: `add puts a name, with all below it, under watch for a while. Its flags are the keys that a watch
has in the configuration. Adding a name again renews its lease.

A key that is not given, but --for, is what it is in the watch that the name is under: in its lease when
that is renewed, or else in the longest watch, a lease or the configuration's. The defaults are those
of a name that is under none.`,
		Example: `  notyet watch add pr-7.preview.example.com
  notyet watch add pr-7.preview.example.com --for 1h --hold 4s`,
		Args: oneName(config.ParseWatchZone),
		RunE: func(cmd *cobra.Command, args []string) error {
			lease.Name, _ = config.ParseWatchZone(args[0]) // which Args has found good
			return ask(cmd, r, func(ctx context.Context, c *admin.Client) (admin.Watch, error) {
				return c.AddWatch(ctx, lease)
			}, added)
		},
	}
	leaseFlags(cmd.Flags(), &lease)
	return cmd
}

// leaseFlags adds a flag for each key. What is not given stays nil, and the server says what it is.
func leaseFlags(flags *pflag.FlagSet, lease *admin.Lease) {
	ttl := durationBy(config.ParseWatchTTL)
	last(flags, &lease.For, durationBy(config.ParseLeaseTime), "for", "`duration` of the lease, 1s to 24h (default 15m)")
	last(flags, &lease.Hold, durationBy(config.ParseHold), "hold", "longest `duration` that a client is kept waiting for a yes, at most 10s (default 0s)")
	last(flags, &lease.NegativeTTL, ttl, "negative-ttl", "longest `duration` of an NXDOMAIN (default 2s)")
	last(flags, &lease.NODATATTL, ttl, "nodata-ttl", "longest `duration` of a NODATA (default 30s)")
	last(flags, &lease.Verify, verifyWord, "verify", "`when` the zone's own servers are asked: before, after or off (default before)")
	last(flags, &lease.UpstreamAfter, durationBy(config.ParseUpstreamAfter), "upstream-after",
		"`duration` that a name is pending before the upstream is asked too; 0s is never (default 10s)")
	last(flags, &lease.Poll, durationBy(config.ParsePoll), "poll", "first `interval` of polling, 250ms to 1m; 0s is none (default 1s)")
	last(flags, &lease.GiveUp, durationBy(config.ParseGiveUp), "give-up", "longest `duration` that a pending name is polled (default 15m)")
	last(flags, &lease.QueriesPerSecond, config.ParseQueriesPerSecond, "queries-per-second",
		"most `queries` a second to the zone's own servers (default 50)")
	each(flags, &lease.Authorities, serverWord, "authorities", "`address` of one of the zone's own servers (repeatable; default: they are found)")
}

// durationBy makes what parse reads a value of the API.
func durationBy(parse func(string) (time.Duration, error)) func(string) (admin.Duration, error) {
	return func(text string) (admin.Duration, error) {
		d, err := parse(text)
		return admin.Duration(d), err
	}
}

func verifyWord(text string) (string, error) {
	v, err := config.ParseVerify(text)
	return string(v), err
}

func serverWord(text string) (string, error) {
	addr, err := config.ParseAuthority(text)
	return addr.String(), err
}

// added tells of a lease.
func added(w admin.Watch) string {
	text := withoutDot(w.Name) + " is under watch"
	if w.Until != nil {
		text += fmt.Sprintf(" for %s, until %s", readable(time.Until(*w.Until)), w.Until.Local().Format(time.TimeOnly))
	}
	if w.Degraded != "" {
		text += "\ndegraded: " + w.Degraded
	}
	return text + "\n"
}
