package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"notyet/config"
	"notyet/resolver"
	"notyet/upstream"
	"notyet/wire"
)

// target is what one upstream is made of: a server, and what it is trusted by.
type target struct {
	config.Upstream
	secrets string // of an upstream over TLS: the roots, the pins and the bootstrap servers
}

// makeRoutes makes the upstreams of every route and of all that has no route of its own; system is what that stands for.
func (d *daemon) makeRoutes(cfg config.Config, system config.Resolv) ([]resolver.Route, error) {
	roots, err := readRoots(cfg.TLSCA)
	if err != nil {
		return nil, err
	}
	if err := cfg.CheckNames(d.from.resolvConf); err != nil {
		return nil, err
	}
	var routes []resolver.Route
	for _, r := range append([]config.Route{{Zone: ".", Upstreams: cfg.Upstreams}}, cfg.Routes...) {
		zone, err := wire.Name(r.Zone)
		if err != nil {
			return nil, err
		}
		route := resolver.Route{Zone: zone, Policy: policies[cfg.Policy]}
		if system.Rotate && len(r.Upstreams) == 1 && r.Upstreams[0].System {
			route.Policy = resolver.Random
		}
		for _, u := range r.Upstreams {
			servers := []config.Upstream{u}
			if u.System {
				servers = system.Upstreams()
			}
			for _, server := range servers {
				if up := d.upstream(server, cfg, roots); !slices.Contains(route.Upstreams, resolver.Upstream(up)) {
					route.Upstreams = append(route.Upstreams, up)
				}
			}
		}
		routes = append(routes, route)
	}
	return routes, nil
}

// roots are the certificates that upstreams over TLS are checked against.
type roots struct {
	pool *x509.CertPool // nil: the system's
	file string         // its text
}

// readRoots reads the certificates of a file; without one they are the system's.
func readRoots(path string) (roots, error) {
	if path == "" {
		return roots{}, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return roots{}, unread("tls_ca", path, err, "name a file with certificates in PEM, or leave the key out for those of the system")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return roots{}, config.Fault{Key: "tls_ca", Value: strconv.Quote(path), Remedy: "write a file with certificates in PEM: this one has none"}
	}
	return roots{pool, string(pem)}, nil
}

// unread is the fault of a key that names a file which can't be read; missing is the remedy where there is none.
func unread(key, path string, err error, missing string) config.Fault {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		missing = "name a file that the user whom notyet runs as may read"
	}
	return config.Fault{Key: key, Value: strconv.Quote(path), Remedy: err.Error() + ": " + missing}
}

// upstream returns the one for a server; routes that name the same server share it.
func (d *daemon) upstream(server config.Upstream, cfg config.Config, roots roots) *upstream.Upstream {
	of := target{Upstream: server}
	secrets := d.secrets(server, cfg, roots)
	if secrets != nil {
		of.secrets = fmt.Sprint(roots.file, secrets.Pins, cfg.Bootstrap)
	}
	up := d.upstreams[of]
	if up == nil {
		up = upstream.New(upstream.Config{
			Name: server.String(), Addr: server.Addr, TCP: server.TCP, TLS: secrets,
			Group: d.group, Deadlines: d.deadlines, Metrics: d.metrics, Log: d.log,
		})
		d.upstreams[of] = up
	}
	return up
}

// secrets says how a server is asked over TLS; nil: in the clear.
func (d *daemon) secrets(server config.Upstream, cfg config.Config, roots roots) *upstream.TLS {
	if !server.TLS {
		return nil
	}
	t := &upstream.TLS{Name: server.Name, Path: server.Path, Roots: roots.pool}
	for _, pin := range cfg.TLSPins {
		if pin.Name == server.ServerName() {
			t.Pins = append(t.Pins, pin.Key)
		}
	}
	if server.Named() {
		t.Lookup = upstream.Bootstrap{
			Servers:  func() ([]netip.AddrPort, error) { return cfg.BootstrapServers(d.from.resolvConf) },
			Exchange: d.servers.Recurse,
		}.Lookup
	}
	return t
}
