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
		"link to a pipe": func(path string) error {
			_ = syscall.Mkfifo(path+".pipe", 0o600)
			return os.Symlink(path+".pipe", path)
		},
		"link to nothing": func(path string) error { return os.Symlink(path+".missing", path) },
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

// TestFileThatALinkLeadsToIsReplacedAndTheLinkStays has it in another directory, where what is unfinished is written too.
func TestFileThatALinkLeadsToIsReplacedAndTheLinkStays(t *testing.T) {
	t.Parallel()
	elsewhere := filepath.Join(t.TempDir(), "own")
	first := newKept(t, elsewhere)
	first.save()
	path := filepath.Join(t.TempDir(), "cache")
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	k := newKept(t, path)
	k.put(t, "a.example.")
	k.save()
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("got %v, %v, want the link as it was", info.Mode(), err)
	}
	first.restore()
	if !first.has(t, "a.example.") {
		t.Errorf("got nothing new where the link leads, want the snapshot: %s", k.told)
	}
	wantFiles(t, filepath.Dir(path), "cache")
	wantFiles(t, filepath.Dir(elsewhere), "own")
	k.wantErrors(t, 0)
}
