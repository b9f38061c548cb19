package main

import (
	"context"
	"encoding/json"
	"io"
	"net/netip"

	"github.com/spf13/cobra"

	"notyet/admin"
	"notyet/config"
	"notyet/demo"
)

func demoCommand() *cobra.Command {
	var fast, asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show on this machine what notyet is for",
		Long: `demo shows what becomes of a record that is asked for a moment before it is published:
at a plain resolver, and at notyet in front of it. It takes about 20 s and needs neither
network nor root: a zone with four name servers, the resolver and notyet run in this
process and listen on free ports of 127.0.0.1. The times are measured.`,
		Example: `  notyet demo
  notyet demo --fast --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			c := demo.Config{Fast: fast, Notyet: serveDemo, Out: out}
			if asJSON {
				c.Out = io.Discard
			} else if t, ok := terminalOf(out); ok {
				c.Size, c.Colour = t.size, coloured()
			}
			r, err := demo.Run(cmd.Context(), c)
			if err == nil && asJSON {
				err = writeDemo(out, r)
			}
			if err != nil {
				return orStopped(cmd, failure{err})
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&fast, "fast", false, "take about 3 s")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print nothing but the times, as JSON")
	return cmd
}

// serveDemo is the notyet of the demo: as serve, with the defaults.
func serveDemo(ctx context.Context, s demo.Setting, listening func(netip.AddrPort)) error {
	cfg := config.Default()
	cfg.Listen = []netip.AddrPort{netip.AddrPortFrom(s.Upstream.Addr(), 0)}
	cfg.Upstreams = []config.Upstream{{Addr: s.Upstream}}
	watch := config.DefaultWatch(s.Zone)
	watch.Authorities = s.Authorities
	cfg.Watch = []config.Watch{watch}
	cfg.Admin = ""
	load := func() (config.Config, error) { return cfg, nil }
	d, err := build(ctx, cfg, source{load: load}, io.Discard)
	if err != nil {
		return err
	}
	listening(d.server.Addrs()[0])
	return d.run(ctx)
}

// demoTimes is what the demo measured. All but the first two are counted from publishing.
type demoTimes struct {
	Name        string                    `json:"name"`
	NegativeTTL admin.Duration            `json:"negative_ttl"`
	Published   admin.Duration            `json:"published"` // from the first question on
	Servers     map[string]admin.Duration `json:"servers"`
	InSync      admin.Duration            `json:"insync"`
	Notyet      admin.Duration            `json:"notyet"`
	Plain       admin.Duration            `json:"plain"`
}

func writeDemo(w io.Writer, r demo.Result) error {
	times := demoTimes{
		Name: r.Name, NegativeTTL: rounded(r.NegativeTTL), Published: rounded(r.Published),
		Servers: make(map[string]admin.Duration),
		InSync:  rounded(r.InSync), Notyet: rounded(r.Notyet), Plain: rounded(r.Plain),
	}
	for _, s := range r.Servers {
		times.Servers[s.Name] = rounded(s.Has)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(times)
}
