//go:build e2e && linux

package e2e

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"notyet/e2e/testbed"
)

// A gitlabJob is what a GitLab runner reads of a job.
type gitlabJob struct {
	Variables map[string]string
	Services  []struct{ Command []string }

	BeforeScript []string `yaml:"before_script"`
	Script       []string
}

func readGitLab(t *testing.T, name string) gitlabJob {
	t.Helper()
	text, err := os.ReadFile("../deploy/ci/gitlab.yml")
	if err != nil {
		t.Fatal(err)
	}
	var jobs map[string]gitlabJob
	if err := yaml.Unmarshal(text, &jobs); err != nil {
		t.Fatal(err)
	}
	job, ok := jobs[name]
	if !ok {
		t.Fatalf("there is no job %q", name)
	}
	return job
}

// startGitLab starts a machine that a job runs on as in a clone of a project that has the sidecar and a ./test.sh with this text.
func startGitLab(t *testing.T, test, prepare string) *machine {
	t.Helper()
	m := startMachine(t, machineText, prepare)
	script, err := os.ReadFile(sidecar)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{"ci/notyet/sidecar.sh": script, "test.sh": []byte("#!/bin/sh\nset -e\n" + test)} {
		m.must(t, nil, "mkdir", "-p", "ci/notyet")
		if err := os.WriteFile(m.dir+"/"+path, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.must(t, nil, "cp", notyetBinary, "notyet-linux")
	return m
}

// gitlab runs the scripts of a job in one shell, as a runner does.
func (m *machine) gitlab(t *testing.T, job gitlabJob, env ...string) result {
	t.Helper()
	for name, value := range job.Variables {
		env = append([]string{name + "=" + os.Expand(value, func(v string) string { return map[string]string{"CI_MERGE_REQUEST_IID": "7"}[v] })}, env...)
	}
	return m.do(t, env, "sh", "-c", "set -e\n"+strings.Join(append(job.BeforeScript, job.Script...), "\n"))
}

func TestGitLabJobBesideNotyet(t *testing.T) {
	t.Parallel()
	m := startGitLab(t, `cat /etc/resolv.conf; ./notyet-linux watch list`, "")
	job := readGitLab(t, "test beside notyet")
	if got := job.Variables["NOTYET_BINARY"]; got != "./notyet" {
		t.Fatalf("got NOTYET_BINARY %q, want ./notyet", got)
	}
	env, at := sidecarFor(t)
	got := m.gitlab(t, job, append(env, "NOTYET_BINARY=./notyet-linux")...)
	for _, want := range []string{"nameserver " + at.Addr().String() + "\n", "\npr-7.preview.example.com  in "} {
		if got.code != 0 || !strings.Contains(got.stdout, want) {
			t.Errorf("got exit code %d and %q, %q, want %q", got.code, got.stdout, got.stderr, want)
		}
	}
	if !strings.Contains(got.stderr, "### notyet") {
		t.Errorf("got %q, want the summary", got.stderr)
	}
}

// TestGitLabJobWithAService has notyet on an address that has the service's alias. Its watch is for another zone than the bed's.
func TestGitLabJobWithAService(t *testing.T) {
	t.Parallel()
	job := readGitLab(t, "test with a notyet service")
	at := netip.AddrPortFrom(testbed.Address(t), testbed.DNSPort)
	qname := newLabel() + "." + plainZone
	serve := strings.NewReplacer("0.0.0.0:53", at.String(), "preview.example.com", plainZone)
	args := []string{"--upstream", watching().unbound.Addr.String(), "--admin", ""}
	for _, word := range job.Services[0].Command {
		args = append(args, serve.Replace(word))
	}
	// The command comes first, then what it leaves to the container.
	n := testbed.Start(t, notyetBinary, append(args[4:], args[:4]...)...)
	testbed.Until(t, patience, "the service", func() bool { return strings.Contains(n.Stderr(), "listening") })

	m := startGitLab(t, "getent ahostsv4 "+qname+" || getent ahostsv4 "+qname, "echo '"+at.Addr().String()+" notyet' >>etc/hosts")
	if err := watching().add(qname + ". 60 A 192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	got := m.gitlab(t, job)
	if got.code != 0 || !strings.Contains(got.stdout, "192.0.2.7") {
		t.Errorf("got exit code %d and %q, %q, want the address", got.code, got.stdout, got.stderr)
	}
	if got, want := m.file(t, "/etc/resolv.conf"), "nameserver "+at.Addr().String()+"\nsearch corp.example\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got resolv.conf %q, want %q", got, want)
	}
	missing := "no-such-service." + otherZone + "."
	if got := m.do(t, []string{"NOTYET_DIR=" + m.dir + "/other"}, "sh", "ci/notyet/sidecar.sh", "point", missing); got.code != 1 || !strings.Contains(got.stderr, missing+" has no address") {
		t.Errorf("got exit code %d and %q, want it told", got.code, got.stderr)
	}
	m.must(t, nil, "sh", "ci/notyet/sidecar.sh", "stop")
	if got := m.file(t, "/etc/resolv.conf"); got != machineText {
		t.Errorf("got resolv.conf %q after stop, want %q", got, machineText)
	}
	if got := m.must(t, nil, "ls"); strings.Contains(got, "notyet\n") || strings.Contains(got, "other") {
		t.Errorf("left: %s", got)
	}
}
