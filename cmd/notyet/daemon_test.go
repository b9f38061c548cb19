package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"notyet/config"
	"notyet/resolver"
)

func TestServeAnswersFromItsUpstream(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := make(map[string]int)
	u := upstreamOf(t, func(q *dns.Msg) *dns.Msg {
		mu.Lock()
		asked[q.Question[0].Name]++
		mu.Unlock()
		return addressOf(q)
	})
	p := startProgram(t, "--upstream="+u.addr)
	for range 3 {
		for _, network := range []string{"udp", "tcp"} {
			if m := p.ask(t, network, "www.example.com.", dns.TypeA); len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != "192.0.2.1" {
				t.Errorf("%s: got %s, want 192.0.2.1", network, m)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if got := asked["www.example.com."]; got != 1 {
		t.Errorf("got %d questions asked upstream, want 1", got)
	}
	if code := p.stopped(); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, p.stderr)
	}
	if got := p.stdout.String(); got != "" {
		t.Errorf("got %q on standard output, want nothing", got)
	}
}

func TestLogIsJSONAndSaysWhatListens(t *testing.T) {
	t.Parallel()
	u := upstreamOf(t, addressOf)
	p := startProgram(t, "--upstream="+u.addr, "--listen=127.0.0.1:0", "--query-log=all")
	p.ask(t, "udp", "www.example.com.", dns.TypeA)
	p.stopped()
	var messages []string
	for line := range strings.Lines(p.stderr.String()) {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("got %q, want JSON", line)
		}
		messages = append(messages, got["msg"].(string))
		addr, err := netip.ParseAddrPort(fmt.Sprint(got["addr"]))
		if strings.HasSuffix(got["msg"].(string), "listening") && (err != nil || addr.Port() == 0) {
			t.Errorf("got %s, want the real port in addr", line)
		}
		if got["msg"] == "forwarding" && got["upstream"] != u.addr {
			t.Errorf("got %s, want upstream %s", line, u.addr)
		}
	}
	if want := []string{"listening", "listening", "admin listening", "forwarding", "query", "stopped"}; !slices.Equal(messages, want) {
		t.Errorf("got lines %q, want %q:\n%s", messages, want, p.stderr)
	}
}

func TestLogFormat(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		given config.LogFormat
		w     io.Writer
		want  config.LogFormat
	}{
		{config.LogAuto, io.Discard, config.LogJSON},
		{config.LogAuto, file, config.LogJSON}, // not a terminal
		{config.LogJSON, file, config.LogJSON},
		{config.LogText, file, config.LogText},
		{config.LogText, io.Discard, config.LogText},
	} {
		cfg := config.Default()
		cfg.LogFormat = tt.given
		if got := logFormat(cfg, tt.w); got != tt.want {
			t.Errorf("%s to a %T: got %s, want %s", tt.given, tt.w, got, tt.want)
		}
	}
}

func TestDurationsInTheLogAreReadableInEveryFormat(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 740: "740ns", 12_345: "12.3µs", 3_172_345: "3.17ms", 999_900_000: "1s", 16_504 * time.Millisecond: "16.5s", -3_172_345: "-3.17ms",
	} {
		for format, want := range map[config.LogFormat]string{config.LogJSON: `"took":"` + want + `"}`, config.LogText: " took=" + want} {
			var b bytes.Buffer
			newLog(format, slog.LevelInfo, &b).Info("query", "took", d)
			if got := strings.TrimSpace(b.String()); !strings.HasSuffix(got, want) {
				t.Errorf("%v as %s: got %s, want %s", d, format, got, want)
			}
		}
	}
}

// TestStopAnswersTheQueryUnderWay cancels the context while the upstream thinks.
func TestStopAnswersTheQueryUnderWay(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			asked, answer := make(chan struct{}), make(chan struct{})
			u := upstreamOf(t, func(q *dns.Msg) *dns.Msg {
				if q.Question[0].Name == "slow.example.com." {
					close(asked)
					<-answer
				}
				return addressOf(q)
			})
			p := startProgram(t, "--upstream="+u.addr)
			c, err := dns.Dial(network, p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			if err := c.WriteMsg(new(dns.Msg).SetQuestion("slow.example.com.", dns.TypeA)); err != nil {
				t.Fatal(err)
			}
			<-asked
			p.stop()
			if status, body := p.get(t, "/readyz"); status != 503 || body != "stopping\n" {
				t.Errorf("readiness while stopping: got %d %q, want 503 \"stopping\"", status, body)
			}
			close(answer)
			m, err := c.ReadMsg()
			if err != nil || len(m.Answer) != 1 {
				t.Errorf("got %v, %v, want an address", m, err)
			}
			if code := p.stopped(); code != 0 {
				t.Errorf("got exit code %d, want 0: %s", code, p.stderr)
			}
		})
	}
}

