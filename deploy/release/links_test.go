package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// link is one of Markdown, up to its anchor.
var link = regexp.MustCompile(`\]\(([^)#\s]+)`)

// wantLinks wants what the documents of a release lead to to be in it. files are its files, each with the one here that it is of.
func wantLinks(t *testing.T, files map[string]string) {
	t.Helper()
	links := 0
	for name, from := range files {
		if path.Ext(name) != ".md" {
			continue
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			links++
			if to := path.Join(path.Dir(name), found[1]); files[to] == "" {
				t.Errorf("%s leads to %s, which is not there", name, to)
			}
		}
	}
	if links < 10 {
		t.Errorf("got %d links, want those of the README", links)
	}
}

// TestDocumentsOfAReleaseLeadNowhereElse is not parallel, as the files are found from the root of the repository.
func TestDocumentsOfAReleaseLeadNowhereElse(t *testing.T) {
	t.Chdir("../..")
	r := &release{work: t.TempDir()}
	for _, dir := range []string{"completions", "man"} {
		if err := os.Mkdir(filepath.Join(r.work, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range targets {
		members, err := r.members("notyet", target)
		if err != nil {
			t.Fatal(err)
		}
		files := make(map[string]string)
		for _, m := range members {
			files[m.name] = m.path
		}
		t.Run(target.String(), func(t *testing.T) { wantLinks(t, files) })
	}
}

func TestPackageHasTheDocumentsOfTheArchives(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile("deploy/debian/nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct{ Contents []struct{ Src, Dst string } }
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, c := range config.Contents {
		if name, found := strings.CutPrefix(c.Dst, "/usr/share/doc/notyet/"); found {
			files[name] = c.Src
		}
	}
	wantLinks(t, files)
	for name := range files {
		if name != "copyright" && !slices.Contains(documents, name) {
			t.Errorf("the archives have no %s", name)
		}
	}
}
