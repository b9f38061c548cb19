//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// pauses measures what garbage collections do to clients: a million answers in the cache, 20,000 hits a second, first
// without and then with one forced collection after another.
func pauses(ctx context.Context, b *bench, p peer) (sample, error) {
	t := hits(numbered("fill", zone, million, 1), million)
	t.rate = 20_000
	socket := filepath.Join(b.dir, "admin")
	srv, err := b.begin(ctx, p, b.cpus.server, setting{entries: million, admin: "unix://" + socket})
	if err != nil {
		return nil, err
	}
	defer srv.end()
	if _, err := b.warm(ctx, srv.addr, t.warm, perf{limit: t.warmLimit}); err != nil {
		return nil, err
	}
	without, err := t.observe(ctx, b, srv)
	if err != nil {
		return nil, err
	}
	forcing := force(ctx, socket)
	with, err := t.observe(ctx, b, srv)
	times, e := forcing.end()
	if err := errors.Join(err, e); err != nil {
		return nil, err
	}
	return sample{
		p999Micros:   without[p999Micros],
		p999GCMicros: with[p999Micros],
		gcRatio:      with[p999Micros] / without[p999Micros],
		collections:  float64(times),
		residentMiB:  with[residentMiB],
	}, nil
}

// forcing makes a program collect its garbage again and again.
type forcing struct {
	cancel context.CancelFunc
	done   chan struct{} // closed once times and err are final
	times  int
	err    error
}

// force asks the admin API on a Unix socket for heap profiles, each of which collects first. Between them there is a pause
// of a tenth of a second.
func force(ctx context.Context, socket string) *forcing {
	ctx, cancel := context.WithCancel(ctx)
	f := &forcing{cancel: cancel, done: make(chan struct{})}
	client := &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}},
	}
	go func() {
		defer close(f.done)
		defer client.CloseIdleConnections()
		for f.err == nil && ctx.Err() == nil {
			if f.err = collect(ctx, client); f.err == nil {
				f.times++
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	return f
}

func collect(ctx context.Context, client *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/debug/pprof/heap?gc=1", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", request.URL, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// end stops it and returns how often it collected.
func (f *forcing) end() (int, error) {
	f.cancel()
	<-f.done
	if f.err != nil && !errors.Is(f.err, context.Canceled) {
		return 0, fmt.Errorf("forced garbage collection: %w", f.err)
	}
	if f.times == 0 {
		return 0, errors.New("no garbage collection could be forced")
	}
	return f.times, nil
}
