package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDebianVersionsSortAsReleasesDo(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"v1.2.3":                  "1.2.3",
		"v1.2.3-rc.1":             "1.2.3~rc.1",       // before 1.2.3
		"v1.2.3-4-gabc1234":       "1.2.3+4.gabc1234", // behind it
		"v1.2.3-rc.1-4-gabc1234":  "1.2.3~rc.1+4.gabc1234",
		"v1.2.3-4-gabc1234-dirty": "1.2.3+4.gabc1234+dirty",
		"v0.0.0-0-gabc1234":       "0.0.0+0.gabc1234",
	} {
		if got := debianVersion(version); got != want {
			t.Errorf("%s: got %s, want %s", version, got, want)
		}
	}
}

func TestVersionThatIsNoneIsTold(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.2.3", "v1.2", "v1.2.3/../..", "v1.2.3 4", "latest"} {
		if _, err := chooseVersion(t.Context(), version); err == nil || !strings.Contains(err.Error(), "v1.2.3") {
			t.Errorf("%q: got %v, want the remedy", version, err)
		}
	}
	if got, err := chooseVersion(t.Context(), "v10.0.0-rc.1+a"); err != nil || got != "v10.0.0-rc.1+a" {
		t.Errorf("got %s and %v", got, err)
	}
}

func TestTargetsAreChosenByName(t *testing.T) {
	t.Parallel()
	got, err := choose("windows/arm64,linux/amd64")
	if want := []target{{"windows", "arm64"}, {"linux", "amd64"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v and %v, want %v", got, err, want)
	}
	if _, err := choose("plan9/386"); err == nil || !strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("got %v, want what there is to choose from", err)
	}
}

func TestOnlyAnEarlierReleaseIsRemoved(t *testing.T) {
	t.Parallel()
	r := &release{out: filepath.Join(t.TempDir(), "dist")}
	put := func(name string) {
		if err := os.WriteFile(filepath.Join(r.out, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.clear(); err != nil {
		t.Fatalf("a directory that is not there: %v", err)
	}
	put("notyet-1.2.3-linux-amd64.tar.gz")
	put(sums)
	if err := r.clear(); err != nil {
		t.Fatalf("an earlier release: %v", err)
	}
	if left, err := os.ReadDir(r.out); err != nil || len(left) > 0 {
		t.Errorf("got %v and %v left, want nothing", left, err)
	}
	put("notyet-1.2.3-linux-amd64.tar.gz")
	put("thesis.tex")
	if err := r.clear(); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("got %v, want it to say that thesis.tex is in the way", err)
	}
	if left, err := os.ReadDir(r.out); err != nil || len(left) != 2 {
		t.Errorf("got %v and %v left, want both files", left, err)
	}
}

func TestArchivesKeepNothingOfTheirFilesButContentAndMode(t *testing.T) {
	t.Parallel()
	date := time.Unix(1_700_000_000, 0).UTC()
	for name, write := range map[string]func(io.Writer, string, []member, time.Time) error{"tar": writeTar, "zip": writeZip} {
		var archives [2]bytes.Buffer
		for i := range archives {
			file := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(file, []byte("program"), []os.FileMode{0o600, 0o777}[i]); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, time.Time{}, time.Unix(int64(i)*1_000_000, 0)); err != nil {
				t.Fatal(err)
			}
			if err := write(&archives[i], "dir", []member{{"bin/program", file, 0o755}}, date); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(archives[0].Bytes(), archives[1].Bytes()) {
			t.Errorf("%s: got other bytes of a file with another mode and time", name)
		}
	}
}

func TestBillNamesEveryModule(t *testing.T) {
	t.Parallel()
	b := billOf(&debug.BuildInfo{
		GoVersion: "go1.26.0", Main: debug.Module{Path: "notyet", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "example.com/a", Version: "v1.0.0", Sum: "h1:a="},
			{Path: "example.com/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/c", Version: "v2.0.0"}},
		},
		Settings: []debug.BuildSetting{{Key: "-trimpath", Value: "true"}, {Key: "GOARCH", Value: "arm64"}, {Key: "GOOS", Value: "linux"}},
	}, "v1.2.3", time.Unix(0, 0).UTC())
	var got []string
	for _, c := range b.Components {
		got = append(got, c.PURL)
	}
	if want := []string{"pkg:golang/std@1.26.0", "pkg:golang/example.com/a@v1.0.0", "pkg:golang/example.com/c@v2.0.0"}; !slices.Equal(got, want) {
		t.Errorf("got components %q, want %q", got, want)
	}
	if !slices.Equal(b.Dependencies[0].DependsOn, got) || b.Dependencies[0].Ref != b.Metadata.Component.Ref {
		t.Errorf("got dependencies %+v, want the program's to be all components", b.Dependencies)
	}
	if got := b.Metadata; got.Timestamp != "1970-01-01T00:00:00Z" || got.Component.Version != "v1.2.3" || len(got.Component.Properties) != 2 {
		t.Errorf("got %+v, want the version, the date that is given and the platform", got)
	}
}
