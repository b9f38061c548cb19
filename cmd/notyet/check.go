package main

import "github.com/spf13/cobra"

func checkCommand() *cobra.Command {
	var file *string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Print the effective configuration, or every fault of a file",
		Long: `check prints the configuration that a file stands for, with all defaults filled in.
If the file has faults it prints each of them instead, on standard error, and exits with 1.
Without a file it prints the defaults.`,
		Example: `  notyet check --config notyet.yaml
  notyet check > notyet.yaml
  notyet check --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(file)
			if err != nil {
				return findings{err}
			}
			if asJSON {
				return show(cmd, string(c.JSON()))
			}
			return show(cmd, string(c.YAML()))
		},
	}
	fileFlag(cmd.Flags(), &file)
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}
