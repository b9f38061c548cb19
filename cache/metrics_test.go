package cache

import (
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, staleFor(time.Hour))
	w.put(0, "old.example. A", a("old.example.", 1*s))
	w.put(0, "www.example. A", a("www.example.", 300*s))
	w.put(0, "gone.example. A", nxdomain(300*s))
	w.fail(0, "bad.example. A")
	w.fail(0, "worse.example. A")
	for question, times := range map[string]int{"www.example. A": 1, "gone.example. A": 2, "bad.example. A": 3, "no.example. A": 4} {
		for range times {
			w.get(0, question)
		}
	}
	w.fail(1*s, "old.example. A")
	for range 5 {
		w.get(1*s, "old.example. A")
	}
	raw := w.raw("h00000000.example. A", a("h00000000.example.", 300*s))
	for n := 0; w.totals().positive.evictions < 5; n++ {
		raw.put(0, n)
	}

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(w.Metrics()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	all := w.totals()
	var positive, negative int64
	for i := range w.shards {
		positive += w.shards[i].positive.used()
		negative += w.shards[i].negative.used()
	}
	want := map[string]float64{
		"notyet_cache_hits_total positive":      1,
		"notyet_cache_hits_total negative":      2,
		"notyet_cache_hits_total failure":       3,
		"notyet_cache_hits_total stale":         5,
		"notyet_cache_misses_total":             4,
		"notyet_cache_entries positive":         float64(all.positive.entries),
		"notyet_cache_entries negative":         4, // of them what stands in
		"notyet_cache_bytes positive":           float64(positive),
		"notyet_cache_bytes negative":           float64(negative),
		"notyet_cache_limit_bytes positive":     MinMemory * 3 / 4,
		"notyet_cache_limit_bytes negative":     MinMemory / 4,
		"notyet_cache_evictions_total positive": float64(all.positive.evictions),
		"notyet_cache_evictions_total negative": 0,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
