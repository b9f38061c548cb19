package main

import (
	"bytes"
	"errors"
	"testing"
)

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatGetsLostIsAFailure(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"--version"}, {"version"}, {"check"}} {
		var stderr bytes.Buffer
		code := run(t.Context(), args, full{}, &stderr)
		if want := "notyet: no space left on device\n"; code != 1 || stderr.String() != want {
			t.Errorf("%q: got %d and %q, want 1 and %q", args, code, stderr.String(), want)
		}
	}
}
