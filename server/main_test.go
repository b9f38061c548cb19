package server

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"notyet/cache"
	"notyet/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what comes at once unless something is broken.
const patience = 10 * time.Second

var (
	everybody = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	loopback  = netip.MustParseAddrPort("127.0.0.1:0")
)

// fixture is a running server with a fake upstream behind it.
type fixture struct {
	*Server
	upstream *upstream
	addr     netip.AddrPort // the first one
	stop     context.CancelFunc
	done     chan struct{} // closed when Run has returned err
	err      error
}

// start runs a server on a port of the IPv4 loopback, or as change says. It is stopped at the end of the test.
func start(t *testing.T, change func(*Config, *upstream)) *fixture {
	t.Helper()
	f := &fixture{upstream: &upstream{cache: newCache()}}
	f.Server = open(t, f.config(change))
	f.run(t)
	f.addr = f.Addrs()[0]
	return f
}

func newCache() *cache.Cache { return newCacheAt(time.Now()) }

func newCacheAt(now time.Time) *cache.Cache {
	return cache.New(cache.Config{Memory: 64 << 20, MaxTTL: time.Hour, MaxNegativeTTL: time.Hour}, now)
}

// config is what a test's server works with when the test doesn't care.
func (f *fixture) config(change func(*Config, *upstream)) Config {
	config := Config{
		Listen: []netip.AddrPort{loopback},
		Cache:  f.upstream.cache, Resolve: f.upstream.resolve, Allow: everybody,
		Version: "notyet test", ID: "a.host",
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config, f.upstream)
	}
	resolve := config.Resolve
	config.Resolve = func(q *resolver.Query) {
		q.Key.Name = bytes.Clone(q.Key.Name) // tests look at it later; it is good until Resolve returns
		resolve(q)
	}
	return config
}

func open(t *testing.T, config Config) *Server {
	t.Helper()
	s, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs the server until the end of the test or stop.
func (f *fixture) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	f.stop, f.done = stop, make(chan struct{})
	go func() {
		defer close(f.done)
		f.err = f.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		if err := f.wait(); err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
}

// wait waits for Run to return.
func (f *fixture) wait() error {
	<-f.done
	return f.err
}
