package server

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"notyet/resolver"
)

// lines is a log whose lines the test takes one by one. Its level is above all; the query log is asked for by itself.
type lines chan map[string]any

func (lines) Enabled(context.Context, slog.Level) bool { return false }
func (l lines) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l lines) WithGroup(string) slog.Handler          { return l }
func (l lines) Handle(_ context.Context, r slog.Record) error {
	line := map[string]any{"msg": r.Message, "level": r.Level}
	r.Attrs(func(a slog.Attr) bool {
		line[a.Key] = a.Value.Any()
		return true
	})
	l <- line
	return nil
}

func TestQueryLog(t *testing.T) {
	t.Parallel()
	const udp, tcp, miss = "192.0.2.99:5353", "192.0.2.99:1234", 20 * time.Millisecond
	www := query("wWw.example.com. A")
	missing := query("missing.example.com. TYPE65400")
	nodata := query("www.example.com. MX", edns(1232), do)
	line := func(values ...any) string { return strings.TrimSpace(fmt.Sprintln(values...)) }
	positive := []string{
		line("wWw.example.com.", "A", "NOERROR", "positive", udp, "udp", false, miss),
		line("wWw.example.com.", "A", "NOERROR", "positive", tcp, "tcp", true, 0*time.Second),
	}
	denials := []string{
		line("missing.example.com.", "TYPE65400", "NXDOMAIN", "nxdomain", udp, "udp", false, miss),
		line("missing.example.com.", "TYPE65400", "NXDOMAIN", "nxdomain", tcp, "tcp", true, 0*time.Second),
		line("www.example.com.", "MX", "NOERROR", "nodata", udp, "udp", false, miss),
		line("www.example.com.", "MX", "NOERROR", "nodata", tcp, "tcp", true, 0*time.Second),
	}
	for _, tt := range []struct {
		name string
		log  QueryLog
		want []string
	}{
		{"off", LogNone, nil},
		{"denial", LogDenials, denials},
		{"all", LogAll, slices.Concat(positive, denials)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := make(lines, 100)
				var m *memory
				m = startInMemory(t, func(c *Config, _ *upstream) {
					c.QueryLog, c.Log = tt.log, slog.New(log)
					c.Resolve = func(q *resolver.Query) {
						time.AfterFunc(20*time.Millisecond, func() { q.Done(m.upstream.answer(q.Key)) })
					}
				})
				c := m.listener.connect(t)
				for _, q := range []*dns.Msg{www, missing, nodata} {
					m.packets.in <- pack(t, q)
					<-m.packets.out
					c.ask(t, q)
				}
				// What neither cache nor resolver answered leaves no line.
				c.ask(t, query("www.example.com. ANY"))
				m.packets.in <- append(pack(t, www), 0)
				<-m.packets.out
				synctest.Wait()
				var got []string
				for range len(log) {
					l := <-log
					if l["msg"] != "query" || l["level"] != slog.LevelInfo || len(l) != 10 {
						t.Errorf("got %v, want msg query, level INFO and 8 attributes", l)
					}
					got = append(got, line(l["qname"], l["qtype"], l["rcode"], l["kind"], l["client"], l["proto"], l["cached"], l["took"]))
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
				}
			})
		})
	}
}

// TestLogThatBlocksLosesLinesAndHoldsUpNothing has a log that takes no line until all queries are answered.
func TestLogThatBlocksLosesLinesAndHoldsUpNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := make(lines)
		m := startInMemory(t, func(c *Config, _ *upstream) { c.QueryLog, c.Log = LogAll, slog.New(log) })
		c := m.listener.connect(t)
		www := query("www.example.com. A")
		c.ask(t, www) // the line that the log is stuck with
		synctest.Wait()
		start := time.Now()
		const lost = 10
		for range (queryLogBacklog + lost) / 2 {
			m.packets.in <- pack(t, www)
			<-m.packets.out
			c.ask(t, www)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("got the replies after %v, want them at once", took)
		}
		if got := m.metrics(t)["notyet_query_log_drops_total"]; got != lost {
			t.Errorf("got %v lines counted as lost, want %d", got, lost)
		}
		m.stop() // what waits is still written
		for range 1 + queryLogBacklog {
			<-log
		}
		m.stopped(t)
	})
}
