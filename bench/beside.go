//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// beside is a prober that runs beside a load; nil where there is none.
type beside struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr strings.Builder
}

// startProber starts one that asks addr the questions in file, rate times a second, once it is told to go.
func startProber(ctx context.Context, cpus string, addr netip.AddrPort, file string, rate int, rcode string) (*beside, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd, err := command(ctx, cpus, self, "probe", addr.String(), file, strconv.Itoa(rate), rcode)
	if err != nil {
		return nil, err
	}
	p := &beside{cmd: cmd}
	cmd.Stderr = &p.stderr
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(stdout)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the prober: %w", err)
	}
	if line, err := p.stdout.ReadString('\n'); line != "ready\n" {
		p.abandon()
		return nil, fmt.Errorf("the prober is not ready (%v): %s", err, p.stderr.String())
	}
	return p, nil
}

func (p *beside) begin() error {
	if p == nil {
		return nil
	}
	_, err := io.WriteString(p.stdin, "go\n")
	return err
}

// end stops it and returns what it found. It waits for the last answers.
func (p *beside) end() (probes, error) {
	if p == nil {
		return probes{}, nil
	}
	p.stdin.Close()
	var found probes
	err := json.NewDecoder(p.stdout).Decode(&found)
	if e := p.cmd.Wait(); e != nil {
		return probes{}, fmt.Errorf("the prober: %w: %s", e, p.stderr.String())
	}
	return found, err
}

// abandon ends it at once, if it still runs.
func (p *beside) abandon() {
	if p != nil && p.cmd.ProcessState == nil {
		p.cmd.Cancel()
		p.cmd.Wait() // how it ended says nothing
	}
}
