package upstream

import (
	"errors"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"notyet/wire"
)

// Metrics counts for all upstreams.
type Metrics struct {
	queries *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	up      *prometheus.GaugeVec
	sockets *prometheus.GaugeVec
	conns   *prometheus.GaugeVec
}

// NewMetrics makes the collectors.
func NewMetrics() *Metrics {
	return &Metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "notyet_upstream_queries_total",
			Help: "Exchanges with an upstream by result; truncated and ignored count replies that were not the result.",
		}, []string{"upstream", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "notyet_upstream_seconds",
			Help:    "Time until an upstream's reply.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"upstream"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "notyet_upstream_up",
			Help: "Whether an upstream is asked as usual: not after three failures in a row, until it answers again.",
		}, []string{"upstream"}),
		sockets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "notyet_upstream_sockets",
			Help: "Open UDP sockets to an upstream: at most 64 that are asked from, and those that wait for a last reply.",
		}, []string{"upstream"}),
		conns: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "notyet_upstream_connections",
			Help: "Open connections to an upstream, over TCP, TLS or HTTPS: at most 4 that queries are sent over, and those that wait for a last reply.",
		}, []string{"upstream"}),
	}
}

// Collectors returns the collectors.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.queries, m.seconds, m.up, m.sockets, m.conns}
}

// Forget takes out what was counted for an upstream that is no more.
func (m *Metrics) Forget(upstream string) {
	own := prometheus.Labels{"upstream": upstream}
	m.queries.DeletePartialMatch(own)
	m.seconds.DeletePartialMatch(own)
	m.up.DeletePartialMatch(own)
	m.sockets.DeletePartialMatch(own)
	m.conns.DeletePartialMatch(own)
}

// meter is one upstream's part of the metrics, looked up once. The nil meter counts nothing.
type meter struct {
	answered, negative, failed, timeout, unreachable, busy prometheus.Counter
	truncated, ignored                                     prometheus.Counter
	seconds                                                prometheus.Observer
	up, sockets, conns                                     prometheus.Gauge
}

func (m *Metrics) meter(upstream string) *meter {
	if m == nil {
		return nil
	}
	result := func(r string) prometheus.Counter { return m.queries.WithLabelValues(upstream, r) }
	up := m.up.WithLabelValues(upstream)
	up.Set(1) // until proven otherwise
	return &meter{
		answered: result("answered"), negative: result("nxdomain"), failed: result("failed"), timeout: result("timeout"),
		unreachable: result("unreachable"), busy: result("busy"),
		truncated: result("truncated"), ignored: result("ignored"),
		seconds: m.seconds.WithLabelValues(upstream), up: up, sockets: m.sockets.WithLabelValues(upstream),
		conns: m.conns.WithLabelValues(upstream),
	}
}

func (m *meter) observe(reply []byte, err error, took time.Duration) {
	switch {
	case m == nil:
	case err == nil:
		m.seconds.Observe(took.Seconds())
		m.reply(wire.Flags(uint16(reply[2])<<8 | uint16(reply[3])).Rcode()).Inc()
	case errors.Is(err, ErrStopped):
	case errors.Is(err, ErrBusy):
		m.busy.Inc()
	case errors.Is(err, ErrTimeout):
		m.timeout.Inc()
	default:
		m.unreachable.Inc()
	}
}

func (m *meter) reply(rcode int) prometheus.Counter {
	switch rcode {
	case dns.RcodeSuccess:
		return m.answered
	case dns.RcodeNameError:
		return m.negative
	}
	return m.failed
}

// setDown notes whether the upstream is left alone.
func (m *meter) setDown(down bool) {
	switch {
	case m == nil:
	case down:
		m.up.Set(0)
	default:
		m.up.Set(1)
	}
}

// ignore counts a reply that was not believed.
func (m *meter) ignore() {
	if m != nil {
		m.ignored.Inc()
	}
}

// truncate counts a reply that was too long for UDP.
func (m *meter) truncate() {
	if m != nil {
		m.truncated.Inc()
	}
}

// hold notes how many sockets are open.
func (m *meter) hold(sockets int) {
	if m != nil {
		m.sockets.Set(float64(sockets))
	}
}

// connect notes that there is a connection more, or with -1 one less.
func (m *meter) connect(more float64) {
	if m != nil {
		m.conns.Add(more)
	}
}
