//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"notyet/e2e/testbed"
)

// TestShellOfDeployPassesShellcheck covers the scripts, and what stands in YAML.
func TestShellOfDeployPassesShellcheck(t *testing.T) {
	t.Parallel()
	shellcheck := testbed.Look(t, "shellcheck")
	check := func(name, script string) {
		cmd := exec.Command(shellcheck, "--norc", "--severity=style", "-")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	script, err := os.ReadFile(sidecar)
	if err != nil {
		t.Fatal(err)
	}
	check(sidecar, string(script))
	for _, dir := range []string{githubAction, githubSummary} {
		for _, step := range readAction(t, dir).Runs.Steps {
			check(dir+": "+step.Name, "#!/bin/"+step.Shell+" -e\n"+step.Run)
		}
	}
	for _, name := range []string{"test beside notyet", "test with a notyet service"} {
		job := readGitLab(t, name)
		check(name, "#!/bin/sh -e\n"+strings.Join(append(job.BeforeScript, job.Script...), "\n"))
	}
}
