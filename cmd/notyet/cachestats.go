package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"notyet/admin"
)

func cacheStatsCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "stats",
		Short:   "Tell how full the cache is, and how often it had the answer",
		Long:    "stats prints what the cache holds, how much of its memory that takes, and how many look-ups were hits.",
		Example: "  notyet cache stats",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd, r, func(ctx context.Context, c *admin.Client) (admin.CacheStats, error) {
				status, err := c.Status(ctx)
				return status.Cache, err
			}, statsTable)
		},
	}
}

func statsTable(s admin.CacheStats) string {
	rows := [][]string{{"KIND", "ANSWERS", "MEMORY", "LIMIT", "EVICTED"}}
	for _, kind := range []struct {
		name string
		admin.CacheBudget
	}{{"positive", s.Positive}, {"negative", s.Negative}} {
		rows = append(rows, []string{
			kind.name, strconv.FormatInt(kind.Entries, 10), readableSize(kind.Bytes), readableSize(kind.Limit),
			strconv.FormatUint(kind.Evictions, 10),
		})
	}
	return table(rows) + "\n" + hitRate(s.Hits, s.Misses) + "\n"
}

func hitRate(hits, misses uint64) string {
	if hits+misses == 0 {
		return "nothing has been looked up yet"
	}
	return fmt.Sprintf("%.1f%% of %d look-ups were hits", 100*float64(hits)/float64(hits+misses), hits+misses)
}
