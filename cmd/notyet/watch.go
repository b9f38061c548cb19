package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func watchCommand() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Lease names that do not exist yet, at a running notyet",
		Long: `watch tells a running notyet which names are about to be created. Under watch a name, with all
below it, is not believed missing for long, and its zone's own name servers are asked before the
upstream. A lease ends by itself; the configuration has the watches that stay.`,
		Example: `  notyet watch add pr-7.preview.example.com --for 15m --hold 4s
  notyet watch list
  notyet watch remove pr-7.preview.example.com`,
	}
	r.register(cmd.PersistentFlags())
	jsonFlag(cmd.PersistentFlags(), &r.json)
	cmd.AddCommand(watchAddCommand(&r), watchListCommand(&r), watchRemoveCommand(&r))
	group(cmd)
	return cmd
}

// oneName takes the one argument that parse does.
func oneName(parse func(string) (string, error)) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("%s takes a NAME, such as www.example.com", cmd.Name())
		case len(args) > 1:
			return fmt.Errorf("%s takes one NAME: %q is one too many", cmd.Name(), args[1])
		}
		_, err := parse(args[0])
		return nameError(args[0], err)
	}
}

// nameError writes a bad name as the configuration does: key, value and remedy.
func nameError(text string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("NAME %q: %w", text, err)
}
