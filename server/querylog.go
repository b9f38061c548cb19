package server

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"notyet/cache"
	"notyet/wire"
)

// QueryLog says which questions leave a line in the log.
type QueryLog int

const (
	// LogNone is the default.
	LogNone QueryLog = iota
	// LogDenials is NXDOMAIN and NODATA.
	LogDenials
	// LogAll is every question that was answered from the cache or by the resolver.
	LogAll
)

// queryLogBacklog is how many lines may wait to be written.
const queryLogBacklog = 1024

// queryLog writes a line per question from a goroutine of its own: a log that is written slowly loses lines, and
// never holds up answers.
type queryLog struct {
	which atomic.Int32 // a QueryLog
	log   *slog.Logger
	lines chan line
	lost  atomic.Uint64
}

// line is a question and what became of it.
type line struct {
	at     time.Time
	qname  string
	qtype  uint16
	rcode  int
	kind   wire.Kind
	client netip.AddrPort
	proto  string
	cached bool
	took   time.Duration
}

func newQueryLog(which QueryLog, log *slog.Logger) *queryLog {
	l := &queryLog{log: log, lines: make(chan line, queryLogBacklog)}
	l.which.Store(int32(which))
	return l
}

// SetQueryLog changes which questions leave a line in the log.
func (s *Server) SetQueryLog(which QueryLog) { s.log.which.Store(int32(which)) }

func (l *queryLog) isOn() bool { return QueryLog(l.which.Load()) != LogNone }

func (l *queryLog) record(q *wire.Query, e *cache.Entry, client netip.AddrPort, proto string, started time.Time, cached bool) {
	if QueryLog(l.which.Load()) == LogDenials && !e.Kind().Negative() {
		return
	}
	now := time.Now()
	select {
	case l.lines <- line{
		at: now, qname: wire.String(q.Name), qtype: q.Type, rcode: e.Rcode(), kind: e.Kind(),
		client: client, proto: proto, cached: cached, took: now.Sub(started),
	}:
	default:
		l.lost.Add(1)
	}
}

// run writes lines until ctx ends, and then those that wait.
func (l *queryLog) run(ctx context.Context) {
	for {
		select {
		case line := <-l.lines:
			l.write(line)
		case <-ctx.Done():
			for range len(l.lines) {
				l.write(<-l.lines)
			}
			return
		}
	}
}

// write writes a line whatever level the log is at: it was asked for by itself.
func (l *queryLog) write(n line) {
	record := slog.NewRecord(n.at, slog.LevelInfo, "query", 0)
	record.AddAttrs(
		slog.String("qname", n.qname),
		slog.String("qtype", dns.Type(n.qtype).String()),
		slog.String("rcode", wire.RcodeName(n.rcode)),
		slog.String("kind", n.kind.String()),
		slog.String("client", n.client.String()),
		slog.String("proto", n.proto),
		slog.Bool("cached", n.cached),
		slog.Duration("took", n.took))
	_ = l.log.Handler().Handle(context.Background(), record) // there is nowhere else to tell it
}
