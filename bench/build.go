//go:build linux

package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed floor.c
var floorSource []byte

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
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
		}
	}
	return nil
}
