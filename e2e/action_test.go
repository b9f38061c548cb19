//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.yaml.in/yaml/v3"
)

// An action is what GitHub reads of a composite action.
type action struct {
	Inputs  map[string]struct{ Default string }
	Outputs map[string]struct{ Value string }
	Runs    struct {
		Steps []struct {
			Name, ID, If, Shell, Run string
			Env                      map[string]string
		}
	}
}

func readAction(t *testing.T, dir string) (a action) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// A runner does for a job what GitHub's does: it has the files that steps write to, and what they wrote.
type runner struct {
	*machine
	env     []string // what earlier steps have put into GITHUB_ENV and GITHUB_PATH, and so on
	outputs map[string]string
}

func startRunner(t *testing.T) *runner {
	t.Helper()
	return &runner{machine: startMachine(t, machineText, "mkdir temp; for f in env path output summary; do : >$f; done; chmod 666 env path output summary; chmod 777 temp")}
}

// uses runs an action with these inputs and returns its outputs, and what its last step did: that which failed, if one did.
func (r *runner) uses(t *testing.T, dir string, inputs map[string]string) (map[string]string, result) {
	t.Helper()
	a := readAction(t, dir)
	r.outputs = make(map[string]string)
	for name, input := range a.Inputs {
		r.outputs["inputs."+name] = input.Default
	}
	for name, value := range inputs {
		if _, ok := a.Inputs[name]; !ok {
			t.Fatalf("%s has no input %s", dir, name)
		}
		r.outputs["inputs."+name] = value
	}
	var last result
	for _, step := range a.Runs.Steps {
		if step.If != "" && r.evaluate(t, step.If) != "true" {
			continue
		}
		env := []string{"GITHUB_ACTION_PATH=" + absolute(t, dir)}
		for name, value := range step.Env {
			env = append(env, name+"="+r.evaluate(t, value))
		}
		if last = r.step(t, env, step.Shell, step.Run); last.code != 0 {
			return nil, last
		}
		for name, value := range r.take(t, "output") {
			r.outputs["steps."+step.ID+".outputs."+name] = value
		}
	}
	outputs := make(map[string]string)
	for name, output := range a.Outputs {
		outputs[name] = r.evaluate(t, output.Value)
	}
	return outputs, last
}

// step runs a script of a step, and takes what it leaves to later ones.
func (r *runner) step(t *testing.T, env []string, shell, script string) result {
	t.Helper()
	if err := os.WriteFile(r.dir+"/script", []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	command := map[string][]string{"sh": {"sh", "-e"}, "bash": {"bash", "--noprofile", "--norc", "-eo", "pipefail"}}[shell]
	if command == nil {
		t.Fatalf("shell %q", shell)
	}
	env = append([]string{
		"NOTYET_DIR=", "GITHUB_ACTIONS=true", "RUNNER_TEMP=" + r.dir + "/temp", "GITHUB_ENV=" + r.dir + "/env", "GITHUB_PATH=" + r.dir + "/path",
		"GITHUB_OUTPUT=" + r.dir + "/output", "GITHUB_STEP_SUMMARY=" + r.dir + "/summary",
	}, append(r.env, env...)...)
	did := r.do(t, env, append(command, r.dir+"/script")...)
	for name, value := range r.take(t, "env") {
		r.env = append(r.env, name+"="+value)
	}
	if path := strings.TrimSpace(r.file(t, r.dir+"/path")); path != "" {
		r.env = append(r.env, "PATH="+path+":/usr/sbin:/usr/bin:/sbin:/bin")
	}
	return did
}

// take reads name=value lines, and empties the file.
func (r *runner) take(t *testing.T, file string) map[string]string {
	t.Helper()
	values := make(map[string]string)
	for line := range strings.Lines(r.file(t, filepath.Join(r.dir, file))) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			t.Fatalf("%s: got %q, want name=value", file, line)
		}
		values[name] = value
	}
	r.must(t, nil, "sh", "-c", `: >"$0"`, file)
	return values
}

var expression = regexp.MustCompile(`\$\{\{ (.*?) \}\}`)

