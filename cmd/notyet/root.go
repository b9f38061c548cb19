package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "notyet",
		Short: "A caching DNS forwarder for names that do not exist yet",
		Long: `notyet is a caching DNS forwarder for names that do not exist yet: an answer
that says "no" is kept for as short as it can be, so that a record is visible
soon after it is published.`,
		Example: `  notyet serve --listen 127.0.0.1:1053
  dig @127.0.0.1 -p 1053 www.example.com`,
		Version:       version(),
		SilenceErrors: true, // run writes them
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.AddCommand(serveCommand(), checkCommand(), watchCommand(), cacheCommand(), waitCommand(), explainCommand(), runCommand(), demoCommand(), versionCommand(), manCommand())
	group(root)
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		group(completion)
	}
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = knownTopic
	}
	completions(root)
	return root
}

// group makes wrong usage of a call that names no subcommand, where cobra alone would print its help.
func group(cmd *cobra.Command) {
	cmd.Args = noSuchCommand
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(*cobra.Command, []string) error { return nil } // cobra asks Args only of what can run
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("a command is missing")
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q: did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func knownTopic(help *cobra.Command, args []string) error {
	if _, rest, err := help.Root().Find(args); err != nil || len(rest) > 0 {
		return noSuchCommand(help.Root(), args)
	}
	return nil
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes flags only: %q is none", cmd.Name(), args[0])
	}
	return nil
}

// flagError writes a bad value as the configuration does: name, value and remedy.
func flagError(err error) error {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		return fmt.Errorf("--%s %q: %w", bad.GetFlag().Name, bad.GetValue(), bad.Unwrap())
	}
	return err
}
