package main

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"notyet/admin"
)

func cacheShowCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show what is cached for a name",
		Long: `show prints the answers that are cached for a name, of every type: for how much longer each is good,
how old it is, and its records. One that is stale stands in while the upstreams do not answer.
When there is none it exits with 1.`,
		Example: "  notyet cache show www.example.com",
		Args:    oneName(cachedName),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, _ := cachedName(args[0]) // which Args has found good
			nothing := false
			err := ask(cmd, r, func(ctx context.Context, c *admin.Client) (admin.CacheEntries, error) {
				answer, err := c.CacheEntries(ctx, name)
				nothing = err == nil && len(answer.Entries) == 0
				return answer, err
			}, func(answer admin.CacheEntries) string {
				if nothing {
					return "" // that is no table
				}
				return entryTable(answer.Entries)
			})
			if err == nil && nothing {
				err = failure{errors.New("nothing is cached for " + withoutDot(name))}
			}
			return err
		},
	}
}

// kinds are the spellings of people.
var kinds = map[string]string{"nxdomain": "NXDOMAIN", "nodata": "NODATA"}

// entryTable has the records of an entry below each other.
func entryTable(entries []admin.CacheEntry) string {
	rows := [][]string{{"TYPE", "ANSWER", "LEFT", "AGE", "BITS", "WATCH", "RECORDS"}}
	for _, e := range entries {
		answer := cmp.Or(kinds[e.Kind], e.Kind)
		if e.Kind == "failure" {
			answer += " " + e.Rcode
		}
		left := readable(time.Duration(e.Left))
		if e.Stale {
			left = "stale"
		}
		row := []string{e.Type, answer, left, readable(time.Duration(e.Age)), bits(e), cmp.Or(withoutDot(e.Watch), "-"), "-"}
		for i, record := range e.Records {
			if i > 0 {
				row = make([]string, len(row))
			}
			row[len(row)-1] = record
			rows = append(rows, row)
		}
		if len(e.Records) == 0 {
			rows = append(rows, row)
		}
	}
	return table(rows)
}

// bits are those of the queries that an entry is for.
func bits(e admin.CacheEntry) string {
	var words []string
	if e.DO {
		words = append(words, "do")
	}
	if e.CD {
		words = append(words, "cd")
	}
	return cmp.Or(strings.Join(words, " "), "-")
}
