package server

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"notyet/resolver"
)

// metrics gathers what the server has counted: name with labels → value, a histogram's count.
func (f *fixture) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(f.Metrics()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.Metric {
			name := family.GetName()
			for _, l := range m.Label {
				name += fmt.Sprintf("{%s=%q}", l.GetName(), l.GetValue())
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

func TestQueriesAndRepliesAreCounted(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	www := query("www.example.com. A")
	for _, proto := range []string{"udp", "tcp"} {
		c := f.dial(t, proto)
		c.ask(t, www) // over UDP a miss
		c.ask(t, www)
		c.ask(t, query("missing.example.com. A"))
		c.ask(t, query("www.example.com. AXFR"))
		c.ask(t, query("www.example.com. A", opcode(dns.OpcodeUpdate)))
		c.ask(t, query("www.example.com. A", edns(1232), func(q *dns.Msg) { q.IsEdns0().SetVersion(1) }))
		c.send(t, pack(t, query("www.example.com. A", func(q *dns.Msg) { q.Response = true })))
		c.send(t, []byte("short"))
		c.ask(t, query("www.example.com. HS A"))
		c.send(t, append(pack(t, www), 0))
		c.reply(t)
	}
	got := f.metrics(t)
	for name, want := range map[string]float64{
		`notyet_queries_total{proto="udp"}`:        10,
		`notyet_queries_total{proto="tcp"}`:        10,
		`notyet_responses_total{rcode="NOERROR"}`:  4,
		`notyet_responses_total{rcode="NXDOMAIN"}`: 2,
		`notyet_responses_total{rcode="REFUSED"}`:  2,
		`notyet_responses_total{rcode="NOTIMP"}`:   4,
		`notyet_responses_total{rcode="FORMERR"}`:  2,
		`notyet_responses_total{rcode="SERVFAIL"}`: 0,
		`notyet_responses_total{rcode="BADVERS"}`:  2,
		`notyet_query_seconds`:                     16,
		`notyet_tcp_connections`:                   1,
		`notyet_tcp_connections_limit`:             1000,
		`notyet_udp_drops_total`:                   0,
		`notyet_query_log_drops_total`:             0,
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
}

func TestSumOfTimesAndBuckets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		took := []time.Duration{30 * time.Microsecond, time.Millisecond, 3 * time.Second, 7 * time.Second}
		var m *memory
		m = startInMemory(t, func(c *Config, _ *upstream) {
			c.Resolve = func(q *resolver.Query) {
				d := took[q.Key.Name[1]-'0']
				time.AfterFunc(d, func() { q.Done(m.upstream.answer(q.Key)) })
			}
		})
		for i := range took {
			q := query(fmt.Sprintf("%d.any.example.com. A", i))
			c := m.listener.connect(t)
			c.ask(t, q)
			q.CheckingDisabled = true // another key: a miss too
			m.packets.in <- pack(t, q)
			<-m.packets.out
		}
		want := `
# HELP notyet_query_seconds Time from a query to its reply.
# TYPE notyet_query_seconds histogram
`
		cumulative := 0
		for _, b := range buckets {
			cumulative = 0
			for _, d := range took {
				if d <= b {
					cumulative += 2
				}
			}
			want += fmt.Sprintf("notyet_query_seconds_bucket{le=\"%v\"} %d\n", b.Seconds(), cumulative)
		}
		want += "notyet_query_seconds_bucket{le=\"+Inf\"} 8\nnotyet_query_seconds_sum 20.00206\nnotyet_query_seconds_count 8\n"
		if err := testutil.CollectAndCompare(m.Metrics()[0], strings.NewReader(want), "notyet_query_seconds"); err != nil {
			t.Error(err)
		}
	})
}

func TestDropsOfAllSocketsAreAdded(t *testing.T) {
	t.Parallel()
	f := &fixture{upstream: &upstream{cache: newCache()}}
	config := f.config(nil)
	config.Listen = nil
	f.Server = open(t, config)
	for i := range 3 {
		p := newMemoryPackets()
		p.drops = uint64(1 + i)
		f.Server.udp = append(f.Server.udp, p)
	}
	f.Server.meter = newMeter(f.Server)
	if got := f.metrics(t)["notyet_udp_drops_total"]; got != 6 {
		t.Errorf("got %v drops, want 6", got)
	}
}

func TestConnectionsGauge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := startInMemory(t, nil)
		want := func(n float64) {
			t.Helper()
			synctest.Wait()
			if got := m.metrics(t)["notyet_tcp_connections"]; got != n {
				t.Errorf("got %v connections, want %v", got, n)
			}
		}
		want(0)
		first, second := m.listener.connect(t), m.listener.connect(t)
		want(2)
		first.Close()
		want(1)
		second.closedAfter(t)
		want(0)
	})
}

func TestMetricsAreNamedAsPrometheusLikes(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.dial(t, "udp").ask(t, query("www.example.com. A"))
	for _, c := range f.Metrics() {
		problems, err := testutil.CollectAndLint(c)
		if err != nil {
			t.Error(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
