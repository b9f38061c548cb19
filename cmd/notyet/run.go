package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"notyet/config"
)

// The exit codes of a command that can't be run are those that shells have for it.
const (
	notExecutable = 126
	notFound      = 127
)

// ended is the exit code of a command that was run, or of ours that a signal ended. All that there is to say about it has been said.
type ended int

func (e ended) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// wrapper runs a command with a notyet of its own.
type wrapper struct {
	settings
	hold    *time.Duration    // of the watches that say nothing of it; nil: none
	holds   map[string]bool   // the zones of those that do
	written map[string]string // zone → the flag that it is from
}

func runCommand() *cobra.Command {
	w := wrapper{holds: make(map[string]bool), written: make(map[string]string)}
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGUMENT]...",
		Short: "Run a command whose DNS goes through a notyet of its own (Linux)",
		Long: `run starts a notyet on port 53 of a loopback address that is free, and a command that has
that address in its /etc/resolv.conf. Nothing else on the machine is changed, and nothing
is left. Afterwards one line on standard error says which names were rescued: that a
plain cache would still have denied.

The questions are forwarded to the name servers of the machine's /etc/resolv.conf, which is
followed as it changes, or to those given. Without --watch it is an ordinary cache.

It takes root, or the capabilities CAP_NET_BIND_SERVICE and CAP_SYS_ADMIN.

Signals are passed on to the command, and the exit code is the command's: 128 and the number of
the signal that ended it, 127 when it is not found, 126 when it can't be executed. When
notyet itself can't do its part the command is not run: 1, or 2 for wrong usage.`,
		Example: `  notyet run --watch preview.example.com --hold 4s -- make e2e
  notyet run --watch preview.example.com,hold=4s,verify=after -- curl -fsS https://web.preview.example.com/
  notyet run --upstream 192.0.2.1 -- getent hosts www.example.com`,
		Args: afterDashes,

		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, args []string) error {
			if w.hold != nil && len(w.watch) == 0 {
				return errors.New("--hold is for names under watch: name their zone with --watch")
			}
			return w.run(cmd.Context(), args, cmd.ErrOrStderr())
		},
	}
	w.registerRun(cmd)
	return cmd
}

func (w *wrapper) registerRun(cmd *cobra.Command) {
	flags := cmd.Flags()
	each(flags, &w.watch, w.parseWatch, "watch", "`zone[,key=value]...` to watch, as for serve (repeatable)")
	last(flags, &w.hold, config.ParseHold, "hold", "longest `duration` that a first query waits for the name to appear, at most 10s; for each --watch without its own")
	each(flags, &w.upstreams, config.ParseUpstream, "upstream", "`server` to forward to, in place of those of resolv.conf (repeatable)")
	w.admin, w.log, w.logFormat = new(""), new(slog.LevelWarn), new(config.LogText)
}

// parseWatch is that of the settings, and notes who has a hold of its own.
func (w *wrapper) parseWatch(text string) (config.Watch, error) {
	watch, err := w.settings.parseWatch(text)
	w.holds[watch.Zone], w.written[watch.Zone] = strings.Contains(text, ",hold="), text
	return watch, err
}

// afterDashes wants the command behind --, so that its flags are not taken for ours.
func afterDashes(cmd *cobra.Command, args []string) error {
	switch at := cmd.ArgsLenAtDash(); {
	case at < 0:
		return errors.New("write -- and the command behind it, such as: notyet run -- make e2e")
	case at > 0:
		return fmt.Errorf("write the command behind --: %q is before it", args[0])
	case len(args) == 0:
		return errors.New("write a command behind --")
	}
	return nil
}

// find returns the path of a program. When there is none that can be executed, that is told, and the error is the exit code.
func find(name string, stderr io.Writer) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil || errors.Is(err, exec.ErrDot): // PATH has the working directory, and whoever wrote it wants that
		return path, nil
	case errors.Is(err, exec.ErrNotFound) && !onPath(name), errors.Is(err, fs.ErrNotExist):
		return "", notRun(stderr, name, "not found", notFound)
	}
	return "", notRun(stderr, name, "not executable", notExecutable)
}

// onPath reports whether there is a file of that name, be it as it may.
func onPath(name string) bool {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil && dir != "" {
			return true
		}
	}
	return false
}

func notRun(stderr io.Writer, name, why string, code int) error {
	fmt.Fprintf(stderr, "notyet: %s: %s\n", name, why)
	return ended(code)
}

// sidecar is what to do where run can't.
func (w *wrapper) sidecar() string {
	var flags strings.Builder
	for _, watch := range w.watch {
		flags.WriteString(" --watch " + w.written[watch.Zone])
		if w.hold != nil && !w.holds[watch.Zone] {
			flags.WriteString(",hold=" + w.hold.String())
		}
	}
	if len(w.watch) == 0 {
		flags.WriteString(" --watch ZONE")
	}
	for _, upstream := range w.upstreams {
		flags.WriteString(" --upstream " + upstream.String())
	}
	return fmt.Sprintf(`instead, run "notyet serve%s &" beside the command, and have that ask it, at 127.0.0.1:1053; deploy/ci has recipes`, flags.String())
}

// run finds the command and runs it.
func (w *wrapper) run(ctx context.Context, args []string, stderr io.Writer) error {
	path, err := find(args[0], stderr)
	if err != nil {
		return err
	}
	w.holdAll()
	return w.execute(ctx, path, args, stderr)
}

// holdAll gives the watches without a hold of their own that of all.
func (w *wrapper) holdAll() {
	for i := range w.watch {
		if w.hold != nil && !w.holds[w.watch[i].Zone] {
			w.watch[i].Hold = *w.hold
		}
	}
}
