package main

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"

	"notyet/config"
	"notyet/resolver"
	"notyet/upstream"
	"notyet/wire"
)

// makeRoutes makes the upstreams of every route and of all that has no route of its own.
func (d *daemon) makeRoutes(cfg config.Config, metrics *upstream.Metrics) ([]resolver.Route, error) {
	roots, err := readRoots(cfg.TLSCA)
	if err != nil {
		return nil, err
	}
	if err := cfg.CheckNames(resolvConf); err != nil {
		return nil, err
	}
	var routes []resolver.Route
	for _, r := range append([]config.Route{{Zone: ".", Upstreams: cfg.Upstreams}}, cfg.Routes...) {
		zone, err := wire.Name(r.Zone)
		if err != nil {
			return nil, err
		}
		route := resolver.Route{Zone: zone, Policy: policies[cfg.Policy]}
		for _, u := range r.Upstreams {
			servers, err := resolve(u, cfg.Listen)
			if err != nil {
				return nil, err
			}
			for _, server := range servers {
				route.Upstreams = append(route.Upstreams, d.upstream(server, d.secrets(server, cfg, roots), metrics))
			}
		}
		routes = append(routes, route)
	}
	return routes, nil
}

// readRoots reads the certificates of a file; without one it returns nil, for the system's.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tls_ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls_ca %q: write a file with certificates in PEM: this one has none", path)
	}
	return roots, nil
}

// resolve turns "system" into the servers it stands for.
func resolve(u config.Upstream, listen []netip.AddrPort) ([]config.Upstream, error) {
	if !u.System {
		return []config.Upstream{u}, nil
	}
	system, err := config.System(resolvConf, listen)
	return system.Upstreams(), err
}

// secrets says how a server is asked over TLS; nil: in the clear.
func (d *daemon) secrets(server config.Upstream, cfg config.Config, roots *x509.CertPool) *upstream.TLS {
	if !server.TLS {
		return nil
	}
	t := &upstream.TLS{Name: server.Name, Path: server.Path, Roots: roots}
	for _, pin := range cfg.TLSPins {
		if pin.Name == server.ServerName() {
			t.Pins = append(t.Pins, pin.Key)
		}
	}
	if server.Named() {
		t.Lookup = upstream.Bootstrap{
			Servers:  func() ([]netip.AddrPort, error) { return cfg.BootstrapServers(resolvConf) },
			Exchange: d.servers.Recurse,
		}.Lookup
	}
	return t
}

// upstream returns the one for a server; routes that name the same server share it.
func (d *daemon) upstream(server config.Upstream, secrets *upstream.TLS, metrics *upstream.Metrics) *upstream.Upstream {
	up := d.upstreams[server]
	if up == nil {
		up = upstream.New(upstream.Config{
			Name: server.String(), Addr: server.Addr, TCP: server.TCP, TLS: secrets,
			Group: d.group, Deadlines: d.deadlines, Metrics: metrics, Log: d.log,
		})
		d.upstreams[server] = up
	}
	return up
}
