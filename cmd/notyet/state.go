package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"notyet/admin"
	"notyet/config"
	"notyet/watch"
)

// When leases are written down: some time after the first that began or ended, as others may follow; not more often than so;
// and again when that failed.
const (
	stateDelay = 100 * time.Millisecond
	stateEvery = time.Second
	stateRetry = 10 * time.Second
)

const (
	leasesFile   = "leases.json" // in the state directory
	stateVersion = 1             // of its layout
	maxState     = 64 << 20      // bytes; 10,000 leases with all they can say take less
)

// errState means that the file is no state of ours, or damaged.
var errState = errors.New("no leases of notyet's")

// state keeps the leases in a file over a restart. A nil one does nothing.
type state struct {
	keptFile // owned by the goroutine of begin
	watching *watch.Set
	config   config.Config // which leases are checked against
	unsaved  chan struct{} // has one when there is something to write

	errors prometheus.Counter
	saved  prometheus.Gauge
}

// stateText is the file.
type stateText struct {
	Version int         `json:"version"`
	Leases  []keptLease `json:"leases"`
}

// keptLease is a lease as the API takes it, and when it ends.
type keptLease struct {
	admin.Lease
	Until time.Time `json:"until"`
}

// newState returns nil when there is no directory.
func newState(cfg config.Config, watching *watch.Set, log *slog.Logger) *state {
	if cfg.State == "" {
		return nil
	}
	path := filepath.Join(cfg.State, leasesFile)
	return &state{
		keptFile: keptFile{path: path, what: "leases", key: "state", names: "a directory", room: "two files", log: log.With("file", path)},
		watching: watching, config: cfg, unsaved: make(chan struct{}, 1),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "notyet_state_errors_total", Help: "Times that the leases could not be read or written.",
		}),
		saved: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "notyet_state_saved_timestamp_seconds", Help: "When the leases were last written to their file; 0: not yet.",
		}),
	}
}

func (s *state) metrics() []prometheus.Collector {
	if s == nil {
		return nil
	}
	return []prometheus.Collector{s.errors, s.saved}
}

// begin reads the file, and from then on writes it when leases begin and end. It returns when the file is read, or after
// restoreWait; the rest is read behind. end writes a last time if there is something to write.
func (s *state) begin() (end func()) {
	if s == nil {
		return func() {}
	}
	return behind(func() {
		_ = os.Mkdir(s.config.State, 0o700) // what is wrong with it, tidy will say
		if err := s.tidy(time.Minute); err != nil {
			s.tell(err)
		}
		s.restore()
	}, s.saveUntil)
}

// changed notes that leases have begun or ended. It is safe for concurrent use.
func (s *state) changed() {
	if s == nil {
		return
	}
	select {
	case s.unsaved <- struct{}{}:
	default:
	}
}

// saveUntil writes what changes until ctx ends.
func (s *state) saveUntil(ctx context.Context) {
	due := time.NewTimer(0)
	due.Stop()
	waits := false // for due
	var last time.Time
	for {
		select {
		case <-s.unsaved:
			if !waits {
				waits = true
				due.Reset(max(stateDelay, stateEvery-time.Since(last)))
			}
		case <-due.C:
			last = time.Now()
			if waits = !s.save(); waits {
				due.Reset(stateRetry)
			}
		case <-ctx.Done():
			if waits || len(s.unsaved) > 0 {
				s.save()
			}
			return
		}
	}
}

// save writes the leases down, and reports whether it could. It tells when that begins to fail, and when it no longer does.
func (s *state) save() bool {
	text := stateText{Version: stateVersion, Leases: []keptLease{}}
	for _, w := range s.watching.List() {
		if !w.Until.IsZero() {
			text.Leases = append(text.Leases, keep(w))
		}
	}
	err := s.write(func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(text)
	})
	if err != nil {
		s.tell(err)
		return false
	}
	s.saved.SetToCurrentTime()
	s.log.Log(context.Background(), s.written(), "leases written", "leases", len(text.Leases))
	return true
}

// keep is a lease with every key, so that it stays what it is under a version with other defaults.
func keep(w watch.Info) keptLease {
	shown := watchOf(w)
	return keptLease{Until: *shown.Until, Lease: admin.Lease{
		Name: shown.Name, NegativeTTL: &shown.NegativeTTL, NODATATTL: &shown.NODATATTL, Verify: &shown.Verify,
		UpstreamAfter: &shown.UpstreamAfter, Hold: &shown.Hold, Poll: &shown.Poll, GiveUp: &shown.GiveUp,
		QueriesPerSecond: &shown.QueriesPerSecond, Authorities: shown.Authorities,
	}}
}

// restore puts the leases of the file in force. A file that is no state is set aside.
func (s *state) restore() {
	leases, over, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return // it begins here
	}
	if err != nil {
		s.errors.Inc()
		s.unread(err, errors.Is(err, errState))
		return
	}
	restored := s.watching.Restore(leases)
	s.log.Info("leases read", "leases", restored, "left_out", over+len(leases)-restored)
}

// read returns the leases that are in the file and not over, and how many of them can't be used.
func (s *state) read() (leases []watch.Lease, leftOut int, err error) {
	f, err := s.open()
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil {
		return nil, 0, err
	}
	var text struct {
		Version int               `json:"version"`
		Leases  []json.RawMessage `json:"leases"`
	}
	if err := json.Unmarshal(data, &text); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errState, err)
	}
	if text.Version != stateVersion {
		return nil, 0, fmt.Errorf("%w of version %d: it has version %d", errState, stateVersion, text.Version)
	}
	for _, one := range text.Leases {
		lease, err := s.parse(one)
		if err != nil {
			s.log.Warn("lease left out", "err", strings.ReplaceAll(err.Error(), "\n", "; "))
			leftOut++
			continue
		}
		leases = append(leases, lease)
	}
	return leases, leftOut, nil
}

// parse reads one lease as the API does, since what may be leased may have changed.
func (s *state) parse(text []byte) (watch.Lease, error) {
	var kept keptLease
	if err := json.Unmarshal(text, &kept); err != nil {
		return watch.Lease{}, err
	}
	plain, err := json.Marshal(kept.Lease)
	if err != nil {
		return watch.Lease{}, err
	}
	l, err := s.config.ParseLease(plain)
	if err != nil {
		return watch.Lease{}, err
	}
	return watch.Lease{Name: l.Zone, Options: options(l.Watch), Until: kept.Until}, nil
}

// tell says that the file can't be written, once until it can.
func (s *state) tell(err error) {
	s.errors.Inc()
	s.unwritten(err)
}
