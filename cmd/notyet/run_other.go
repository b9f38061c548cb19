//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

// execute says what to do instead: only Linux lets a process have files of its own.
func (w *wrapper) execute(context.Context, string, []string, io.Writer) error {
	return failure{errors.New("run is for Linux, where a command can have a resolv.conf of its own\n" + w.sidecar())}
}
