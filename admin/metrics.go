package admin

import "github.com/prometheus/client_golang/prometheus"

// Metrics returns the collectors.
func (s *Server) Metrics() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		gauge("notyet_admin_streams", "Clients that follow the events.", func() float64 { return float64(s.streams.Load()) }),
		gauge("notyet_admin_streams_limit", "How many clients may follow the events.", func() float64 { return maxStreams }),
	}
}
