//go:build e2e && linux

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"notyet/e2e/testbed"
)

// TestPackageIsInstalledAndPurged has dpkg install it into a root of its own, where it runs.
func TestPackageIsInstalledAndPurged(t *testing.T) {
	t.Parallel()
	dir := firstRelease()
	deb := filepath.Join(dir, "notyet_1.2.3~rc.1_"+runtime.GOARCH+".deb")
	root := t.TempDir()
	for _, d := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatalf("%v", err)
		}
	}
	for _, f := range []string{"var/lib/dpkg/status", "var/lib/dpkg/available"} {
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o644); err != nil {
			t.Fatalf("%v", err)
		}
	}
	before := files(t, root)
	// Its scripts run here, as there is no shell in that root, and know of it by DPKG_ROOT.
	dpkg := func(args ...string) string {
		return runIn(t, dir, "dpkg", append([]string{"--root=" + root, "--force-script-chrootless"}, args...)...)
	}
	dpkg("--install", deb)
	if got := dpkg("--status", "notyet"); !strings.Contains(got, "Status: install ok installed") || !strings.Contains(got, "Version: 1.2.3~rc.1\n") {
		t.Errorf("got status %s, want it installed", got)
	}
	if got := runIn(t, dir, "chroot", root, "/usr/bin/notyet", "version"); !strings.HasPrefix(got, "notyet "+releaseVersion+" ") {
		t.Errorf("notyet version: got %q, want %s", got, releaseVersion)
	}
	if got := runIn(t, dir, "chroot", root, "/usr/bin/notyet", "check", "--config", "/etc/notyet/notyet.yaml"); !strings.Contains(got, "127.0.0.1:1053") {
		t.Errorf("notyet check: got %s, want it to answer on 127.0.0.1:1053", got)
	}
	if got := runIn(t, dir, "man", "--local-file", filepath.Join(root, "usr/share/man/man1/notyet-serve.1.gz")); !strings.Contains(got, "Answer DNS queries") {
		t.Errorf("man notyet-serve: got %s", got)
	}
	wantServiceOf(t, root)
	wantLinks(t, filepath.Join(root, "usr/share/doc/notyet"))

	// What the service has kept goes with a purge, and the configuration, but not with a removal.
	kept := []string{"etc/notyet/notyet.yaml", "var/lib/private/notyet/leases.json", "var/cache/private/notyet/cache.snapshot"}
	for _, file := range kept[1:] {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(file)), 0o755); err != nil {
			t.Fatalf("%v", err)
		}
		if err := os.WriteFile(filepath.Join(root, file), []byte("kept"), 0o600); err != nil {
			t.Fatalf("%v", err)
		}
	}
	for _, of := range []string{"lib", "cache"} {
		if err := os.Symlink("private/notyet", filepath.Join(root, "var", of, "notyet")); err != nil {
			t.Fatalf("%v", err)
		}
	}
	dpkg("--remove", "notyet")
	after := files(t, root)
	for _, file := range kept {
		if !slices.Contains(after, file) {
			t.Errorf("%s went with the removal, want it kept", file)
		}
	}
	if slices.Contains(after, "usr/bin/notyet") {
		t.Error("the program stayed after the removal")
	}
	dpkg("--purge", "notyet")
	for _, file := range files(t, root) {
		if !slices.Contains(before, file) && !strings.HasPrefix(file, "var/lib/dpkg/") && file != "var/log/dpkg.log" {
			t.Errorf("%s stayed after the purge", file)
		}
	}
}

// wantServiceOf wants the units of the package to be good where they are.
func wantServiceOf(t *testing.T, root string) {
	t.Helper()
	for _, unit := range []string{"notyet.service", "notyet.socket"} {
		text, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system", unit))
		if err != nil {
			t.Fatalf("%v", err)
		}
		for line := range strings.Lines(string(text)) {
			_, command, found := strings.Cut(line, "=/usr/bin/")
			if !found {
				continue
			}
			program, _, _ := strings.Cut(command, " ")
			if _, err := os.Stat(filepath.Join(root, "usr/bin", program)); err != nil {
				t.Errorf("%s: %q: %v", unit, line, err)
			}
		}
	}
}

// files are all that is in a root and no directory, with paths from there.
func files(t testbed.Owner, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			path, err = filepath.Rel(root, path)
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return paths
}
