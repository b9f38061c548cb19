//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"notyet/e2e/testbed"
)

// exposure is the highest that systemd-analyze may find, of 10. What it counts is mostly the network, which a name server needs.
const exposure = "1.3"

// units are copies of the units, for the notyet under test.
func units(t *testing.T) (service, socket string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"notyet.service", "notyet.socket"} {
		text, err := os.ReadFile(filepath.Join("..", "deploy", "systemd", name))
		if err != nil {
			t.Fatalf("%v", err)
		}
		text = []byte(strings.ReplaceAll(string(text), "=/usr/bin/notyet ", "="+notyetBinary+" "))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatalf("%v", err)
		}
	}
	return filepath.Join(dir, "notyet.service"), filepath.Join(dir, "notyet.socket")
}

func TestSystemdFindsNoFaultInTheUnits(t *testing.T) {
	t.Parallel()
	service, socket := units(t)
	out, err := exec.Command(testbed.Look(t, "systemd-analyze"), "verify", "--man=no", service, socket).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: got %v, want nothing to be said:\n%s", err, out)
	}
}

func TestServiceIsExposedToLittle(t *testing.T) {
	t.Parallel()
	service, _ := units(t)
	cmd := exec.Command(testbed.Look(t, "systemd-analyze"), "security", "--offline=true", "--no-pager",
		"--threshold="+strings.ReplaceAll(exposure, ".", ""), service)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v:\n%s", err, out)
	}
	score := regexp.MustCompile(`Overall exposure level for notyet\.service: (\S+)`).FindStringSubmatch(string(out))
	if score == nil || score[1] != exposure {
		t.Errorf("got exposure %q, want %s; say the better one here:\n%s", score, exposure, out)
	}
}

// TestServiceStartsWithTheFileOfThePackage takes the command line of the unit and the configuration of the package.
func TestServiceStartsWithTheFileOfThePackage(t *testing.T) {
	t.Parallel()
	service, _ := units(t)
	text, err := os.ReadFile(service)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for key, want := range map[string]string{
		"ExecStart": " serve --config /etc/notyet/notyet.yaml", "ExecReload": " check --config /etc/notyet/notyet.yaml",
	} {
		if !strings.Contains(string(text), key+"="+notyetBinary+want+"\n") {
			t.Errorf("got no %s with %q:\n%s", key, want, text)
		}
	}
	file, err := filepath.Abs("../deploy/debian/notyet.yaml")
	if err != nil {
		t.Fatalf("%v", err)
	}
	out, err := exec.Command(notyetBinary, "check", "--config", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "state: /var/lib/notyet\n") || !strings.Contains(string(out), "snapshot: /var/cache/notyet/") {
		t.Errorf("notyet check --config %s: got %v and\n%s", file, err, out)
	}
	// Comments that are settings have to be good ones.
	given, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v", err)
	}
	commented := regexp.MustCompile(`(?m)^#resolv_conf: .*NetworkManager.*$`).ReplaceAllString(string(given), "")
	commented = regexp.MustCompile(`(?m)^#(\S|  )`).ReplaceAllString(commented, "$1")
	commented = regexp.MustCompile(`(?m)^# .*$`).ReplaceAllString(commented, "")
	whole := filepath.Join(t.TempDir(), "notyet.yaml")
	if err := os.WriteFile(whole, []byte(commented), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	out, err = exec.Command(notyetBinary, "check", "--config", whole).CombinedOutput()
	for _, want := range []string{"zone: preview.example.com.", "hold: 4s", "resolv_conf: /run/systemd/resolve/resolv.conf"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("with all that is commented out: got %v, want %q in\n%s\nof\n%s", err, want, out, commented)
		}
	}
}