// evaluate knows as much of GitHub's expressions as the actions use: a, a || b, and a == ”.
func (r *runner) evaluate(t *testing.T, text string) string {
	t.Helper()
	return expression.ReplaceAllStringFunc(text, func(e string) string {
		e = expression.FindStringSubmatch(e)[1]
		if name, ok := strings.CutSuffix(e, " == ''"); ok {
			return fmt.Sprint(r.outputs[name] == "")
		}
		for name := range strings.SplitSeq(e, " || ") {
			if strings.ContainsAny(name, " '()!") {
				t.Fatalf("expression %q is of no kind that this knows", e)
			}
			if value := r.outputs[name]; value != "" {
				return value
			}
		}
		return ""
	})
}

const (
	githubAction  = "../deploy/ci/github"
	githubSummary = "../deploy/ci/github/summary"
)

func TestGitHubActionRescuesNamesOfAJob(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, binary string }{{"given", notyetBinary}, {"built", ""}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := startRunner(t)
			qname, later := newLabel()+"."+plainZone, newLabel()+"."+plainZone
			_, at := sidecarFor(t)
			outputs, did := r.uses(t, githubAction, map[string]string{
				"names": qname + "\n", "listen": at.String(), "upstreams": watching().unbound.Addr.String(), "binary": test.binary,
				"for": "30m", "hold": "3.5s", "flags": "--log debug",
			})
			if did.code != 0 {
				t.Fatalf("got exit code %d: %s%s", did.code, did.stdout, did.stderr)
			}
			if outputs["address"] != at.String() || !strings.HasPrefix(outputs["admin"], "unix://"+r.dir+"/temp/") {
				t.Errorf("got outputs %v", outputs)
			}
			if text := r.file(t, outputs["log"]); !strings.Contains(text, "msg=listening") {
				t.Errorf("got log %q, want that it listens", text)
			}
			wantRescue(t, r.machine, qname)
			// A later step finds the program and its server by itself.
			did = r.step(t, nil, "bash", "notyet watch list && notyet watch add "+later)
			if did.code != 0 || !regexp.MustCompile(`(?m)^`+qname+` +in (29|30)m.* 3\.5s `).MatchString(did.stdout) {
				t.Errorf("later: got exit code %d and %q, %q", did.code, did.stdout, did.stderr)
			}
			if _, did = r.uses(t, githubSummary, nil); did.code != 0 {
				t.Fatalf("summary: got exit code %d: %s", did.code, did.stderr)
			}
			if text := r.file(t, r.dir+"/summary"); !row(qname).MatchString(text) {
				t.Errorf("got summary %q, want a row for %s", text, qname)
			}
			if got := r.file(t, "/etc/resolv.conf"); got != machineText {
				t.Errorf("got resolv.conf %q, want %q", got, machineText)
			}
			if left := r.left(t); strings.Contains(left, "notyet") {
				t.Errorf("left: %s", left)
			}
		})
	}
}

func TestGitHubActionLeavesResolvConfAlone(t *testing.T) {
	t.Parallel()
	r := startRunner(t)
	at := nobody(t)
	outputs, did := r.uses(t, githubAction, map[string]string{
		"listen": at.String(), "upstreams": watching().unbound.Addr.String(), "binary": notyetBinary, "resolv-conf": "false",
	})
	if did.code != 0 || outputs["address"] != at.String() {
		t.Fatalf("got exit code %d and outputs %v: %s", did.code, outputs, did.stderr)
	}
	over(t, "udp", at, ask("www."+plainZone, dns.TypeA))
	if got := r.file(t, "/etc/resolv.conf"); got != machineText {
		t.Errorf("got resolv.conf %q, want %q", got, machineText)
	}
	if _, did = r.uses(t, githubSummary, nil); did.code != 0 || !strings.Contains(did.stdout, "nothing to rescue") {
		t.Errorf("summary: got exit code %d and %q, %q", did.code, did.stdout, did.stderr)
	}
}

func TestGitHubActionThatFailsLeavesNothingToItsSummary(t *testing.T) {
	t.Parallel()
	r := startRunner(t)
	_, did := r.uses(t, githubAction, map[string]string{"binary": notyetBinary, "hold": "90s", "names": plainZone, "listen": nobody(t).String(), "resolv-conf": "false"})
	if did.code == 0 || !strings.Contains(did.stderr, "write a duration from 0s to 10s") {
		t.Errorf("got exit code %d and %q, want the bad input told", did.code, did.stderr)
	}
	if _, did = r.uses(t, githubSummary, nil); did.code != 0 {
		t.Errorf("summary: got exit code %d and %q, want no second failure", did.code, did.stderr)
	}
}
