//go:build e2e && linux

package e2e

import (
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
)

// compose is what Compose reads of notyet.
type compose struct {
	Services map[string]struct {
		Command     []string
		Sysctls     map[string]string
		CapDrop     []string `yaml:"cap_drop"`
		ReadOnly    bool     `yaml:"read_only"`
		Healthcheck struct{ Test []string }
	}
}

func readCompose(t *testing.T) (c compose) {
	t.Helper()
	text, err := os.ReadFile("../deploy/ci/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}
