package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"notyet/config"
)

func TestCommandsWithoutAFileAreToldAFlagForTheNameServersOfTheSystem(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("search example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.System(path, nil)
	if got, want := fileless(err).Error(), path+" has no nameserver: name one with --upstream 192.0.2.1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if other := errors.New("something else"); fileless(other) != other {
		t.Errorf("got %v, want it as it was", fileless(other))
	}
}
