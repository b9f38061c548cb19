//go:build e2e && linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// shells are those that the script is for.
var shells = []string{"dash", "bash --posix", "busybox sh"}

// sidecarUses are all of the script's.
var sidecarUses = [][]string{{"start"}, {"stop"}, {"run", "true"}, {"point", "192.0.2.1"}}

// wantRefused wants a use of the script to fail with these words, and to leave resolv.conf and the directory of the job as they
// are.
func (m *machine) wantRefused(t *testing.T, env, use []string, want string) {
	t.Helper()
	const look = `cat /etc/resolv.conf; ls -lR; find . -type f -exec cat {} +`
	before := m.must(t, nil, "sh", "-c", look)
	for _, shell := range shells {
		got := m.do(t, env, append(append(strings.Fields(shell), absolute(t, sidecar)), use...)...)
		if got.code != 1 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %q: got exit code %d and %q, want 1 and %q", shell, use, got.code, got.stderr, want)
		}
		if after := m.must(t, nil, "sh", "-c", look); after != before {
			t.Errorf("%s: %q: got\n%s, want it as it was:\n%s", shell, use, after, before)
		}
	}
}

func TestSidecarTouchesNoDirectoryThatItDidNotMake(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "mkdir -m 755 precious; echo x >precious/thesis.txt; echo old >precious/log; mkdir -m 755 precious/original")
	env, _ := sidecarFor(t)
	env = append(env, "NOTYET_DIR="+m.dir+"/precious")
	for _, use := range sidecarUses {
		want := "precious exists and is not notyet's: set NOTYET_DIR"
		if use[0] == "stop" {
			want = "precious is not notyet's, so nothing in it is read or changed"
		}
		m.wantRefused(t, env, use, want)
	}
}

// TestSidecarReadsNoDirectoryOfAnother has one at a name that can be guessed, with what stop would run and write.
func TestSidecarReadsNoDirectoryOfAnother(t *testing.T) {
	t.Parallel()
	const fill = `mkdir -m 755 notyet; cd notyet; for f in made-by-sidecar.sh log; do : >$f; done
printf '#!/bin/sh\ntouch %s/witness\n' "$PWD" >run; chmod 755 run; echo "$PWD/run" >binary; echo unix:///none >admin
cp /etc/resolv.conf resolv.conf; echo nameserver 192.0.2.66 >original; cd ..;`
	for _, test := range []struct{ name, prepare, dir, want string }{
		{"another user's", "chown -R 65534 notyet", "notyet", "notyet belongs to another user"},
		{"another user's directory that is ours", "chown -R 65534 notyet/*; chmod 777 notyet", "notyet", "notyet can be written to by other users"},
		{"a group's", "chmod 775 notyet", "notyet/", "notyet can be written to by other users"},
		{"a link", "mv notyet ours; ln -s ours notyet", "notyet", "notyet is a symbolic link"},
		{"a link with a slash", "mv notyet ours; ln -s ours notyet", "notyet//", "notyet is a symbolic link"},
		{"a link to nothing", "rm -r notyet; ln -s nothing notyet", "notyet", "notyet is a symbolic link"},
		{"a file", "rm -r notyet; : >notyet", "notyet", "notyet is not a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := startMachine(t, machineText, fill+test.prepare)
			env, _ := sidecarFor(t)
			for _, use := range sidecarUses {
				m.wantRefused(t, append(env, "NOTYET_DIR="+m.dir+"/"+test.dir), use, test.want)
			}
		})
	}
}

func TestSidecarOfAnotherUserIsLeftToThem(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "")
	env := []string{"NOTYET_LISTEN=" + nobody(t).String(), "NOTYET_UPSTREAMS=" + watching().unbound.Addr.String(), "NOTYET_RESOLV_CONF=false"}
	m.uid = nobodyID
	m.must(t, env, "sh", absolute(t, sidecar), "start")
	m.uid = 0
	if got := m.do(t, nil, "sh", absolute(t, sidecar), "stop"); got.code != 1 || !strings.Contains(got.stderr, "be the user who started notyet there") {
		t.Errorf("got exit code %d and %q, want it left to the user", got.code, got.stderr)
	}
	m.uid = nobodyID
	m.must(t, nil, "sh", absolute(t, sidecar), "stop")
}

func TestSidecarLeavesWhatOthersPutIntoItsDirectory(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "")
	env, _ := sidecarFor(t)
	m.must(t, env, "sh", absolute(t, sidecar), "start")
	if got := m.must(t, nil, "stat", "-c", "%a", "notyet"); got != "700\n" {
		t.Errorf("got mode %s, want 700", got)
	}
	m.must(t, nil, "sh", "-c", "echo x >notyet/thesis.txt")
	if got := m.do(t, nil, "sh", absolute(t, sidecar), "stop"); got.code != 0 || !strings.Contains(got.stderr, "notyet stays: ") {
		t.Errorf("got exit code %d and %q, want it told", got.code, got.stderr)
	}
	if got := m.must(t, nil, "ls", "-A", "notyet"); got != "thesis.txt\n" {
		t.Errorf("got %q, want what is not notyet's", got)
	}
}

// TestSidecarTakesARelativeDirectory has the later steps find it from elsewhere.
func TestSidecarTakesARelativeDirectory(t *testing.T) {
	t.Parallel()
	m := startMachine(t, machineText, "mkdir relative; : >env; : >output; : >path")
	env, _ := sidecarFor(t)
	env = append(env, "NOTYET_DIR=relative/./dir/", "GITHUB_ENV="+m.dir+"/env", "GITHUB_OUTPUT="+m.dir+"/output", "GITHUB_PATH="+m.dir+"/path")
	m.must(t, env, "sh", absolute(t, sidecar), "start")
	want := fmt.Sprintf("NOTYET_DIR=%s/relative/./dir\nNOTYET_ADMIN=unix://%[1]s/relative/./dir/admin.sock\n", m.dir)
	if got := m.file(t, m.dir+"/env"); got != want {
		t.Errorf("got %q for later steps, want %q", got, want)
	}
	m.must(t, []string{"NOTYET_DIR=dir"}, "sh", "-c", `cd relative && exec sh "$0" stop`, absolute(t, sidecar))
	if got := m.must(t, nil, "ls", "-A", "relative"); got != "" {
		t.Errorf("left: %s", got)
	}
}
