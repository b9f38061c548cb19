package main

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"notyet/config"
	"notyet/resolver"
)

// source is where configurations come from, and who has them brought into force.
type source struct {
	load       func() (config.Config, error) // reads the file anew; flags still override it
	file       string                        // that is followed as it changes; empty: there is none
	resolvConf string                        // where the upstream system is written down, followed too; empty: where the configuration says
	hangup     <-chan os.Signal              // each is a demand to read everything again
	manager    manager                       // that hears of it
}

// reloader is what the daemon knows of its configuration. Once follow runs, only its goroutine uses it.
type reloader struct {
	from    source
	wanted  config.Config        // as the source has it
	running config.Config        // the same, but for what takes effect only at the start
	system  config.Resolv        // what the upstream system stands for; zero when there is none
	fault   string               // what was told of a source that has faults; empty: it has none
	lost    string               // what was told of a resolv.conf that is of no use; empty: it is, or nobody needs it
	retired map[target]time.Time // those that no route has any more → since when
	reloads reloads
}

func newReloader(from source, cfg config.Config) reloader {
	if from.file != "" && config.ReadsOnce(from.file) { // a second reading would find nothing, which stands for the defaults
		from.file, from.load = "", func() (config.Config, error) { return cfg, nil }
	}
	return reloader{
		from: from, wanted: cfg, running: cfg, retired: make(map[target]time.Time), reloads: newReloads(),
	}
}

// reloads are the metrics.
type reloads struct {
	applied, refused prometheus.Counter
	fault            prometheus.Gauge
	all              []prometheus.Collector
}

func newReloads() reloads {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "notyet_config_reloads_total",
		Help: "Configurations read while running, by result: applied, or refused for a fault.",
	}, []string{"result"})
	fault := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "notyet_config_fault",
		Help: "Whether the configuration as it is written has a fault, so that an older one is in force.",
	})
	return reloads{
		applied: results.WithLabelValues("applied"), refused: results.WithLabelValues("refused"),
		fault: fault, all: []prometheus.Collector{results, fault},
	}
}

// follow applies what changes until ctx ends, and has the answers age when the machine was suspended.
func (d *daemon) follow(ctx context.Context) {
	files := []string{d.from.resolvConf}
	if d.from.file != "" {
		files = append(files, d.from.file)
	}
	changed := make(chan struct{}, 1)
	f := newFollower(files...)
	looks, stop := ticks(look)
	defer stop()
	start, lookAgain := time.Now(), make(chan time.Time, 1)
	suspended := suspends{wall: start.Round(0)}
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() {
		f.run(ctx, lookAgain, func() {
			select {
			case changed <- struct{}{}:
			default: // one is enough for both
			}
		})
	})
	for {
		d.closeRetired(time.Now())
		var later <-chan time.Time // nil: nothing is retired, and nobody has to wake up for it
		if len(d.retired) > 0 {
			later = time.After(retireAfter / 2)
		}
		select {
		case <-ctx.Done():
			return
		case <-d.from.hangup:
			d.from.manager.reloading()
			d.reload(true)
			d.from.manager.ready(d.status())
		case <-changed:
			d.reload(false)
		case now := <-looks:
			if by := suspended.look(now.Round(0), now.Sub(start)); by > 0 {
				d.log.Info("machine was suspended, or its clock set forward: answers are older", "by", by)
				d.answers.Slept(by)
			}
			select {
			case lookAgain <- now:
			default: // it has not even taken the last
			}
		case <-later:
		}
	}
}

// reload brings into force what the source and resolv.conf say now. asked means that somebody wants to hear of it also
// when there is nothing new.
func (d *daemon) reload(asked bool) {
	wanted, next, system, err := d.read()
	if err != nil {
		wanted, next = d.wanted, d.running
		system, _ = d.systemServers(next) // it had some, and they are followed all the same
	}
	changed := config.Differences(d.wanted, wanted)
	again := asked && err == nil // another file than these may have changed: tls_ca
	if again || len(changed) > 0 || !system.Equal(d.system) {
		if fault := d.apply(next, system); fault != nil {
			err = fault
		} else {
			d.wanted = wanted
		}
	}
	switch {
	case err != nil:
		d.refused(err, asked)
	case asked || len(changed) > 0 || d.fault != "":
		d.accepted(changed)
	}
}

// read is what the source says, and what is to be in force: the same but for what takes effect only at the start, and the
// servers that the upstream system stands for.
func (d *daemon) read() (wanted, next config.Config, system config.Resolv, err error) {
	if wanted, err = d.from.load(); err != nil {
		return wanted, next, system, err
	}
	next = sinceStart(wanted, d.running)
	if err = next.Check(); err == nil { // maybe not the addresses that wanted was checked with are listened on
		system, err = d.systemServers(next)
	}
	return wanted, next, system, err
}

// sinceStart gives a configuration the values of the one that runs in all that takes effect only at the start.
func sinceStart(next, running config.Config) config.Config {
	next.Listen, next.ResolvConf, next.ReusePort, next.LogFormat = running.Listen, running.ResolvConf, running.ReusePort, running.LogFormat
	next.Admin, next.AdminTokenFile = running.Admin, running.AdminTokenFile
	next.Cache.Snapshot, next.State = running.Cache.Snapshot, running.State
	return next
}

// apply brings a configuration into force, with the servers that the upstream system stands for. An error changes nothing.
func (d *daemon) apply(cfg config.Config, system config.Resolv) error {
	defer func() { d.retire(time.Now()) }() // also upstreams that were made in vain
	routes, err := d.makeRoutes(cfg, system)
	if err != nil {
		return err
	}
	if err := d.watching.Replace(zones(cfg)); err != nil {
		return err
	}
	d.watching.SetNotify(notify(cfg))
	d.answers.SetLimits(limits(cfg))
	d.server.SetAllow(prefixes(cfg.Allow))
	d.server.SetRateLimit(cfg.RateLimit)
	d.server.SetQueryLog(queryLogs[cfg.QueryLog])
	d.level.Set(cfg.Log)
	if !slices.EqualFunc(routes, d.routes, sameRoute) {
		d.resolver.SetRoutes(routes)
		d.answers.DropFailures() // which were those of the former upstreams
	}
	d.routes, d.running, d.system = routes, cfg, system
	return nil
}

func sameRoute(a, b resolver.Route) bool {
	return slices.Equal(a.Zone, b.Zone) && slices.Equal(a.Upstreams, b.Upstreams) && a.Policy == b.Policy
}

// refused tells of faults, once unless asked.
func (d *daemon) refused(err error, asked bool) {
	if text := err.Error(); asked || text != d.fault {
		d.fault = text
		d.reloads.refused.Inc()
		d.reloads.fault.Set(1)
		for line := range strings.SplitSeq(text, "\n") {
			d.log.Error("configuration has a fault: what runs stays", "err", line)
		}
	}
}

// accepted tells of a configuration that is in force now, and what of it is not.
func (d *daemon) accepted(changed []string) {
	d.fault = ""
	d.reloads.applied.Inc()
	d.reloads.fault.Set(0)
	d.log.Info("configuration reloaded", "changed", cmp.Or(strings.Join(changed, ", "), "nothing"))
	for _, key := range config.Differences(d.wanted, d.running) {
		d.log.Warn("changed, and takes effect only after a restart", "key", key)
	}
}
