package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"notyet/cache"
)

// saveEvery is how often the cache is written down: what a crash can lose.
const saveEvery = 5 * time.Minute

// restoreWait is how long the first queries wait, in their sockets, for a snapshot to be read: some five times what
// 100,000 answers take, and less than it takes a stub to ask again.
const restoreWait = time.Second

// What the files beside a snapshot end in.
const (
	unfinished = ".tmp" // one that is being written, behind a number
	setAside   = ".bad" // the last one that could not be read
)

// snapshot keeps the cache in a file over a restart. A nil one does nothing.
type snapshot struct {
	path    string
	cache   *cache.Cache
	log     *slog.Logger
	failing bool // the last one could not be written; owned by the goroutine of begin

	errors prometheus.Counter
	saved  prometheus.Gauge
}

// newSnapshot returns nil when there is no path.
func newSnapshot(path string, answers *cache.Cache, log *slog.Logger) *snapshot {
	if path == "" {
		return nil
	}
	return &snapshot{
		path: path, cache: answers, log: log.With("file", path),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "notyet_snapshot_errors_total", Help: "Snapshots of the cache that could not be read or written.",
		}),
		saved: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "notyet_snapshot_saved_timestamp_seconds", Help: "When the cache was last written to its file; 0: not yet.",
		}),
	}
}

func (s *snapshot) metrics() []prometheus.Collector {
	if s == nil {
		return nil
	}
	return []prometheus.Collector{s.errors, s.saved}
}

// begin reads the file, and from then on writes it every saveEvery. It returns when the file is read, or after
// restoreWait; the rest is read behind. end writes a last time.
func (s *snapshot) begin() (end func()) {
	if s == nil {
		return func() {}
	}
	ctx, stop := context.WithCancel(context.Background())
	restored, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s.tidy()
		s.restore()
		close(restored)
		s.saveUntil(ctx)
	}()
	patience := time.NewTimer(restoreWait)
	defer patience.Stop()
	select {
	case <-restored:
	case <-patience.C:
	}
	return func() {
		stop()
		<-done
	}
}

// saveUntil writes from time to time, and when ctx ends.
func (s *snapshot) saveUntil(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.save()
		case <-ctx.Done():
			s.save()
			return
		}
	}
}

// tidy takes away what processes left behind that were killed while they wrote, and finds out whether we may write. What is
// younger than saveEvery may be written right now, by the process that this one takes over from.
func (s *snapshot) tidy() {
	dir, name := filepath.Split(s.path)
	files, _ := os.ReadDir(dir) // what is wrong with it, create will say
	for _, f := range files {
		if rest, ours := strings.CutPrefix(f.Name(), name+"."); !ours || !strings.HasSuffix(rest, unfinished) {
			continue
		}
		if info, err := f.Info(); err == nil && time.Since(info.ModTime()) > saveEvery {
			_ = os.Remove(filepath.Join(dir, f.Name()))
		}
	}
	f, err := s.create()
	if err != nil {
		s.tell(err)
		return
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// restore reads the file into the cache. One that is no snapshot is set aside.
func (s *snapshot) restore() {
	start := time.Now()
	kept, leftOut, err := s.read(start)
	if err == nil {
		s.log.Info("snapshot read", "entries", kept, "left_out", leftOut, "took", time.Since(start).String())
		return
	}
	if errors.Is(err, fs.ErrNotExist) {
		return // it begins here
	}
	s.errors.Inc()
	if !errors.Is(err, cache.ErrSnapshot) {
		s.log.Warn("snapshot not read", "err", err)
		return
	}
	if e := os.Rename(s.path, s.path+setAside); e != nil {
		s.log.Warn("snapshot not read", "err", fmt.Errorf("%w; set aside: %w", err, e))
		return
	}
	s.log.Warn("snapshot set aside", "as", s.path+setAside, "err", err)
}

func (s *snapshot) read(now time.Time) (kept, leftOut int, err error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0, 0, err
	}
	if !info.Mode().IsRegular() { // opening a pipe could take forever
		return 0, 0, fmt.Errorf("%s is no regular file", s.path)
	}
	f, err := os.Open(s.path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return s.cache.ReadSnapshot(f, now)
}

// save writes the cache down. It tells when that begins to fail, and when it no longer does.
func (s *snapshot) save() {
	start := time.Now()
	entries, err := s.write(start)
	if err != nil {
		s.tell(err)
		return
	}
	s.saved.SetToCurrentTime()
	level := slog.LevelDebug
	if s.failing {
		level = slog.LevelInfo
	}
	s.failing = false
	s.log.Log(context.Background(), level, "snapshot written", "entries", entries, "took", time.Since(start).String())
}

// write replaces the file as a whole: whoever reads it, at whatever moment, finds the old one or the new one.
func (s *snapshot) write(now time.Time) (entries int, err error) {
	f, err := s.create()
	if err != nil {
		return 0, err
	}
	entries, err = s.cache.WriteSnapshot(f, now)
	// Both are called whatever came before. Without Sync a file could be there after a power cut and what is in it not.
	if err = cmp.Or(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return entries, err
}

// create opens a new file beside the snapshot, which only we may read: it says what clients have asked for.
func (s *snapshot) create() (*os.File, error) {
	dir, name := filepath.Split(s.path)
	return os.CreateTemp(dir, name+".*"+unfinished)
}

// tell says that the file can't be written, once until it can.
func (s *snapshot) tell(err error) {
	s.errors.Inc()
	if s.failing {
		return
	}
	s.failing = true
	dir := filepath.Dir(s.path)
	remedy := "make room in " + dir + " for two snapshots: the old one stays until the new one is whole"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy = "make the directory " + dir + ", or change cache.snapshot"
	case !errors.Is(err, syscall.ENOSPC):
		remedy = "let the user that notyet runs as write to " + dir + ", or change cache.snapshot"
	}
	s.log.Warn("snapshot not written", "err", err, "remedy", remedy)
}
