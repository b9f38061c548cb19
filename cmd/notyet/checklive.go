package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"notyet/admin"
)

// liveTimeout is how long check --live waits for an answer: less than what container engines give a health check.
const liveTimeout = 2 * time.Second

// checkLive asks whether a server is ready.
func checkLive(cmd *cobra.Command, server *remote) error {
	address, _, err := server.where()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), liveTimeout, errors.New(address+": no answer within "+liveTimeout.String()))
	defer cancel()
	switch err := admin.NewClient(address, "").Ready(ctx); {
	case err == nil:
		return show(cmd, "ready\n")
	case errors.Is(err, context.DeadlineExceeded):
		return failure{context.Cause(ctx)}
	default:
		return server.failed(err)
	}
}
