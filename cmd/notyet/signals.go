package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// stopped is the cause of a context that a signal has ended.
type stopped struct{ os.Signal }

func (s stopped) Error() string { return s.String() }
func (s stopped) Unwrap() error { return context.Canceled }

// exitCode is what shells have for a command that the signal ended.
func (s stopped) exitCode() int {
	number, _ := s.Signal.(syscall.Signal)
	return 128 + int(number)
}

// interruptible returns a context that the first SIGINT or SIGTERM ends, which is its cause then. By then signals have their default
// effect again, so that a second one ends a process that is slow to stop. That order is why this is not
// signal.NotifyContext, whose stop can only run after the context has ended.
func interruptible(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		var cause error
		select {
		case s := <-signals:
			cause = stopped{s}
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel(cause)
	}()
	return ctx
}

// orStopped is the end of a command. Of one that could not do its work since a signal came, what it has to say is told, and the exit
// code tells it from one that failed.
func orStopped(cmd *cobra.Command, err error) error {
	var by stopped
	if _, failed := err.(failure); !failed || !errors.As(context.Cause(cmd.Context()), &by) {
		return err
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(cmd.ErrOrStderr(), "notyet: %s\n", line)
	}
	return ended(by.exitCode())
}

// hangups returns what gets a SIGHUP until stop is called; of several that nobody has taken yet, one.
func hangups() (c <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}

// outliveReaders has writes to standard output and error fail, to the end of this process, once whoever read them has gone: Go would end it
// with SIGPIPE then.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }
