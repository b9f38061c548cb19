//go:build unix

package main

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipeIsNotWaitedFor has a file that would take forever to open.
func TestPipeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	k := newKept(t, filepath.Join(t.TempDir(), "cache"))
	if err := syscall.Mkfifo(k.path, 0o600); err != nil {
		t.Fatal(err)
	}
	k.restore()
	k.wantTold(t, "no regular file")
	k.wantErrors(t, 1)
}
