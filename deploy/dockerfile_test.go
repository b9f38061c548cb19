// Package deploy_test checks the files that are for engines.
package deploy_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// stage is one of a Dockerfile.
type stage struct {
	from, name string
	lines      []string // the other instructions
}

func stages(t *testing.T) (all []stage) {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.ReplaceAll(string(text), "\\\n", " ")
	for line := range strings.Lines(whole) {
		line = strings.TrimSpace(line)
		switch words := strings.Fields(line); {
		case line == "" || line[0] == '#':
		case words[0] == "FROM":
			words = strings.Fields(strings.ReplaceAll(line, "--platform=$BUILDPLATFORM ", "") + " AS last")
			all = append(all, stage{from: words[1], name: words[3]})
		default:
			all[len(all)-1].lines = append(all[len(all)-1].lines, line)
		}
	}
	return all
}

func TestImageHasNothingButNotyetAndIsNotRoots(t *testing.T) {
	t.Parallel()
	all := stages(t)
	base, last := all[0], all[len(all)-1]
	if base.from != "scratch" || last.from != base.name {
		t.Errorf("got an image from %s, which is from %s, want it from scratch", last.from, base.from)
	}
	if len(last.lines) != 1 || last.lines[0] != "COPY --from=build /image /" {
		t.Errorf("got %q, want what was built for the image and nothing else", last.lines)
	}
	var user string
	for _, line := range base.lines {
		if u, ok := strings.CutPrefix(line, "USER "); ok {
			user, _, _ = strings.Cut(u, ":")
		}
	}
	// Kubernetes' runAsNonRoot wants a number.
	if id, err := strconv.Atoi(user); err != nil || id == 0 {
		t.Errorf("got user %q, want a number that is not root's", user)
	}
	// Builders make the stages up to the one they are asked for, and "prebuilt" is for those that have no network.
	if all[1].name != "prebuilt" || all[1].from != base.name {
		t.Errorf("got %+v, want prebuilt before anything that has to be fetched", all[1])
	}
}

func TestImageIsBuiltByTheGoOfTheModule(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))[1]
	for _, s := range stages(t) {
		if s.name == "build" && s.from != "golang:"+version {
			t.Errorf("got %s, want the version of go.mod, %s", s.from, version)
		}
	}
}

// TestRecipeOfThePrebuiltImageLeavesTheCloneClean finds the directory that it makes among what git is to ignore.
func TestRecipeOfThePrebuiltImageLeavesTheCloneClean(t *testing.T) {
	t.Parallel()
	recipe, err := os.ReadFile("container.md")
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`(?m)^    .* go build .* -o (\w+)/notyet `).FindSubmatch(recipe)
	if made == nil {
		t.Fatal("container.md builds no notyet into a directory")
	}
	if want := "\n/" + string(made[1]) + "/\n"; !strings.Contains(string(ignored), want) {
		t.Errorf("got .gitignore\n%s, want %q in it", ignored, want)
	}
}
