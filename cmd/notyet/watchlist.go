package main

import (
	"cmp"
	"context"
	"slices"
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
			var pending []admin.Pending
			return ask(cmd, r, func(ctx context.Context, c *admin.Client) (admin.Watches, error) {
				answer, err := c.Watches(ctx)
				if err != nil || r.json || !slices.ContainsFunc(answer.Watches, isAwaited) {
					return answer, err
				}
				names, err := c.Pending(ctx)
				pending = names.Pending
				return answer, err
			}, func(answer admin.Watches) string {
				now := time.Now()
				return watchTable(now, answer.Watches) + pendingTable(now, pending)
			})
		},
	}
}

func isAwaited(w admin.Watch) bool { return w.Pending > 0 }

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
