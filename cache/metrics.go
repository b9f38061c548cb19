package cache

import "github.com/prometheus/client_golang/prometheus"

// Metrics returns the cache's collectors.
func (c *Cache) Metrics() []prometheus.Collector { return []prometheus.Collector{collector{c}} }

var (
	descHits      = prometheus.NewDesc("notyet_cache_hits_total", "Questions answered from the cache.", []string{"kind"}, nil)
	descMisses    = prometheus.NewDesc("notyet_cache_misses_total", "Questions that the cache had no answer to.", nil, nil)
	descEntries   = prometheus.NewDesc("notyet_cache_entries", "Entries in the cache, those past their time included.", []string{"kind"}, nil)
	descBytes     = prometheus.NewDesc("notyet_cache_bytes", "Memory that the entries take.", []string{"kind"}, nil)
	descLimit     = prometheus.NewDesc("notyet_cache_limit_bytes", "Memory that the entries may take.", []string{"kind"}, nil)
	descEvictions = prometheus.NewDesc("notyet_cache_evictions_total", "Entries that made room for newer ones.", []string{"kind"}, nil)
)

// collector sums the shards up when it is asked.
type collector struct{ c *Cache }

func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descHits, descMisses, descEntries, descBytes, descLimit, descEvictions} {
		ch <- d
	}
}

// budget is what one kind of entries takes, over all shards.
type budget struct {
	entries, bytes, limit int64
	evictions             uint64
}

func (b *budget) add(l *store) {
	b.entries += int64(l.index.used)
	b.bytes += l.used()
	b.limit += l.limit
	b.evictions += l.evictions
}

// totals are those of all shards.
type totals struct {
	hits               [hitKinds]uint64
	misses             uint64
	positive, negative budget
}

func (c *Cache) totals() (all totals) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for kind, n := range s.hits {
			all.hits[kind] += n
		}
		all.misses += s.misses
		all.positive.add(&s.positive)
		all.negative.add(&s.negative)
		s.mu.Unlock()
	}
	return all
}

func (k collector) Collect(ch chan<- prometheus.Metric) {
	all := k.c.totals()
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for kind, name := range []string{hitPositive: "positive", hitNegative: "negative", hitFailure: "failure", hitStale: "stale"} {
		counter(descHits, all.hits[kind], name)
	}
	counter(descMisses, all.misses)
	for _, b := range []struct {
		kind string
		budget
	}{{"positive", all.positive}, {"negative", all.negative}} {
		for desc, n := range map[*prometheus.Desc]int64{descEntries: b.entries, descBytes: b.bytes, descLimit: b.limit} {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), b.kind)
		}
		counter(descEvictions, b.evictions, b.kind)
	}
}
