//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// bench is one run: every program is started, warmed, measured and ended in turn, so only
// one of them is there at any moment.
type bench struct {
	dir       string
	serverCPU int // the program that is measured runs here
	loadCPU   int // dnsperf and the authority run here
	length    time.Duration
	authority *authority
	progress  io.Writer
}

// rounds measures every program under every workload, n times over. The programs of one
// workload follow each other directly, and another one begins each round, so that a machine
// that is slower for a while is slower for all of them.
func (b *bench) rounds(ctx context.Context, n int, peers []peer, workloads []workload) ([]result, error) {
	results := make([]result, 0, len(peers)*len(workloads))
	for _, w := range workloads {
		for _, p := range peers {
			results = append(results, result{program: p.name, workload: w.name})
		}
	}
	for round := range n {
		for i, w := range workloads {
			for j := range peers {
				at := (round + j) % len(peers)
				p := peers[at]
				s, err := b.measure(ctx, p, w)
				if err != nil {
					return nil, fmt.Errorf("%s, workload %s: %w", p.name, w.name, err)
				}
				r := &results[i*len(peers)+at]
				r.samples = append(r.samples, s)
				fmt.Fprintf(b.progress, "round %d of %d, %s, %s: %.2f µs CPU per query, %.0f queries/s\n",
					round+1, n, w.name, p.name, s.cpuMicros, s.qps)
			}
		}
	}
	return results, nil
}

// measure starts p with nothing in its cache, warms it for w and measures w once.
func (b *bench) measure(ctx context.Context, p peer, w workload) (sample, error) {
	dir, err := os.MkdirTemp(b.dir, p.name+"-")
	if err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(dir)
	addr, err := freeAddr()
	if err != nil {
		return sample{}, err
	}
	file := filepath.Join(dir, p.name+".conf")
	if err := os.WriteFile(file, []byte(p.config(addr, b.authority.addr, dir)), 0o600); err != nil {
		return sample{}, err
	}
	server, err := start(ctx, b.serverCPU, filepath.Join(dir, "log"), p.binary, p.args(file)...)
	if err != nil {
		return sample{}, err
	}
	defer server.stop()
	if err := server.waitAnswer(ctx, addr); err != nil {
		return sample{}, err
	}
	if _, err := b.load(ctx, addr, w.warm, true); err != nil {
		return sample{}, fmt.Errorf("warm-up: %w", err)
	}
	return b.observe(ctx, server, addr, w)
}

// observe puts the load of w on server and looks at what it cost.
func (b *bench) observe(ctx context.Context, server *process, addr netip.AddrPort, w workload) (sample, error) {
	before, err := b.read(ctx, server)
	if err != nil {
		return sample{}, err
	}
	l, err := b.load(ctx, addr, w.names, w.once)
	if err != nil {
		return sample{}, err
	}
	after, err := b.read(ctx, server)
	if err != nil {
		return sample{}, err
	}
	if err := w.check(l, after.asked-before.asked); err != nil {
		return sample{}, err
	}
	return sample{
		cpuMicros: micros(after.cpu-before.cpu) / float64(l.completed),
		qps:       l.qps,
		latency:   l.latency,
		resident:  after.resident,
	}, nil
}

// reading is what the counters say at one moment.
type reading struct {
	cpu      time.Duration // used by the program that is measured
	resident int64         // bytes of it in RAM
	asked    int           // queries that have reached the authority
}

func (b *bench) read(ctx context.Context, server *process) (r reading, err error) {
	if r.cpu, err = server.cpuTime(); err != nil {
		return reading{}, err
	}
	if r.resident, err = server.resident(); err != nil {
		return reading{}, err
	}
	r.asked, err = b.authority.queries(ctx)
	return r, err
}

// load asks addr for the names in file as fast as it answers: all of them once, or over and
// over for the length of a measurement.
func (b *bench) load(ctx context.Context, addr netip.AddrPort, file string, once bool) (load, error) {
	limit := b.length
	args := []string{"-s", addr.Addr().String(), "-p", strconv.Itoa(int(addr.Port())), "-d", file,
		"-c", "16", "-T", "1", "-q", "200"}
	if once {
		limit = onceLimit
		args = append(args, "-n", "1")
	}
	args = append(args, "-l", strconv.Itoa(int(limit/time.Second)))

	ctx, cancel := context.WithTimeout(ctx, limit+20*time.Second) // dnsperf waits 5 s for the last answers
	defer cancel()
	cmd, err := command(ctx, b.loadCPU, "dnsperf", args...)
	if err != nil {
		return load{}, err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("dnsperf: %w\n%s", err, out)
	}
	return parseLoad(string(out))
}
