package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfigurationsOfTheReadme checks each of them, and that the faults which are shown behind one are those that it has.
func TestConfigurationsOfTheReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "notyet.yaml")
	good, bad := 0, 0
	for block, rest := nextBlock(string(text), "yaml"); block != ""; block, rest = nextBlock(rest, "yaml") {
		if strings.HasPrefix(block, "- ") {
			continue // the steps of a workflow
		}
		if err := os.WriteFile(path, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"check", "--config", path}, &stdout, &stderr)
		got := strings.ReplaceAll(stderr.String(), path, "notyet.yaml")
		want := shownFaults(rest)
		if got != want || (code == 0) != (want == "") {
			t.Errorf("%s\ngot exit code %d and\n%s\nwant\n%s", block, code, got, want)
		}
		if want == "" {
			good++
		} else {
			bad++
		}
	}
	if good < 2 || bad < 1 {
		t.Errorf("got %d configurations and %d with faults, want both", good, bad)
	}
}

// shownFaults is what the check that comes after a block is shown to say; "": there is none before the next block.
func shownFaults(rest string) string {
	rest, _, _ = strings.Cut(rest, "```")
	_, lines, _ := strings.Cut(rest, "    $ notyet check --config notyet.yaml\n")
	var b strings.Builder
	for line := range strings.Lines(lines) {
		line, indented := strings.CutPrefix(line, "    ")
		if !indented {
			break
		}
		b.WriteString(line)
	}
	return b.String()
}