func TestServeThatCannotBegin(t *testing.T) {
	t.Parallel()
	host := "127.0.0.1:0"
	if runtime.GOOS == "linux" {
		host = "127.53.0.1:0" // where no other test draws a port
	}
	udp, err := net.ListenPacket("udp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	tcp, err := net.Listen("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	for _, tt := range []struct {
		name string
		args []string
		want []string // all in one line
	}{
		{
			"port in use on UDP", []string{"--listen=" + udp.LocalAddr().String()},
			[]string{"notyet: listen on udp " + udp.LocalAddr().String(), "--listen"},
		},
		{
			"port in use on TCP", []string{"--listen=" + tcp.Addr().String()},
			[]string{"notyet: listen on tcp " + tcp.Addr().String(), "--listen"},
		},
		{
			"admin port in use", []string{"--listen=127.0.0.1:0", "--admin=" + tcp.Addr().String()},
			[]string{"notyet: listen on admin " + tcp.Addr().String(), "--admin"},
		},
		{
			"address of another machine", []string{"--listen=192.0.2.254:5300"},
			[]string{"notyet: listen on udp 192.0.2.254:5300"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			args := append([]string{"serve", "--upstream=192.0.2.1"}, tt.args...)
			if !strings.Contains(tt.name, "admin") {
				args = append(args, "--admin=")
			}
			code := run(t.Context(), args, &stdout, &stderr)
			if got := stderr.String(); code != 1 || stdout.Len() > 0 || strings.Count(got, "\n") != 1 {
				t.Errorf("%q: got exit code %d, %q and %q, want 1 and one line on standard error", args, code, &stdout, got)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("%q: got %q, want it to say %q", args, &stderr, want)
				}
			}
		})
	}
}

// TestServeThatCannotBeginLeavesNothing can't be parallel: it looks at all goroutines and descriptors.
func TestServeThatCannotBeginLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before, ignore := descriptors(t), goleak.IgnoreCurrent()
	for range 20 {
		for _, flag := range []string{"--listen=", "--admin="} {
			if code := run(t.Context(), []string{"serve", "--upstream=192.0.2.1", "--listen=127.0.0.1:0", flag + taken.Addr().String()}, io.Discard, io.Discard); code != 1 {
				t.Errorf("%s in use: got exit code %d, want 1", flag, code)
			}
		}
	}
	goleak.VerifyNone(t, ignore)
	if after := descriptors(t); after > before {
		t.Errorf("got %d open descriptors, want the %d from before", after, before)
	}
}

// TestStoppedProgramLeavesNothing can't be parallel either.
func TestStoppedProgramLeavesNothing(t *testing.T) {
	u := upstreamOf(t, addressOf)
	p := startProgram(t, "--upstream="+u.addr, "--query-log=all")
	p.stopped() // one, for what lives as long as the process
	before, ignore := descriptors(t), goleak.IgnoreCurrent()
	p = startProgram(t, "--upstream="+u.addr, "--query-log=all")
	for _, network := range []string{"udp", "tcp"} {
		p.ask(t, network, "www.example.com.", dns.TypeA)
	}
	hanging, err := net.Dial("tcp", p.admin)
	if err != nil {
		t.Fatal(err)
	}
	if code := p.stopped(); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, p.stderr)
	}
	goleak.VerifyNone(t, ignore)
	hanging.Close()
	if after := descriptors(t); after > before {
		t.Errorf("got %d open descriptors, want the %d from before", after, before)
	}
}

