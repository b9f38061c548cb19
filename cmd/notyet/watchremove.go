package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"notyet/admin"
	"notyet/config"
)

func watchRemoveCommand(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "End a lease",
		Long:              "remove ends the lease of a name. A watch of the configuration ends when it is taken out of there.",
		Example:           "  notyet watch remove pr-7.preview.example.com",
		Args:              oneName(config.ParseName),
		ValidArgsFunction: r.watched(func(w admin.Watch) bool { return w.Lease }),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, _ := config.ParseName(args[0]) // which Args has found good
			return ask(cmd, r, func(ctx context.Context, c *admin.Client) (removed, error) {
				return removed{name}, leaseError(c.RemoveWatch(ctx, name), name)
			}, func(removed) string { return "the lease of " + withoutDot(name) + " has ended\n" })
		},
	}
}

// leaseError says what to do about a lease that is not there in terms of commands, where the API has those of HTTP.
func leaseError(err error, name string) error {
	var problem *admin.Problem
	if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return inWords{fmt.Sprintf("there is no lease of %s: \"notyet watch list\" shows those that there are", withoutDot(name)), err}
	}
	return err
}

// removed is what there is to say of a lease that has ended, where the API says nothing.
type removed struct {
	Removed string `json:"removed"`
}
