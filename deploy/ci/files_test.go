// Package ci_test checks the files that CI systems read.
package ci_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"notyet/config"
)

func TestGitLabJobsAreWhole(t *testing.T) {
	t.Parallel()
	type service struct {
		Name, Alias string
		Command     []string
		Variables   map[string]string
	}
	var jobs map[string]struct {
		Image        string
		Variables    map[string]string
		Services     []service
		BeforeScript []string `yaml:"before_script"`
		Script       []string
	}
	decode(t, "gitlab.yml", &jobs)
	for name, job := range jobs {
		if len(job.Script) == 0 || job.Image == "" {
			t.Errorf("%s: want a script and an image", name)
		}
		for variable, value := range job.Variables {
			if value == "" {
				t.Errorf("%s: %s is empty", name, variable)
			}
		}
		for _, s := range job.Services {
			if s.Name == "" || s.Alias == "" {
				t.Errorf("%s: got service %+v, want a name and an alias", name, s)
			}
			port := s.Variables["HEALTHCHECK_TCP_PORT"] // else the runner waits for 1053, as the image exposes it
			wantServe(t, name, s.Command, "0.0.0.0:"+port)
			if !slices.ContainsFunc(job.BeforeScript, func(line string) bool { return strings.HasSuffix(line, "sidecar.sh point "+s.Alias) }) {
				t.Errorf("%s: got %q, want the job pointed at %s", name, job.BeforeScript, s.Alias)
			}
		}
	}
}

// wantServe wants a command of the image to listen at an address, with flags that notyet takes.
func wantServe(t *testing.T, where string, command []string, listen string) {
	t.Helper()
	if len(command) == 0 || command[0] != "serve" || len(command)%2 != 1 {
		t.Errorf("%s: got command %q, want serve and flags with values", where, command)
		return
	}
	for i := 1; i < len(command); i += 2 {
		var err error
		switch value := command[i+1]; command[i] {
		case "--listen":
			_, err = config.ParseListen(value)
			if value != listen {
				t.Errorf("%s: got %s %s, want %s", where, command[i], value, listen)
			}
		case "--watch":
			_, err = config.ParseWatch(value)
		default:
			t.Errorf("%s: flag %s is not known here", where, command[i])
		}
		if err != nil {
			t.Errorf("%s: %s: %v", where, command[i], err)
		}
	}
}

func TestComposeFileIsWhole(t *testing.T) {
	t.Parallel()
	var c struct {
		Services struct {
			Notyet struct {
				Build       struct{ Context, Dockerfile string }
				Command     []string
				Sysctls     map[string]string
				CapDrop     []string `yaml:"cap_drop"`
				ReadOnly    bool     `yaml:"read_only"`
				SecurityOpt []string `yaml:"security_opt"`
				Healthcheck struct {
					Test              []string
					Interval, Timeout string
					Retries           int
				}
				Networks map[string]struct {
					Address netip.Addr `yaml:"ipv4_address"`
				}
			}
			App struct {
				Image     string
				DNS       []netip.Addr
				DependsOn map[string]struct{ Condition string } `yaml:"depends_on"`
				Networks  []string
			}
		}
		Networks map[string]struct {
			IPAM struct {
				Config []struct{ Subnet netip.Prefix }
			}
		}
	}
	decode(t, "compose.yaml", &c)
	n, app := c.Services.Notyet, c.Services.App
	if _, err := os.Stat(filepath.Join(n.Build.Context, n.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	wantServe(t, "notyet", n.Command, "0.0.0.0:53")
	if n.Sysctls["net.ipv4.ip_unprivileged_port_start"] != "53" {
		t.Errorf("got sysctls %v, want port 53 allowed", n.Sysctls)
	}
	if len(app.Networks) != 1 || len(app.DNS) != 1 || app.Image == "" {
		t.Fatalf("got app %+v, want an image, one network and one server", app)
	}
	network := app.Networks[0]
	if subnets := c.Networks[network].IPAM.Config; len(subnets) != 1 || !subnets[0].Subnet.Contains(app.DNS[0]) {
		t.Errorf("got networks %v, want %s in %s", c.Networks, app.DNS[0], network)
	}
	if got := n.Networks[network].Address; got != app.DNS[0] {
		t.Errorf("got notyet at %s, and the app asks %s", got, app.DNS[0])
	}
	if app.DependsOn["notyet"].Condition != "service_healthy" || !slices.Equal(n.Healthcheck.Test, []string{"CMD", "/notyet", "check", "--live"}) {
		t.Errorf("got %v and %v, want the app to wait until notyet is ready", app.DependsOn, n.Healthcheck)
	}
}

// TestLinksOfTheReadmeLead follows those to files.
func TestLinksOfTheReadmeLead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllStringSubmatch(string(text), -1)
	if len(links) == 0 {
		t.Error("there are none")
	}
	for _, link := range links {
		if _, err := os.Stat(link[1]); err != nil {
			t.Error(err)
		}
	}
}
