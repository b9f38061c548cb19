package resolver

import "github.com/prometheus/client_golang/prometheus"

type meter struct {
	shed, stale, prefetches, overtaken prometheus.Counter
	gauge                              []prometheus.Collector
}

func newMeter(r *Resolver) meter {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return meter{
		shed:       counter("notyet_queries_shed_total", "Queries answered SERVFAIL because too much was under way."),
		stale:      counter("notyet_queries_stale_total", "Queries that waited for an upstream in vain and got an answer past its TTL."),
		prefetches: counter("notyet_prefetches_total", "Answers that an upstream was asked for because they were soon past their TTL."),
		overtaken:  counter("notyet_upstream_overtaken_total", "Questions put to a further upstream because one took longer than it usually does."),
		gauge: []prometheus.Collector{
			gauge("notyet_queries_under_way", "Queries that wait for an upstream.", func() float64 { return float64(r.queries.Load()) }),
			gauge("notyet_queries_under_way_limit", "How many queries may wait.", func() float64 { return maxQueries }),
			gauge("notyet_queries_held", "Queries of them that wait for a name to appear.", func() float64 { return float64(r.held.Load()) }),
			gauge("notyet_queries_held_limit", "How many queries may wait for that.", func() float64 { return maxHeld }),
			gauge("notyet_exchanges_under_way", "Questions that an upstream is being asked.", func() float64 { return float64(r.exchanges.Load()) }),
			gauge("notyet_exchanges_under_way_limit", "How many questions may be asked at a time.", func() float64 { return maxExchanges }),
		},
	}
}

// Metrics returns the resolver's collectors.
func (r *Resolver) Metrics() []prometheus.Collector {
	return append([]prometheus.Collector{r.meter.shed, r.meter.stale, r.meter.prefetches, r.meter.overtaken}, r.meter.gauge...)
}
