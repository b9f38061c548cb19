//go:build linux

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

var (
	//go:embed floor.c
	floorSource []byte
	//go:embed collect.go.txt
	collectSource []byte
)

// builtIn says where the programs that are built for the run will be.
func builtIn(dir string) paths {
	return paths{notyet: filepath.Join(dir, "notyet"), constant: filepath.Join(dir, "constant"), floor: filepath.Join(dir, "floor")}
}

// build makes those of the programs that are among peers.
func build(ctx context.Context, dir string, peers []peer) error {
	built := builtIn(dir)
	for _, p := range peers {
		var cmd *exec.Cmd
		switch p.binary {
		case built.notyet:
			cmd = exec.CommandContext(ctx, "go", "build", "-o", built.notyet, "notyet/cmd/notyet")
		case built.constant:
			cmd = exec.CommandContext(ctx, "go", "build", "-o", built.constant, "notyet/bench/constant")
		case built.floor:
			source := filepath.Join(dir, "floor.c")
			if err := os.WriteFile(source, floorSource, 0o600); err != nil {
				return err
			}
			cmd = exec.CommandContext(ctx, "gcc", "-O2", "-o", built.floor, source)
		default:
			continue
		}
		if _, err := output(cmd); err != nil {
			return err
		}
	}
	return nil
}

// buildCollecting makes a notyet that collects its garbage again and again once it is told to, and returns its path.
func buildCollecting(ctx context.Context, dir string) (string, error) {
	root, err := output(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "notyet"))
	if err != nil {
		return "", err
	}
	source, overlay, program := filepath.Join(dir, "collect.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "collecting")
	// What "go help build" says of -overlay: files that are not there take the place of those that are, or come in addition.
	files, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(string(bytes.TrimSpace(root)), "cmd", "notyet", "collect.go"): source},
	})
	if err != nil {
		return "", err
	}
	for path, text := range map[string][]byte{source: collectSource, overlay: files} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return "", err
		}
	}
	_, err = output(exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", program, "notyet/cmd/notyet"))
	return program, err
}

// output runs a command and returns what it printed; its error says so too.
func output(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return out, nil
}
