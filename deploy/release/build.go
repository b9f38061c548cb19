package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// build builds the program for a platform and returns its path. Nothing of this machine gets into it: no paths, no C
// library, no commit that only some copies of the source know.
func (r *release) build(ctx context.Context, t target) (string, error) {
	program := filepath.Join(r.work, t.os+"-"+t.arch, "notyet")
	if t.os == "windows" {
		program += ".exe"
	}
	cmd := command(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid= -X main.stamped="+r.version, "-o", program, "./cmd/notyet")
	// The oldest processors that Go knows, whatever this environment prefers.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=")
	return program, cmd.Run()
}

// shells are those that there are completions for, with the name that each looks for.
var shells = map[string]string{"bash": "notyet", "zsh": "_notyet", "fish": "notyet.fish"}

// document has the program say what is written about it: manual pages and completions.
func (r *release) document(ctx context.Context) error {
	program, err := r.build(ctx, target{runtime.GOOS, runtime.GOARCH})
	if err != nil {
		return err
	}
	manual := filepath.Join(r.work, "man")
	if err := os.Mkdir(manual, 0o755); err != nil {
		return err
	}
	if err := command(ctx, program, "man", manual).Run(); err != nil {
		return fmt.Errorf("manual: %w", err)
	}
	if err := compress(manual, filepath.Join(r.work, "man1")); err != nil {
		return err
	}
	for shell, name := range shells {
		script, err := exec.CommandContext(ctx, program, "completion", shell).Output()
		if err != nil {
			return fmt.Errorf("completion for %s: %w", shell, err)
		}
		path := filepath.Join(r.work, "completions", shell, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, script, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compress writes the files of a directory into another one as Debian has its manual pages.
func compress(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, entry.Name()+".gz"), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// command is one whose output goes where ours does.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd
}
