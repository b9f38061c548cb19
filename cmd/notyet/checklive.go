package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"notyet/admin"
	"notyet/explain/wait"
)

// liveTimeout is how long check --live waits for an answer: less than what container engines give a health check.
const liveTimeout = 2 * time.Second

// liveness is what check --live --json prints.
type liveness struct {
	Live    bool      `json:"live"`
	Address string    `json:"address"`
	Took    wait.Took `json:"seconds"`
	Error   string    `json:"error,omitempty"` // why it is not
}

// checkLive asks whether a server is ready.
func checkLive(cmd *cobra.Command, server *remote) error {
	address, _, err := server.where()
	if err != nil {
		return err
	}
	began := time.Now()
	err = isReady(cmd.Context(), server, address)
	switch {
	case server.json:
		l := liveness{Live: err == nil, Address: address, Took: wait.Took(time.Since(began))}
		if err != nil {
			l.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
			err = notSo{err}
		}
		if failed := showJSON(cmd, l); failed != nil {
			return failed
		}
	case err == nil:
		return show(cmd, "ready\n")
	}
	return err
}

// isReady returns a failure when the server is not, or does not say so in time.
func isReady(ctx context.Context, server *remote, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, liveTimeout, errors.New(address+": no answer within "+liveTimeout.String()))
	defer cancel()
	switch err := admin.NewClient(address, "").Ready(ctx); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return failure{context.Cause(ctx)}
	default:
		return server.failed(err)
	}
}
