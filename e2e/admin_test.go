//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

// readyAnyway is when notyet is ready though no upstream has answered.
const readyAnyway = 5 * time.Second

func TestReadyOnceAnUpstreamHasAnswered(t *testing.T) {
	t.Parallel()
	t.Run("upstream answers", func(t *testing.T) {
		t.Parallel()
		u := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
		timely(t, func() error {
			start := time.Now()
			n := front(t, "", u.addr)
			over(t, "udp", n.Addr, ask("www."+plainZone, dns.TypeA))
			testbed.Until(t, patience, "/readyz to say 200", func() bool { return ready(n) })
			if took := time.Since(start); took > readyAnyway-time.Second {
				return fmt.Errorf("got ready after %v, want it as soon as the upstream has answered", took)
			}
			return nil
		})
	})
	t.Run("upstream is silent", func(t *testing.T) {
		t.Parallel()
		u := startUpstream(t, silent)
		start := time.Now()
		n := front(t, "", u.addr)
		testbed.Until(t, readyAnyway+patience, "/readyz to say 200", func() bool { return ready(n) })
		if took := time.Since(start); took < readyAnyway {
			t.Errorf("got ready after %v with a silent upstream, want %v", took, readyAnyway)
		}
	})
}

func ready(n *testbed.Notyet) bool {
	code, _ := n.Get("/readyz")
	return code == http.StatusOK
}

func TestAdminHasHealthAndProfiles(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, path := range []string{"/healthz", "/metrics", "/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap"} {
		if code, body := b.notyet.Get(path); code != http.StatusOK || body == "" {
			t.Errorf("GET %s: got status %d with %d bytes, want 200 and a body", path, code, len(body))
		}
	}
	if code, _ := b.notyet.Get("/no/such/path"); code != http.StatusNotFound {
		t.Errorf("GET /no/such/path: got status %d, want 404", code)
	}
}

// TestMetricsHaveTheirNames makes each of them count something first.
func TestMetricsHaveTheirNames(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) {
		switch {
		case strings.HasPrefix(in.Question[0].Name, "silent"):
		case strings.HasPrefix(in.Question[0].Name, "missing"):
			in.reply(in.deny(dns.RcodeNameError, plainZone+". 300 SOA ns.shipit.dev. h.shipit.dev. 1 3600 600 86400 60"))
		default:
			in.reply(in.address(rightAddress))
		}
	})
	n := front(t, "", u.addr)
	for _, qname := range []string{"missing.", "secretname."} {
		for _, proto := range []string{"udp", "udp", "tcp", "tcp"} { // a miss and three hits
			over(t, proto, n.Addr, ask(qname+plainZone, dns.TypeA))
		}
	}
	over(t, "tcp", n.Addr, ask("silent."+plainZone, dns.TypeA))
	_, body := n.Get("/metrics")
	for _, want := range []string{
		`notyet_queries_total{proto="udp"}`,
		`notyet_queries_total{proto="tcp"}`,
		`notyet_udp_drops_total`,
		`notyet_responses_total{rcode="NOERROR"}`,
		`notyet_responses_total{rcode="NXDOMAIN"}`,
		`notyet_responses_total{rcode="SERVFAIL"}`,
		`notyet_query_seconds_bucket{`,
		`notyet_query_seconds_sum`,
		`notyet_query_seconds_count`,
		`notyet_cache_hits_total{kind=`,
		`notyet_cache_misses_total`,
		`notyet_cache_entries{kind=`,
		`notyet_cache_bytes{kind=`,
		`notyet_cache_evictions_total{kind=`,
		`notyet_upstream_queries_total{result=`,
		`notyet_upstream_seconds`,
		`notyet_upstream_up{upstream=`,
		`go_goroutines`,
		`process_resident_memory_bytes`,
		`process_cpu_seconds_total`,
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("/metrics: got no %s", want)
		}
	}
	// Never a qname, never a client.
	for _, never := range []string{"secretname", "missing", "127.0.0.1"} {
		if strings.Contains(body, never) {
			t.Errorf("/metrics: got %q in it", never)
		}
	}
	for _, test := range []struct {
		metric string
		labels []string
		want   float64
	}{
		// Over UDP one more query has shown that the server is up.
		{"notyet_queries_total", []string{`proto="tcp"`}, 5},
		{"notyet_responses_total", []string{`rcode="NXDOMAIN"`}, 4},
		{"notyet_responses_total", []string{`rcode="SERVFAIL"`}, 1},
		{"notyet_cache_hits_total", nil, 6},
	} {
		if got := n.Metric(t, test.metric, test.labels...); got != test.want {
			t.Errorf("%s %v: got %v, want %v", test.metric, test.labels, got, test.want)
		}
	}
}
