package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/term"

	"notyet/admin"
	"notyet/authority"
	"notyet/cache"
	"notyet/config"
	"notyet/resolver"
	"notyet/server"
	"notyet/socket"
	"notyet/upstream"
	"notyet/watch"
	"notyet/wire"
)

// readyAnyway is how long readiness waits for an upstream's first answer.
const readyAnyway = 5 * time.Second

// eventBacklog is how many events may wait to be published: a burst of them.
const eventBacklog = 1024

// daemon is the running program: the parts, wired. Arrows point down, see the packages.
type daemon struct {
	logs      *logWriter // of log and queryLog
	log       *slog.Logger
	queryLog  *slog.Logger
	level     *slog.LevelVar // of log
	group     *socket.Group
	deadlines *upstream.Deadlines
	metrics   *upstream.Metrics
	upstreams map[target]*upstream.Upstream // those that are retired included
	routes    []resolver.Route
	servers   *upstream.Servers // of the zones under watch, and those that know the upstreams' addresses
	finder    *authority.Finder
	watching  *watch.Set
	answers   *cache.Cache
	resolver  *resolver.Resolver
	server    *server.Server
	snapshot  *snapshot     // nil when off
	state     *state        // nil when off
	admin     *admin.Server // nil when off
	reloader
}

// serve answers queries until ctx ends and what is under way is answered.
func serve(ctx context.Context, from source, stderr io.Writer) error {
	cfg, err := from.load()
	if err != nil {
		return err
	}
	d, err := build(ctx, cfg, from, stderr)
	if err != nil {
		return err
	}
	return d.run(ctx)
}

// logFormat is text for people and JSON for programs, unless the configuration says otherwise.
func logFormat(cfg config.Config, stderr io.Writer) config.LogFormat {
	file, ok := stderr.(*os.File)
	switch {
	case cfg.LogFormat != config.LogAuto:
		return cfg.LogFormat
	case ok && term.IsTerminal(int(file.Fd())):
		return config.LogText
	}
	return config.LogJSON
}

func newLog(format config.LogFormat, level slog.Leveler, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: withUnit}
	if format == config.LogText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// withUnit writes a duration with three digits and its unit, as in 3.17ms, in JSON too, where it would be a bare number.
func withUnit(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindDuration {
		return a
	}
	d, unit := a.Value.Duration(), time.Nanosecond
	for d.Abs()/1000 >= unit {
		unit *= 10
	}
	return slog.String(a.Key, d.Round(unit).String())
}

// build opens everything that can fail and wires it. Nothing runs yet.
func build(ctx context.Context, cfg config.Config, from source, stderr io.Writer) (*daemon, error) {
	from.resolvConf = cmp.Or(from.resolvConf, cfg.ResolvConf)
	level, logs, format := new(slog.LevelVar), newLogWriter(stderr), logFormat(cfg, stderr)
	d := &daemon{
		logs: logs, log: newLog(format, level, logs), queryLog: newLog(format, level, logs.waiting(ctx.Done())), level: level,
		deadlines: upstream.NewDeadlines(), metrics: upstream.NewMetrics(),
		upstreams: make(map[target]*upstream.Upstream), reloader: newReloader(from, cfg),
	}
	if err := d.open(ctx, cfg); err != nil {
		d.close(ctx)
		return nil, err
	}
	return d, nil
}

func (d *daemon) open(ctx context.Context, cfg config.Config) (err error) {
	replies := new(socket.Batch)
	if d.group, err = socket.NewGroup(replies); err != nil {
		return err
	}
	start := time.Now()
	d.level.Set(cfg.Log)
	made := limits(cfg)
	made.Refresh = func(k cache.Key) bool { return d.resolver.Refresh(k) }
	d.answers = cache.New(made, start)
	d.snapshot = newSnapshot(cfg.Cache.Snapshot, d.answers, d.log)
	d.servers = upstream.NewServers(d.group, d.deadlines)
	if d.system, err = d.systemServers(cfg); err != nil {
		return err
	}
	if d.routes, err = d.makeRoutes(cfg, d.system); err != nil {
		return err
	}
	if err := d.watches(cfg, d.answers); err != nil {
		return err
	}
	d.state = newState(cfg, d.watching, d.log)
	d.resolver = resolver.New(resolver.Config{Cache: d.answers, Routes: d.routes, Watches: d.watching, Log: d.log})
	host, _ := os.Hostname() // without one, id.server is REFUSED
	d.server, err = server.New(ctx, server.Config{
		Listen: cfg.Listen, Passed: d.from.manager.sockets, ReusePort: cfg.ReusePort, Replies: replies,
		Cache: d.answers, Resolve: d.resolver.Serve, Notify: d.watching.Notified, Allow: prefixes(cfg.Allow), RateLimit: cfg.RateLimit,
		Version: version(), ID: host,
		QueryLog: queryLogs[cfg.QueryLog], Log: d.queryLog,
	})
	if err != nil || cfg.Admin == "" {
		return err
	}
	return d.openAdmin(ctx, cfg, start)
}

