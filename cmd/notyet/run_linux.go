package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"

	"github.com/miekg/dns"

	"notyet/config"
	"notyet/private"
	"notyet/wire"
)

// execute runs the command and waits for it. It returns its exit code, or why it was not run.
func (w *wrapper) execute(ctx context.Context, path string, args []string, stderr io.Writer) error {
	signals := private.TakeSignals()
	if ctx.Err() != nil {
		return failure{errors.New("interrupted before the command was started")}
	}
	d, err := w.open(ctx, stderr)
	if err != nil {
		return err
	}
	rescued := tally(d.watching.Subscribe(backlog))
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) // signals are the command's
	go func() {
		// Nobody waits for its end: once the command is gone, so is whoever would get the answers under way.
		if err := d.run(ctx); err != nil {
			d.log.Error("stopped", "err", err)
		}
	}()
	defer stop()
	p, err := private.Start(private.Command{
		Path: path, Args: args, Server: w.listen[0].Addr(), Signals: signals, Log: d.log,
	})
	var unfit private.ExecError
	switch {
	case errors.As(err, &unfit) && errors.Is(err, fs.ErrNotExist): // what its first line says to run it with
		return notRun(stderr, path, unfit.Error(), notFound)
	case errors.As(err, &unfit):
		return notRun(stderr, path, unfit.Error(), notExecutable)
	case err != nil:
		return w.refusal(err)
	}
	code, err := p.Wait()
	if err != nil {
		return failure{err}
	}
	fmt.Fprintln(stderr, "notyet: "+rescued().line(len(w.watch), d.hasAddress))
	return ended(code)
}

// hasAddress reports whether a name under watch is known to have one.
func (d *daemon) hasAddress(name string) bool {
	qname, err := wire.Name(name)
	return err == nil && (d.watching.Knows(qname, dns.TypeA) || d.watching.Knows(qname, dns.TypeAAAA))
}

// open makes the notyet, at the first address of 127.0.53.0/24 that is free.
func (w *wrapper) open(ctx context.Context, stderr io.Writer) (d *daemon, err error) {
	const addresses = 254
	from := source{load: w.config, resolvConf: resolvConf}
	used := w.used()
	first := rand.IntN(addresses) // two that start at once seldom want the same
	for i := range addresses {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 53, byte(1 + (first+i)%addresses)}), 53)
		if at.Addr() == collided || slices.Contains(used, at) {
			continue
		}
		w.listen = []netip.AddrPort{at}
		cfg, err := w.config()
		if err != nil {
			return nil, failure{err}
		}
		switch d, err = build(ctx, cfg, from, stderr); {
		case err == nil:
			return d, nil
		case errors.Is(err, fs.ErrPermission):
			return nil, w.refusal(fmt.Errorf("port 53: %w", errors.Unwrap(err))) // the error has another remedy
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, failure{fileless(err)}
		}
	}
	return nil, w.refusal(errors.New("port 53 is taken on all addresses of 127.0.53.0/24: by a server on 0.0.0.0, which is to listen on its own addresses only"))
}

// collided is an address that top-level domains answer names with that are not theirs: it is to stay known for that.
var collided = netip.MustParseAddr("127.0.53.53")

// used are the servers that questions go to, which may be on such addresses too: another run's, for one within a run.
func (w *wrapper) used() (all []netip.AddrPort) {
	for _, u := range w.upstreams {
		all = append(all, u.Addr)
	}
	for _, watch := range w.watch {
		all = append(all, watch.Authorities...)
	}
	system, _ := config.System(resolvConf, nil) // what is wrong with it is told later
	return append(all, system.Servers...)
}

// refusal says what does where this does not.
func (w *wrapper) refusal(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("run needs root, or CAP_NET_BIND_SERVICE and CAP_SYS_ADMIN, and a system that lets it use them (%w)", err)
	}
	return failure{fmt.Errorf("%w\n%s", err, w.sidecar())}
}
