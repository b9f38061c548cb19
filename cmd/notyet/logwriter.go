package main

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	logBacklog = 1024        // lines that may wait to be written
	logGrace   = time.Second // at the end, for those that do
)

// logWriter writes lines, one per Write, from a goroutine of its own: a log that is read slowly, or not at all, loses lines and
// never holds up answers. Before begin and after its end lines are written at once. It is safe for concurrent use.
type logWriter struct {
	running atomic.Bool
	lines   chan []byte
	awaited chan []byte // those of waiting, handed over one by one
	drops   prometheus.Counter

	mu sync.Mutex // guards to
	to io.Writer
}

func newLogWriter(to io.Writer) *logWriter {
	return &logWriter{
		to: to, lines: make(chan []byte, logBacklog), awaited: make(chan []byte),
		drops: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "notyet_log_drops_total", Help: "Lines of the log that could not be written, or, but for those of queries, were lost because it is written too slowly.",
		}),
	}
}

func (w *logWriter) Write(line []byte) (int, error) {
	if !w.running.Load() {
		return w.write(line)
	}
	select {
	case w.lines <- bytes.Clone(line):
	default:
		w.drops.Inc()
	}
	return len(line), nil
}

func (w *logWriter) write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.to.Write(line)
	if err != nil {
		w.drops.Inc()
	}
	return n, err
}

// begin starts the goroutine. end writes what waits, for as long as logGrace.
func (w *logWriter) begin() (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.running.Store(true)
	go func() {
		defer close(done)
		w.run(ctx)
	}()
	return func() {
		stop()
		select {
		case <-done:
		case <-time.After(logGrace):
		}
	}
}

func (w *logWriter) run(ctx context.Context) {
	for {
		select {
		case line := <-w.lines:
			_, _ = w.write(line) // there is nowhere else to tell it
		case line := <-w.awaited:
			_, _ = w.write(line)
			w.writeNext() // or it would be chance who is next
		case <-ctx.Done():
			w.running.Store(false)
			for w.writeNext() {
			}
			return
		}
	}
}

// writeNext writes one of the lines that nobody waits for, and reports whether there was one.
func (w *logWriter) writeNext() bool {
	select {
	case line := <-w.lines:
		_, _ = w.write(line)
		return true
	default:
		return false
	}
}

// waiting is a writer for somebody who has lines to spare, and counts those that are lost: it waits until a line is on its way, or,
// once stop is closed, does not. It and the others take turns, so that however many lines it has theirs get through.
func (w *logWriter) waiting(stop <-chan struct{}) io.Writer { return waitingWriter{w, stop} }

type waitingWriter struct {
	*logWriter
	stop <-chan struct{}
}

func (w waitingWriter) Write(line []byte) (int, error) {
	if !w.running.Load() {
		return w.write(line)
	}
	select {
	case w.awaited <- bytes.Clone(line):
		return len(line), nil
	case <-w.stop:
		return w.logWriter.Write(line)
	}
}
