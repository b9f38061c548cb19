package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manCommand is for those who make packages, and not in the help.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIRECTORY",
		Short:   "Write the manual pages",
		Long:    "man writes a manual page of each command into a directory.",
		Example: "  notyet man /usr/local/share/man/man1",
		Hidden:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one directory, such as /usr/local/share/man/man1")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := writeManual(cmd.Root(), args[0]); err != nil {
				return failure{err}
			}
			return nil
		},
	}
}

// writeManual writes the page of a command, and of those below it.
func writeManual(cmd *cobra.Command, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, pageName(cmd)+".1"), []byte(manualPage(cmd)), 0o644); err != nil {
		return err
	}
	for _, sub := range documented(cmd) {
		if err := writeManual(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

// documented are the commands right below cmd that have a page.
func documented(cmd *cobra.Command) (subs []*cobra.Command) {
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			subs = append(subs, sub)
		}
	}
	return subs
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manualPage is a page in the language of man(7). It says nothing of when it was made, so that it is the same each time.
func manualPage(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	var b strings.Builder
	fmt.Fprintf(&b, ".TH \"%s\" 1 \"\" \"notyet %s\" \"User Commands\"\n", strings.ToUpper(roff(pageName(cmd))), roff(thisRelease().Version))
	b.WriteString(".nh\n.ad l\n") // a name that is divided can't be copied
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(pageName(cmd)), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n%s\n", synopsis(cmd))
	b.WriteString(".SH DESCRIPTION\n" + paragraphs(cmd.Long))
	if subs := documented(cmd); len(subs) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range subs {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s: see \\fB%s\\fR(1)\n", roff(sub.Name()), roff(sub.Short), roff(pageName(sub)))
		}
	}
	b.WriteString(".SH OPTIONS\n" + flagEntries(cmd.NonInheritedFlags()))
	if cmd.HasExample() {
		b.WriteString(".SH EXAMPLES\n" + paragraphs(cmd.Example))
	}
	if !strings.Contains(cmd.Long, "exit code") { // whose text has them
		b.WriteString(".SH EXIT STATUS\n0: done; 1: not so, and standard error says why; 2: wrong usage.\n")
	}
	if cmd.HasParent() {
		fmt.Fprintf(&b, ".SH SEE ALSO\n.BR %s (1)\n", roff(pageName(cmd.Parent())))
	}
	return b.String()
}

func synopsis(cmd *cobra.Command) string {
	line := roff(cmd.UseLine())
	if len(documented(cmd)) > 0 {
		line += " COMMAND"
	}
	return ".B " + line
}

// paragraphs are filled by whoever shows them, other than those that are indented.
func paragraphs(text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") {
			fmt.Fprintf(&b, ".nf\n%s\n.fi\n", roff(paragraph))
			continue
		}
		b.WriteString(roff(paragraph) + "\n")
	}
	return b.String()
}

func flagEntries(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(flag)
		b.WriteString(".TP\n")
		if flag.Shorthand != "" {
			fmt.Fprintf(&b, "\\fB\\-%s\\fR, ", flag.Shorthand)
		}
		fmt.Fprintf(&b, "\\fB\\-\\-%s\\fR", roff(flag.Name))
		if value != "" {
			fmt.Fprintf(&b, " \\fI%s\\fR", roff(value))
		}
		fmt.Fprintf(&b, "\n%s\n", roff(usage))
	})
	return b.String()
}

// roff writes text so that none of it is taken for a request, and its hyphens can be copied.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