// openAdmin makes what shows the other parts.
func (d *daemon) openAdmin(ctx context.Context, cfg config.Config, start time.Time) error {
	token, err := readToken(cfg.AdminTokenFile, d.log)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	for _, part := range [][]prometheus.Collector{
		d.server.Metrics(), d.resolver.Metrics(), d.watching.Metrics(), d.answers.Metrics(), d.snapshot.metrics(), d.state.metrics(), d.metrics.Collectors(), d.reloads.all,
		{d.logs.drops},
		{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})},
	} {
		registry.MustRegister(part...)
	}
	d.admin, err = admin.New(ctx, admin.Config{
		Address: cfg.Admin, Token: token, Metrics: registry, Log: d.log,
		Ready: func() error { return d.ready(ctx, start) },
		API:   &api{daemon: d, config: cfg, started: start},
	})
	if err == nil {
		registry.MustRegister(d.admin.Metrics()...)
	}
	return err
}

// close gives back what open had opened before it failed.
func (d *daemon) close(ctx context.Context) {
	if d.server != nil {
		d.server.Close()
	}
	for _, up := range d.upstreams {
		up.Close()
	}
	ended, end := context.WithCancel(ctx)
	end()
	if d.watching != nil {
		d.watching.Run(ended)
		d.finder.Run(ended)
	}
	if d.servers != nil {
		d.servers.Close()
	}
	if d.group != nil {
		d.group.Run(ended) // which closes it
	}
}

var (
	policies  = map[config.Policy]resolver.Policy{config.Sequential: resolver.Sequential, config.Random: resolver.Random}
	queryLogs = map[config.QueryLog]server.QueryLog{
		config.QueryLogOff: server.LogNone, config.QueryLogDenial: server.LogDenials, config.QueryLogAll: server.LogAll,
	}
)

func prefixes(allow []config.Clients) (all []netip.Prefix) {
	for _, c := range allow {
		all = append(all, c.Prefixes()...)
	}
	return all
}

// limits are those of the cache.
func limits(cfg config.Config) cache.Config {
	c := cfg.Cache
	return cache.Config{Memory: c.Memory, MaxTTL: c.MaxTTL, MaxNegativeTTL: c.MaxNegativeTTL, Stale: c.Stale}
}

// run answers until ctx ends. The parts stop from the top down, since each needs those below it to the end.
func (d *daemon) run(ctx context.Context) error {
	defer d.logs.begin()() // to the last line
	below, stop := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	defer func() {
		d.servers.Close()
		for _, up := range d.upstreams {
			up.Close()
		}
	}()
	release := context.AfterFunc(ctx, d.watching.ReleaseHeld)
	defer release()
	defer onStop(ctx, d.from.manager.stopping)()
	endState := d.state.begin() // before anybody asks what is leased
	parts.Go(func() { d.watching.Run(below) })
	parts.Go(func() { d.finder.Run(below) })
	parts.Go(func() { d.group.Run(below) })
	parts.Go(func() { d.deadlines.Run(below) })
	if d.admin != nil {
		events := d.watching.Subscribe(eventBacklog)
		defer events.Close()
		parts.Go(func() { publish(events, d.admin) })
		parts.Go(func() {
			if err := d.admin.Run(below); err != nil {
				d.log.Error("admin stopped", "err", err)
			}
		})
	}
	d.announce()
	d.from.manager.ready(d.status())
	d.resolver.Probe()
	endSnapshot := d.snapshot.begin()
	reloading, stopReloading := context.WithCancel(ctx)
	var reload sync.WaitGroup
	reload.Go(func() { d.follow(reloading) })
	err := d.server.Run(ctx)
	stopReloading()
	reload.Wait()
	endSnapshot()
	endState()
	d.log.Info("stopped")
	return err
}

// onStop calls f when ctx ends. The function that it returns waits for that, if it has begun.
func onStop(ctx context.Context, f func()) (end func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

func (d *daemon) announce() {
	for _, addr := range d.server.Addrs() {
		d.log.Info("listening", "addr", addr.String())
	}
	if d.admin != nil {
		d.log.Info("admin listening", "addr", adminAddress(d.admin.Addr()))
	}
	for _, w := range d.running.Watch {
		d.log.Info("watching", "zone", w.Zone, "verify", string(w.Verify), "hold", w.Hold.String())
	}
	for _, route := range d.routes {
		for _, up := range route.Upstreams {
			d.log.Info("forwarding", "zone", wire.String(route.Zone), "upstream", up.String())
		}
	}
}

// adminAddress is an address as --admin and NOTYET_ADMIN take it.
func adminAddress(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "unix://" + addr.String()
	}
	return addr.String()
}

// status is what the service manager shows about a running daemon.
func (d *daemon) status() string {
	if d.fault != "" {
		return "The configuration has a fault: what ran before stays; the log has more"
	}
	var addrs []string
	for _, addr := range d.server.Addrs() {
		addrs = append(addrs, addr.String())
	}
	return "Answering on " + strings.Join(addrs, ", ")
}

// ready says what is missing before clients should be sent here.
func (d *daemon) ready(ctx context.Context, start time.Time) error {
	if ctx.Err() != nil {
		return errors.New("stopping")
	}
	select {
	case <-d.resolver.Answered():
		return nil
	default:
	}
	if time.Since(start) < readyAnyway {
		return errors.New("no upstream has answered yet")
	}
	return nil
}