// descriptors is how many are open, 0 where that is not known.
func descriptors(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestAdminCanBeOff(t *testing.T) {
	t.Parallel()
	u := upstreamOf(t, addressOf)
	p := startProgram(t, "--upstream="+u.addr, "--admin=")
	p.ask(t, "udp", "www.example.com.", dns.TypeA)
	p.stopped()
	if got := p.stderr.String(); strings.Contains(got, "admin") {
		t.Errorf("got %s, want no admin", got)
	}
}

func TestReadyOnceAnUpstreamHasAnswered(t *testing.T) {
	t.Parallel()
	answer := make(chan struct{})
	u := upstreamOf(t, func(q *dns.Msg) *dns.Msg {
		<-answer
		return addressOf(q)
	})
	p := startProgram(t, "--upstream="+u.addr)
	if status, body := p.get(t, "/readyz"); status != 503 || body != "no upstream has answered yet\n" {
		t.Errorf("before the upstream answers: got %d %q, want 503", status, body)
	}
	if status, _ := p.get(t, "/healthz"); status != 200 {
		t.Errorf("health: got %d, want 200", status)
	}
	close(answer) // to the question of its own that every upstream is asked at the start
	began := time.Now()
	for {
		status, body := p.get(t, "/readyz")
		if status == 200 {
			break
		}
		if time.Since(began) > readyAnyway/2 {
			t.Fatalf("after the upstream's answer: got %d %q, want 200", status, body)
		}
	}
}

func TestReadyAnywayAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &daemon{resolver: resolver.New(resolver.Config{})}
		start := time.Now()
		time.Sleep(readyAnyway - time.Nanosecond)
		if err := d.ready(t.Context(), start); err == nil {
			t.Errorf("after %v: got readiness, want none: no upstream has answered", time.Since(start))
		}
		time.Sleep(time.Nanosecond)
		if err := d.ready(t.Context(), start); err != nil {
			t.Errorf("after %v: got %v, want readiness", time.Since(start), err)
		}
	})
}

// TestEveryMetricIsThere has the names that DESIGN.md promises of this part of the program.
func TestEveryMetricIsThere(t *testing.T) {
	t.Parallel()
	u := upstreamOf(t, addressOf)
	p := startProgram(t, "--upstream="+u.addr)
	p.ask(t, "udp", "www.example.com.", dns.TypeA)
	p.ask(t, "tcp", "www.example.com.", dns.TypeA)
	status, body := p.get(t, "/metrics")
	if status != 200 {
		t.Fatalf("got %d %s", status, body)
	}
	have := make(map[string]bool)
	lines := bufio.NewScanner(strings.NewReader(body))
	for lines.Scan() {
		have[strings.Fields(lines.Text())[0]] = true
	}
	upstream := `{upstream="` + u.addr + `"}`
	for _, want := range []string{
		`notyet_queries_total{proto="udp"}`,
		`notyet_queries_total{proto="tcp"}`,
		`notyet_queries_limited_total`,
		`notyet_udp_drops_total`,
		`notyet_responses_total{rcode="NOERROR"}`,
		`notyet_responses_total{rcode="NXDOMAIN"}`,
		`notyet_responses_total{rcode="SERVFAIL"}`,
		`notyet_query_seconds_count`,
		`notyet_cache_hits_total{kind="positive"}`,
		`notyet_cache_hits_total{kind="negative"}`,
		`notyet_cache_misses_total`,
		`notyet_cache_entries{kind="positive"}`,
		`notyet_cache_entries{kind="negative"}`,
		`notyet_cache_bytes{kind="positive"}`,
		`notyet_cache_bytes{kind="negative"}`,
		`notyet_cache_evictions_total{kind="positive"}`,
		`notyet_cache_evictions_total{kind="negative"}`,
		`notyet_upstream_queries_total{result="answered",upstream="` + u.addr + `"}`,
		`notyet_upstream_queries_total{result="timeout",upstream="` + u.addr + `"}`,
		`notyet_upstream_seconds_count` + upstream,
		`notyet_upstream_up` + upstream,
		`notyet_config_reloads_total{result="applied"}`,
		`notyet_config_reloads_total{result="refused"}`,
		`notyet_config_fault`,
		`go_goroutines`,
	} {
		if !have[want] {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if runtime.GOOS == "linux" && !have["process_open_fds"] {
		t.Errorf("no process_open_fds in\n%s", body)
	}
}
