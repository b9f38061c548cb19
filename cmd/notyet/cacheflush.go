package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"notyet/admin"
	"notyet/config"
)

func cacheFlushCommand(r *remote) *cobra.Command {
	var zone *string
	var what admin.Flush
	cmd := &cobra.Command{
		Use:   "flush NAME | --zone ZONE",
		Short: "Make the cache forget a name or a zone",
		Long: `flush drops the answers that are cached for a name, of every type, or those for a zone and all below
it. With --negative it drops only those that say no, and failures.`,
		Example: `  notyet cache flush www.example.com
  notyet cache flush --zone example.com --negative
  notyet cache flush --zone .`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case zone == nil && len(args) == 0:
				return errors.New("flush takes a NAME, such as www.example.com, or --zone ZONE for all below it")
			case zone != nil && len(args) > 0:
				return fmt.Errorf("flush takes a NAME or --zone: leave out %q or --zone", args[0])
			case zone == nil:
				return oneName(cachedName)(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if zone != nil {
				what.Zone = *zone
			} else {
				what.Name, _ = cachedName(args[0]) // which Args has found good
			}
			return ask(cmd, r, func(ctx context.Context, c *admin.Client) (admin.Flushed, error) {
				return c.Flush(ctx, what)
			}, func(answer admin.Flushed) string { return flushed(what, answer.Dropped) })
		},
	}
	last(cmd.Flags(), &zone, cachedName, "zone", "`zone` to forget, with all below it; . is all")
	cmd.Flags().BoolVar(&what.Negative, "negative", false, "only the answers that say no, and failures")
	complete(cmd, "zone", r.watched(func(admin.Watch) bool { return true }))
	return cmd
}

// cachedName reads a name that answers may be cached for. That may be the root too.
func cachedName(text string) (string, error) {
	if text == "." {
		return text, nil
	}
	return config.ParseName(text)
}

// flushed tells how many answers are gone.
func flushed(what admin.Flush, dropped int) string {
	one, where := "answer", " for "+withoutDot(what.Name)
	if what.Zone != "" {
		where = " for " + withoutDot(what.Zone) + " and below"
	}
	if what.Zone == "." {
		where = ""
	}
	if what.Negative {
		one = "negative answer"
	}
	if dropped == 0 {
		return "no " + one + " was cached" + where + "\n"
	}
	return "dropped " + several(dropped, one) + where + "\n"
}
