//go:build linux

package testbed

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// An Owner is who servers are started for and whose end is theirs: a *testing.T or a *Program.
type Owner interface {
	Helper()
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
	Cleanup(func())
	TempDir() string
}

// A Program is an Owner that is not a test. Its methods are safe for concurrent use.
type Program struct {
	mu       sync.Mutex // guards the fields below
	failed   bool
	cleanups []func()
}

// Helper does nothing: a Program names no source lines.
func (p *Program) Helper() {}

// Failed tells whether Errorf or Fatalf was called.
func (p *Program) Failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// Logf writes a line to standard error.
func (p *Program) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// Errorf writes a line to standard error and marks the program as failed.
func (p *Program) Errorf(format string, args ...any) {
	p.mu.Lock()
	p.failed = true
	p.mu.Unlock()
	p.Logf(format, args...)
}

// Fatalf writes a line to standard error, cleans up and ends the process with exit code 1.
func (p *Program) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	p.Close()
	os.Exit(1)
}

// Cleanup has f called by Close, the last one first.
func (p *Program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

// TempDir returns a new directory that Close removes.
func (p *Program) TempDir() string {
	dir, err := os.MkdirTemp("", "notyet-")
	if err != nil {
		p.Fatalf("%v", err)
	}
	p.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Close ends all that was started for p. A second call does nothing.
func (p *Program) Close() {
	p.mu.Lock()
	cleanups := p.cleanups
	p.cleanups = nil
	p.mu.Unlock()
	for _, f := range slices.Backward(cleanups) {
		f()
	}
}

// Until waits until done says true; when that takes longer than timeout, o fails with what was waited for.
func Until(o Owner, timeout time.Duration, what string, done func() bool) {
	o.Helper()
	if !Within(timeout, done) {
		o.Fatalf("waited %v for %s", timeout, what)
	}
}

// Within tells whether done came to say true within timeout.
func Within(timeout time.Duration, done func() bool) bool {
	deadline := time.After(timeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if done() {
			return true
		}
		select {
		case <-tick.C:
		case <-deadline:
			return done()
		}
	}
}
