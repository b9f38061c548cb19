//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// bench is one run: every program is started, warmed, measured and ended in turn, so only
// one of them is there at any moment.
type bench struct {
	dir       string
	cpus      placement
	length    time.Duration // of a load that has no end
	authority *authority
	realtime  bool // programs may go before all else on their CPU
	progress  io.Writer
}

// server is a program that is measured.
type server struct {
	*process
	addr netip.AddrPort
	dir  string        // its files
	took time.Duration // from its start to its first answer
}

// begin starts p with nothing in its cache, on cpus, and waits until it answers. What s leaves out is filled in.
func (b *bench) begin(ctx context.Context, p peer, cpus string, s setting) (*server, error) {
	var err error
	if s.dir, err = os.MkdirTemp(b.dir, p.name+"-"); err != nil {
		return nil, err
	}
	srv, err := b.beginIn(ctx, p, cpus, s)
	if err != nil {
		os.RemoveAll(s.dir)
		return nil, err
	}
	return srv, nil
}

func (b *bench) beginIn(ctx context.Context, p peer, cpus string, s setting) (*server, error) {
	var err error
	if s.at, err = freeAddr(); err != nil {
		return nil, err
	}
	s.upstream = b.authority.addr
	file := filepath.Join(s.dir, p.name+".conf")
	if p.config != nil {
		if err := os.WriteFile(file, []byte(p.config(s)), 0o600); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	proc, err := start(ctx, cpus, filepath.Join(s.dir, "log"), p.binary, p.args(s, file)...)
	if err != nil {
		return nil, err
	}
	if err := proc.waitAnswer(ctx, s.at); err != nil {
		proc.stop()
		return nil, err
	}
	return &server{process: proc, addr: s.at, dir: s.dir, took: time.Since(began)}, nil
}

// end ends the program and removes its files.
func (s *server) end() {
	s.stop()
	os.RemoveAll(s.dir)
}

// perf asks addr what p says, from the load's CPU.
func (b *bench) perf(ctx context.Context, addr netip.AddrPort, p perf) (load, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit+20*time.Second) // dnsperf waits 5 s for the last answers
	defer cancel()
	cmd, err := command(ctx, b.cpus.load, "dnsperf", p.args(addr)...)
	if err != nil {
		return load{}, err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("dnsperf: %w\n%s", err, out)
	}
	return parseLoad(string(out))
}

// warm asks addr every question once, as p says, so that the answers are in its cache.
func (b *bench) warm(ctx context.Context, addr netip.AddrPort, names questions, p perf) (load, error) {
	var err error
	if p.file, err = names.write(b.dir); err != nil {
		return load{}, err
	}
	p.once = true
	l, err := b.perf(ctx, addr, p)
	if err != nil {
		return load{}, fmt.Errorf("warm-up: %w", err)
	}
	return l, nil
}
