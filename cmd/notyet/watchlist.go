package main

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"notyet/admin"
)

func watchListCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what is under watch, and what is pending",
		Long: `list shows the watches of the configuration and the leases. Below them it shows the names that were
asked for and that not all of their zone's own servers have yet.`,
		Example: `  notyet watch list
  notyet watch list --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd, r, func(ctx context.Context, c *admin.Client) (all underWatch, err error) {
				if all.Watches, err = c.Watches(ctx); err == nil {
					all.PendingNames, err = c.Pending(ctx)
				}
				return all, err
			}, func(all underWatch) string {
				now := time.Now()
				return watchTable(now, all.Watches.Watches) + pendingTable(now, all.Pending)
			})
		},
	}
}

// underWatch is what list prints, as one document.
type underWatch struct {
	admin.Watches
	admin.PendingNames
}

func watchTable(now time.Time, watches []admin.Watch) string {
	if len(watches) == 0 {
		return "nothing is under watch: lease a name with \"notyet watch add NAME\", or add a zone to watch in the configuration\n"
	}
	rows := [][]string{{"NAME", "ENDS", "HOLD", "PENDING", "STATE"}}
	for _, w := range watches {
		ends, state := "never", "good"
		if w.Until != nil {
			ends = "in " + readable(w.Until.Sub(now))
		}
		if w.Degraded != "" {
			state = "degraded: " + w.Degraded
		}
		rows = append(rows, []string{withoutDot(w.Name), ends, w.Hold.String(), strconv.Itoa(w.Pending), state})
	}
	return table(rows)
}

// pendingTable is empty when nothing is.
func pendingTable(now time.Time, pending []admin.Pending) string {
	if len(pending) == 0 {
		return ""
	}
	rows := [][]string{{"PENDING", "TYPE", "SINCE", "NEXT", "HAVE IT", "LACK IT", "SILENT"}}
	for _, p := range pending {
		next := "when asked"
		if p.Next != nil {
			next = "in " + readable(p.Next.Sub(now))
		}
		rows = append(rows, []string{
			withoutDot(p.Name), p.Type, readable(now.Sub(p.Since)) + " ago", next, all(p.Have), all(p.Lack), all(p.Silent),
		})
	}
	return "\n" + table(rows)
}

// all are words in one cell, which is never empty.
func all(words []string) string { return cmp.Or(strings.Join(words, ", "), "-") }
