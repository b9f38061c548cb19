package watch

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// leaseLabel is the label of all leases: names that come and go are none.
const leaseLabel = "lease"

// metrics counts for all watches.
type metrics struct {
	set                                       *Set
	pending                                   *prometheus.GaugeVec
	rescues, shortens, avoided, holds, asking *prometheus.CounterVec
	visible                                   *prometheus.HistogramVec
}

func newMetrics(s *Set) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &metrics{
		set: s,
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "notyet_watch_pending",
			Help: "Questions that were asked for and that the authorities have no answer to yet.",
		}, []string{"watch"}),
		rescues:  counter("notyet_watch_rescues_total", "Positive answers where a plain cache would still have said no, by what found them.", "watch", "how"),
		shortens: counter("notyet_negative_shortened_total", "Denials that were kept for less than their negative TTL.", "watch"),
		avoided:  counter("notyet_negative_seconds_avoided_total", "By how much they were kept for less, in seconds.", "watch"),
		holds:    counter("notyet_watch_held_total", "Questions that waited for a yes, by what came of it; full: there was no place.", "watch", "outcome"),
		asking:   counter("notyet_authority_queries_total", "Queries to the authorities about names, by result; over_budget are questions that were not asked there.", "watch", "result"),
		visible: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "notyet_watch_visible_seconds",
			Help:    "Time from the first question for a pending name until it was visible.",
			Buckets: []float64{.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800},
		}, []string{"watch"}),
	}
}

// Metrics returns the collectors.
func (s *Set) Metrics() []prometheus.Collector {
	m := s.metrics
	return []prometheus.Collector{m.pending, m.rescues, m.shortens, m.avoided, m.holds, m.asking, m.visible, bounds{s}}
}

// forget takes out what was counted under a label that no watch has any more.
func (m *metrics) forget(label string) {
	own := prometheus.Labels{"watch": label}
	m.pending.DeletePartialMatch(own)
	m.visible.DeletePartialMatch(own)
	for _, counter := range []*prometheus.CounterVec{m.rescues, m.shortens, m.avoided, m.holds, m.asking} {
		counter.DeletePartialMatch(own)
	}
}

// meter is one watch's part of the metrics.
type meter struct {
	pending        prometheus.Gauge
	visible        prometheus.Observer
	count, seconds prometheus.Counter
	metrics        *metrics
	label          string
}

func (m *metrics) meter(label string) *meter {
	return &meter{
		pending: m.pending.WithLabelValues(label), visible: m.visible.WithLabelValues(label),
		count: m.shortens.WithLabelValues(label), seconds: m.avoided.WithLabelValues(label),
		metrics: m, label: label,
	}
}

// shortened counts a denial that is kept for less than full.
func (m *meter) shortened(kept, full time.Duration) {
	if kept < full {
		m.count.Inc()
		m.seconds.Add((full - kept).Seconds())
	}
}

func (m *meter) rescue(how string)       { m.metrics.rescues.WithLabelValues(m.label, how).Inc() }
func (m *meter) held(outcome string)     { m.metrics.holds.WithLabelValues(m.label, outcome).Inc() }
func (m *meter) authority(result string) { m.metrics.asking.WithLabelValues(m.label, result).Inc() }

var (
	descDegraded     = prometheus.NewDesc("notyet_watch_degraded", "Whether the authorities of a watch can't be asked, or see another zone than the upstream.", []string{"watch"}, nil)
	descPendingLimit = prometheus.NewDesc("notyet_watch_pending_limit", "How many questions may be pending, over all watches.", nil, nil)
	descKnown        = prometheus.NewDesc("notyet_watch_known", "Questions under watch that are known to have an answer.", nil, nil)
	descKnownLimit   = prometheus.NewDesc("notyet_watch_known_limit", "How many such questions are remembered.", nil, nil)
	descLeases       = prometheus.NewDesc("notyet_watch_leases", "Watches that end by themselves.", nil, nil)
	descLeaseLimit   = prometheus.NewDesc("notyet_watch_leases_limit", "How many of those there may be.", nil, nil)
)

// bounds tells what there is, and may be, when it is asked.
type bounds struct{ set *Set }

func (bounds) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descDegraded, descPendingLimit, descKnown, descKnownLimit, descLeases, descLeaseLimit} {
		ch <- d
	}
}

func (b bounds) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	now := time.Now()
	degraded := make(map[string]int) // label → whether
	leases := 0
	watches := slices.Collect(maps.Values(*b.set.byZone.Load()))
	b.set.mu.Lock()
	why := b.set.degradedLocked(watches...)
	b.set.mu.Unlock()
	for _, w := range watches {
		if w.isLease() {
			leases++
		}
		degraded[w.meter.label] |= 0
		if len(why[w]) > 0 || w.isPrivate(now) {
			degraded[w.meter.label] = 1
		}
	}
	for label, is := range degraded {
		gauge(descDegraded, is, label)
	}
	gauge(descPendingLimit, maxPending)
	gauge(descKnown, b.set.known.len())
	gauge(descKnownLimit, maxKnown)
	gauge(descLeases, leases)
	gauge(descLeaseLimit, maxLeases)
}
