package ci_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// action is the metadata of a GitHub action, with all the keys that ours may have.
type action struct {
	Name, Description string
	Inputs            map[string]struct{ Description, Default string }
	Outputs           map[string]struct{ Description, Value string }
	Runs              struct {
		Using string
		Steps []struct {
			Name, ID, If, Shell, Run string
			Env                      map[string]string
		}
	}
}

// decode reads a file in which nothing is unknown.
func decode(t *testing.T, path string, to any) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(text)
}

var (
	expression = regexp.MustCompile(`\$\{\{(.*?)\}\}`)
	input      = regexp.MustCompile(`\binputs\.([a-z-]+)`)
	output     = regexp.MustCompile(`\bsteps\.([a-z-]+)\.outputs\.([a-z-]+)`)
	file       = regexp.MustCompile(`"\$GITHUB_ACTION_PATH/([^"]+)"`)
)

func TestGitHubActionsAreWhole(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("sidecar.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"github", "github/summary"} {
		var a action
		text := decode(t, filepath.Join(dir, "action.yml"), &a)
		if a.Name == "" || a.Description == "" || a.Runs.Using != "composite" || len(a.Runs.Steps) == 0 {
			t.Errorf("%s: got %+v, want a composite action with a name, a description and steps", dir, a)
		}
		written := map[string]string{"start": string(script)} // what a step may write its outputs in
		for _, step := range a.Runs.Steps {
			if step.Run == "" || step.Shell == "" || step.Name == "" {
				t.Errorf("%s: step %q: want a name, run and shell", dir, step.Name)
			}
			if strings.Contains(step.Run, "${{") {
				t.Errorf("%s: step %q: an input in run is code: hand it over in env", dir, step.Name)
			}
			written[step.ID] += step.Run
			for _, m := range file.FindAllStringSubmatch(step.Run, -1) {
				if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
					t.Errorf("%s: step %q: %v", dir, step.Name, err)
				}
			}
			for variable := range step.Env {
				if strings.HasPrefix(variable, "NOTYET_") && !strings.Contains(string(script), "{"+variable+":-") {
					t.Errorf("%s: step %q: the script knows no %s", dir, step.Name, variable)
				}
			}
		}
		used := make(map[string]bool)
		for _, e := range expression.FindAllStringSubmatch(text, -1) {
			for _, m := range input.FindAllStringSubmatch(e[1], -1) {
				used[m[1]] = true
				if _, ok := a.Inputs[m[1]]; !ok {
					t.Errorf("%s: %s: there is no input %s", dir, e[0], m[1])
				}
			}
			for _, m := range output.FindAllStringSubmatch(e[1], -1) {
				if !strings.Contains(written[m[1]], `"`+m[2]+"=") {
					t.Errorf("%s: %s: step %q writes no %s", dir, e[0], m[1], m[2])
				}
			}
		}
		for name, in := range a.Inputs {
			if in.Description == "" || !used[name] {
				t.Errorf("%s: input %s: want it described and used", dir, name)
			}
		}
		for name, out := range a.Outputs {
			if out.Description == "" || !output.MatchString(out.Value) {
				t.Errorf("%s: output %s: want it described, and a step's", dir, name)
			}
		}
	}
}
