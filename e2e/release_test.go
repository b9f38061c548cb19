//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"notyet/e2e/testbed"
)

// releaseVersion is what the release of the tests is called.
const releaseVersion = "v1.2.3-rc.1"

// here is the platform that releases can be tried on.
const here = runtime.GOOS + "/" + runtime.GOARCH

// firstRelease makes a release at the first call, for here and for one that is packed in the other way. Nobody may write to it.
var firstRelease = sync.OnceValue(func() string { return makeRelease(&run, "..", nil, "-targets", here+",windows/arm64") })

// makeRelease makes a release of the source in dir and returns where it is.
func makeRelease(t testbed.Owner, dir string, env []string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	cmd := exec.Command("go", append([]string{"run", "./deploy/release", "-version", releaseVersion, "-out", out}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append([]string{"SOURCE_DATE_EPOCH=1700000000"}, env...)...)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a release: %v\n%s", err, said)
	}
	return out
}

// runIn runs a command in a directory and returns what it says on both outputs.
func runIn(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(testbed.Look(t, program), args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// TestReleaseIsTheSameFromAnotherPlaceAndCache makes one again of a copy of the source, where nothing has been built.
func TestReleaseIsTheSameFromAnotherPlaceAndCache(t *testing.T) {
	// Alone: while compilers work and write, others here wait for the disk.
	first := firstRelease()
	elsewhere := t.TempDir()
	source := exec.Command("sh", "-c", `tar -C .. --exclude=.git --exclude=dist -cf - . | tar -xf - -C "$0"`, elsewhere)
	if out, err := source.CombinedOutput(); err != nil {
		t.Fatalf("copy the source: %v\n%s", err, out)
	}
	// The packages are left out: it is nfpm that would have to be built anew.
	second := makeRelease(t, elsewhere, []string{"GOCACHE=" + t.TempDir(), "TZ=Asia/Tokyo", "LC_ALL=C"}, "-targets", here, "-debs=false")
	third := makeRelease(t, "..", []string{"TZ=Asia/Tokyo"}, "-targets", here+",windows/arm64")
	wantSameFiles(t, second, first, 2)
	wantSameFiles(t, third, first, 5)
	runIn(t, first, "sha256sum", "--check", "--strict", "SHA256SUMS")
}

// wantSameFiles compares the files of a release with those of another that may have more.
func wantSameFiles(t *testing.T, dir, with string, want int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("%v", err)
	}
	same := 0
	for _, entry := range entries {
		if entry.Name() == "SHA256SUMS" {
			continue
		}
		a, errA := os.ReadFile(filepath.Join(dir, entry.Name()))
		b, errB := os.ReadFile(filepath.Join(with, entry.Name()))
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%s: got other bytes the second time, or %v, %v", entry.Name(), errA, errB)
			continue
		}
		same++
	}
	if same != want {
		t.Errorf("got %d files that are the same, want %d", same, want)
	}
}

func TestReleaseHasWhatItSays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := "notyet-" + strings.TrimPrefix(releaseVersion, "v") + "-" + runtime.GOOS + "-" + runtime.GOARCH
	runIn(t, dir, "tar", "-xzf", filepath.Join(firstRelease(), name+".tar.gz"))
	program := filepath.Join(dir, name, "notyet")
	if got, want := runIn(t, dir, program, "version"), "notyet "+releaseVersion+" "+runtime.Version(); !strings.HasPrefix(got, want) {
		t.Errorf("notyet version: got %q, want %q", got, want)
	}
	for _, file := range []string{
		"LICENSE", "README.md", "CHANGELOG.md", "config/reference.yaml", "deploy/ci/sidecar.sh", "man/notyet.1", "man/notyet-serve.1",
		"completions/bash/notyet", "completions/zsh/_notyet", "completions/fish/notyet.fish", "notyet.yaml", "systemd/notyet.service", "systemd/notyet.socket",
	} {
		if info, err := os.Stat(filepath.Join(dir, name, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: got %v, want it in the archive", file, err)
		}
	}
	wantLinks(t, filepath.Join(dir, name))
	runIn(t, dir, "bash", "-n", name+"/completions/bash/notyet")
	if said := runIn(t, dir, "man", "--warnings", "--local-file", name+"/man/notyet-serve.1"); !strings.Contains(said, releaseVersion) || strings.Contains(said, "warning") {
		t.Errorf("man notyet-serve: got %q, want the version and no warning", said)
	}
	var bill struct {
		BOMFormat  string
		Components []struct{ PURL string }
	}
	text, err := os.ReadFile(filepath.Join(firstRelease(), name+".cdx.json"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := json.Unmarshal(text, &bill); err != nil || bill.BOMFormat != "CycloneDX" {
		t.Errorf("bill of materials: got %v and %q", err, bill.BOMFormat)
	}
	modules := runIn(t, dir, "go", "version", "-m", program)
	for _, c := range bill.Components {
		module, version, _ := strings.Cut(strings.TrimPrefix(c.PURL, "pkg:golang/"), "@")
		if module != "std" && !strings.Contains(modules, "\tdep\t"+module+"\t"+version+"\t") {
			t.Errorf("the bill of materials has %s, and the program has not", c.PURL)
		}
	}
	if got, want := len(bill.Components), 1+strings.Count(modules, "\tdep\t"); got != want {
		t.Errorf("got %d components, want %d: the modules and the standard library", got, want)
	}
}

// markdownLink is one up to its anchor.
var markdownLink = regexp.MustCompile(`\]\(([^)#\s]+)`)

// wantLinks wants what the documents in a directory lead to to be in it.
func wantLinks(t *testing.T, dir string) {
	t.Helper()
	links := 0
	for _, file := range files(t, dir) {
		if filepath.Ext(file) != ".md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatalf("%v", err)
		}
		for _, found := range markdownLink.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			links++
			if to := filepath.Join(filepath.Dir(file), found[1]); !filepath.IsLocal(to) {
				t.Errorf("%s leads to %s, which is outside", file, found[1])
			} else if _, err := os.Stat(filepath.Join(dir, to)); err != nil {
				t.Errorf("%s leads to %s: %v", file, found[1], err)
			}
		}
	}
	if links < 10 {
		t.Errorf("got %d links in %s, want those of the README", links, dir)
	}
}
