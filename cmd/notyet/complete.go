package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"notyet/admin"
	"notyet/config"
)

// completions has a shell offer the words that a flag takes, and files only where it takes a file.
func completions(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	values := map[string]cobra.CompletionFunc{
		"config":           cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		"admin-token-file": cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		"log":              words("debug", "info", "warn", "error"),
		"log-format":       words(config.LogAuto, config.LogText, config.LogJSON),
		"query-log":        words(config.QueryLogOff, config.QueryLogDenial, config.QueryLogAll),
		"verify":           words(config.VerifyBefore, config.VerifyAfter, config.VerifyOff),
	}
	completeFlags(root, values)
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args = knownShell
		for _, shell := range completion.Commands() {
			script := shell.RunE
			shell.RunE = func(cmd *cobra.Command, args []string) error {
				if err := script(cmd, args); err != nil { // it could not be written
					return failure{err}
				}
				return nil
			}
		}
	}
}

// knownShell is asked when none is named that there is a script for.
func knownShell(completion *cobra.Command, args []string) error {
	var shells []string
	for _, shell := range completion.Commands() {
		shells = append(shells, shell.Name())
	}
	all := strings.Join(shells, ", ")
	if len(args) == 0 {
		return errors.New("a shell is missing: there are " + all)
	}
	return fmt.Errorf("unknown shell %q: there are %s", args[0], all)
}

// plainUsages has a shell that asks what can be written next see no backquotes, which for the help mark the value of a flag.
func plainUsages(cmd *cobra.Command, args []string) {
	if len(args) == 0 || !strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		return
	}
	cmd.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) { _, flag.Usage = pflag.UnquoteUsage(flag) })
	for _, sub := range cmd.Commands() {
		plainUsages(sub, args)
	}
}

// completeFlags gives each flag of a command, and of those below it, the values of its name.
func completeFlags(cmd *cobra.Command, values map[string]cobra.CompletionFunc) {
	cmd.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) {
		if offer := values[flag.Name]; offer != nil {
			complete(cmd, flag.Name, offer)
		}
	})
	for _, sub := range cmd.Commands() {
		completeFlags(sub, values)
	}
}

// complete offers values of one flag, which the command has.
func complete(cmd *cobra.Command, flag string, offer cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, offer); err != nil {
		panic(err)
	}
}

func words[T ~string](all ...T) cobra.CompletionFunc {
	choices := make([]cobra.Completion, len(all))
	for i, word := range all {
		choices[i] = string(word)
	}
	return cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder)
}

// watched offers the names of some watches of a running notyet, of which there are none when it does not answer at once.
func (r *remote) watched(which func(admin.Watch) bool) cobra.CompletionFunc {
	const patience = 500 * time.Millisecond // somebody has pressed a key and waits
	return func(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
		client, err := r.client()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), patience)
		defer cancel()
		answer, _ := client.Watches(ctx) // an error cannot be told here
		for _, w := range answer.Watches {
			if !which(w) {
				continue
			}
			about := "from the configuration"
			if w.Until != nil {
				about = "ends in " + readable(time.Until(*w.Until))
			}
			names = append(names, cobra.CompletionWithDesc(withoutDot(w.Name), about))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
