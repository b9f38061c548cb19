package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var file *string
	var live bool
	var server remote
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Print the effective configuration, every fault of a file, or whether a server is ready",
		Long: `check prints the configuration that a file stands for, with all defaults filled in.
If the file has faults it prints each of them instead, on standard error, and exits with 1.
The files that it names, with certificates and the token, are read too. Without a file it prints
the defaults. With --json the faults are one document, on standard output.

With --live it asks a running notyet whether it is ready for queries, and exits with 1 when it
is not, or when there is none: for health checks. No token is needed.`,
		Example: `  notyet check --config notyet.yaml
  notyet check > notyet.yaml
  notyet check --json
  notyet check --live --admin unix:///run/notyet.sock`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case live && file != nil:
				return errors.New("--live asks a server: leave --config out")
			case live:
				return checkLive(cmd, &server)
			case server.address != nil:
				return errors.New("--admin is for --live: add it, or leave --admin out")
			}
			c, err := load(file)
			if err == nil {
				err = within(file, usable(c))
			}
			switch {
			case err != nil && server.json:
				return showFaults(cmd, err)
			case err != nil:
				return findings{err}
			case server.json:
				return show(cmd, string(c.JSON()))
			}
			return show(cmd, string(c.YAML()))
		},
	}
	fileFlag(cmd.Flags(), &file)
	jsonFlag(cmd.Flags(), &server.json)
	cmd.Flags().BoolVar(&live, "live", false, "ask a running notyet whether it is ready, for 2 s at most")
	server.registerAddress(cmd.Flags())
	return cmd
}
