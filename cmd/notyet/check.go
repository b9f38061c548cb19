package main

import "github.com/spf13/cobra"

func checkCommand() *cobra.Command {
	var file *string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Print the effective configuration, or every fault of a file",
		Long: `check prints the configuration that a file stands for, with all defaults filled in.
If the file has faults it prints each of them instead, on standard error, and exits with 1.
Without a file it prints the defaults.`,
		Example: `  notyet check --config notyet.yaml
  notyet check > notyet.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(file)
			if err != nil {
				return findings{err}
			}
			if _, err := cmd.OutOrStdout().Write(c.YAML()); err != nil {
				return failure{err}
			}
			return nil
		},
	}
	fileFlag(cmd.Flags(), &file)
	return cmd
}
