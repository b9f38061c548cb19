package server

import (
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"notyet/wire"
)

// rcodes is how many rcodes are told apart: all that RFC 6895 names.
const rcodes = 24

// buckets are the upper bounds of the latency histogram.
var buckets = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, 1 * time.Second, 2500 * time.Millisecond, 5 * time.Second,
}

// counts is what a reader counts during one batch, without any synchronisation.
type counts struct {
	queries uint64
	limited uint64
	rcodes  [rcodes]uint64
}

// tally is what has been counted. Readers have one each, so that they don't wait for each other's cache lines.
type tally struct {
	queries atomic.Uint64
	limited atomic.Uint64
	rcodes  [rcodes]atomic.Uint64
	latency [len(buckets) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
	_       [64]byte
}

// add takes a batch over, whose queries that were answered took so long, and clears the counts.
func (t *tally) add(c *counts, took time.Duration) {
	t.queries.Add(c.queries)
	c.queries = 0
	if c.limited > 0 {
		t.limited.Add(c.limited)
		c.limited = 0
	}
	var answered uint64
	for i, n := range c.rcodes {
		if n > 0 {
			t.rcodes[i].Add(n)
			c.rcodes[i] = 0
			answered += n
		}
	}
	t.observe(answered, took)
}

func (t *tally) observe(n uint64, took time.Duration) {
	if n == 0 {
		return
	}
	i := 0
	for i < len(buckets) && took > buckets[i] {
		i++
	}
	t.latency[i].Add(n)
	t.sum.Add(int64(n) * int64(took))
}

var (
	descQueries   = prometheus.NewDesc("notyet_queries_total", "Packets and messages from clients.", []string{"proto"}, nil)
	descDrops     = prometheus.NewDesc("notyet_udp_drops_total", "Packets that the kernel dropped because its buffer was full.", nil, nil)
	descLimited   = prometheus.NewDesc("notyet_queries_limited_total", "Packets that were over the limit of their client's prefix.", nil, nil)
	descResponses = prometheus.NewDesc("notyet_responses_total", "Replies to clients.", []string{"rcode"}, nil)
	descSeconds   = prometheus.NewDesc("notyet_query_seconds", "Time from a query to its reply.", nil, nil)
	descConns     = prometheus.NewDesc("notyet_tcp_connections", "TCP connections of clients.", nil, nil)
	descConnLimit = prometheus.NewDesc("notyet_tcp_connections_limit", "How many TCP connections clients may have.", nil, nil)
	descLogDrops  = prometheus.NewDesc("notyet_query_log_drops_total", "Lines of the query log that were lost because it is written too slowly.", nil, nil)
)

// meter collects what readers, TCP connections and the answers to misses have counted.
type meter struct {
	server  *Server
	readers []*tally // one per UDP socket; their queries are UDP's
	tcp     *tally
	misses  *tally // answered when the resolver was done; their queries are counted where they came in
}

func newMeter(s *Server) *meter {
	m := &meter{server: s, tcp: new(tally), misses: new(tally)}
	for range s.udp {
		m.readers = append(m.readers, new(tally))
	}
	return m
}

// answered counts a reply that did not come from the cache.
func (m *meter) answered(rcode int, took time.Duration) {
	m.misses.rcodes[rcode].Add(1)
	m.misses.observe(1, took)
}

// Describe implements prometheus.Collector.
func (m *meter) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descQueries, descLimited, descDrops, descResponses, descSeconds, descConns, descConnLimit, descLogDrops} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *meter) Collect(ch chan<- prometheus.Metric) {
	var udp, limited, drops uint64
	for i, t := range m.readers {
		udp += t.queries.Load()
		limited += t.limited.Load()
		drops += m.server.udp[i].Drops()
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	counter(descQueries, udp, "udp")
	counter(descQueries, m.tcp.queries.Load(), "tcp")
	counter(descLimited, limited)
	counter(descDrops, drops)
	counter(descLogDrops, m.server.log.lost.Load())
	gauge(descConns, m.server.conns.count())
	gauge(descConnLimit, maxConnections)
	m.collectReplies(ch, counter)
}

func (m *meter) collectReplies(ch chan<- prometheus.Metric, counter func(*prometheus.Desc, uint64, ...string)) {
	all := append([]*tally{m.tcp, m.misses}, m.readers...)
	for rcode := range rcodes {
		var n uint64
		for _, t := range all {
			n += t.rcodes[rcode].Load()
		}
		if n > 0 || rcode <= dns.RcodeRefused {
			counter(descResponses, n, wire.RcodeName(rcode))
		}
	}
	var count uint64
	var sum time.Duration
	cumulative := make(map[float64]uint64, len(buckets))
	for i := range len(buckets) + 1 {
		for _, t := range all {
			count += t.latency[i].Load()
		}
		if i < len(buckets) {
			cumulative[buckets[i].Seconds()] = count
		}
	}
	for _, t := range all {
		sum += time.Duration(t.sum.Load())
	}
	ch <- prometheus.MustNewConstHistogram(descSeconds, count, sum.Seconds(), cumulative)
}
