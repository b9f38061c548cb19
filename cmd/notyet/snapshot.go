package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"notyet/cache"
)

// saveEvery is how often the cache is written down: what a crash can lose.
const saveEvery = 5 * time.Minute

// snapshot keeps the cache in a file over a restart. A nil one does nothing.
type snapshot struct {
	keptFile // owned by the goroutine of begin
	cache    *cache.Cache

	errors prometheus.Counter
	saved  prometheus.Gauge
}

// newSnapshot returns nil when there is no path.
func newSnapshot(path string, answers *cache.Cache, log *slog.Logger) *snapshot {
	if path == "" {
		return nil
	}
	return &snapshot{
		keptFile: keptFile{path: path, what: "snapshot", key: "cache.snapshot", names: "a file", room: "two snapshots", log: log.With("file", path)},
		cache:    answers,
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
	return behind(func() {
		s.tidyUp()
		s.restore()
	}, s.saveUntil)
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

// tidyUp takes away what was left behind, and tells if the file can't be written.
func (s *snapshot) tidyUp() {
	if err := s.tidy(saveEvery); err != nil {
		s.tell(err)
	}
}

// restore reads the file into the cache. One that is no snapshot is set aside.
func (s *snapshot) restore() {
	start := time.Now()
	kept, leftOut, err := s.read(start)
	if err == nil {
		s.log.Info("snapshot read", "entries", kept, "left_out", leftOut, "took", time.Since(start))
		return
	}
	if errors.Is(err, fs.ErrNotExist) {
		return // it begins here
	}
	s.errors.Inc()
	s.unread(err, errors.Is(err, cache.ErrSnapshot))
}

func (s *snapshot) read(now time.Time) (kept, leftOut int, err error) {
	f, err := s.open()
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return s.cache.ReadSnapshot(f, now)
}

// save writes the cache down. It tells when that begins to fail, and when it no longer does.
func (s *snapshot) save() {
	start := time.Now()
	entries := 0
	err := s.write(func(w io.Writer) (err error) {
		entries, err = s.cache.WriteSnapshot(w, start)
		return err
	})
	if err != nil {
		s.tell(err)
		return
	}
	s.saved.SetToCurrentTime()
	s.log.Log(context.Background(), s.written(), "snapshot written", "entries", entries, "took", time.Since(start))
}

// tell says that the file can't be written, once until it can.
func (s *snapshot) tell(err error) {
	s.errors.Inc()
	s.unwritten(err)
}
