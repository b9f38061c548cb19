//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// TestWhatIsNoRegularFileIsNotReplaced has what root could put a file in the place of.
func TestWhatIsNoRegularFileIsNotReplaced(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]func(path string) error{
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKept(t, filepath.Join(t.TempDir(), "cache"))
			if err := create(k.path); err != nil {
				t.Fatal(err)
			}
			before := modes(t, filepath.Dir(k.path))
			k.tidyUp()
			if got := k.told.String(); !strings.Contains(got, "no regular file") || !strings.Contains(got, `remedy="name a file of notyet's own in cache.snapshot"`) {
				t.Errorf("at the start: got log %q, want what is wrong and the remedy", got)
			}
			k.save()
			k.wantErrors(t, 2)
			if after := modes(t, filepath.Dir(k.path)); after != before {
				t.Errorf("got %s after it was to be written, want %s as before", after, before)
			}
		})
	}
}

// modes says what is in a directory, and of what kind.
func modes(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, fs.FormatDirEntry(e))
	}
	return strings.Join(all, ", ")
}

func TestLinkIsReplacedAndWhatItLeadsToStays(t *testing.T) {
	t.Parallel()
	elsewhere := filepath.Join(t.TempDir(), "somebody's")
	if err := os.WriteFile(elsewhere, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := newKept(t, filepath.Join(t.TempDir(), "cache"))
	if err := os.Symlink(elsewhere, k.path); err != nil {
		t.Fatal(err)
	}
	k.save()
	k.wantErrors(t, 0)
	if info, err := os.Lstat(k.path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("got %v, %v, want a file", info, err)
	}
	if got, err := os.ReadFile(elsewhere); err != nil || string(got) != "precious" {
		t.Errorf("got %q, %v where the link led, want what was there", got, err)
	}
}
