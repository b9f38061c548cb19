// Command notyet is a caching DNS forwarder for names that do not exist yet.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	os.Exit(run(interruptible(context.Background()), os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code: 0 done, 1 not so, 2 wrong usage, or that of the command that notyet
// runs.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	out := &sink{to: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	plainUsages(root, args)
	cmd, err := root.ExecuteContextC(ctx)
	switch problem := out.failed(err).(type) {
	case nil:
		return 0
	case ended:
		return int(problem)
	case failure:
		for line := range strings.SplitSeq(problem.Error(), "\n") {
			fmt.Fprintf(stderr, "notyet: %s\n", line)
		}
		return 1
	case findings:
		fmt.Fprintln(stderr, problem)
		return 1
	case notSo:
		return 1
	default:
		fmt.Fprintf(stderr, "notyet: %v\nrun \"%s --help\" to see what it takes\n", problem, cmd.CommandPath())
		return 2
	}
}

// failure is what a command returns that was called rightly and could not do its work. Every other error is about usage.
type failure struct{ error }

// findings are the faults of a file, which are what its check has to say: they stand alone, as a compiler's do.
type findings struct{ error }

// notSo is an answer that a command has printed, and that is not the one hoped for.
type notSo struct{ error }
