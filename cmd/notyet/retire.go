package main

import (
	"time"

	"notyet/resolver"
)

// retireAfter is for how long an upstream that no route has any more stays open: questions under way take 5 s at most, and
// a network that is back so soon finds its upstreams as they were.
const retireAfter = 10 * time.Second

// retire notes the upstreams that no route has any more, and takes those back that one has again.
func (d *daemon) retire(now time.Time) {
	used := make(map[resolver.Upstream]bool)
	for _, route := range d.routes {
		for _, up := range route.Upstreams {
			used[up] = true
		}
	}
	for server, up := range d.upstreams {
		_, retired := d.retired[server]
		switch {
		case used[up]:
			delete(d.retired, server)
		case !retired:
			d.retired[server] = now
		}
	}
}

// closeRetired closes the upstreams that nothing is under way with any more.
func (d *daemon) closeRetired(now time.Time) {
	for server, since := range d.retired {
		if now.Sub(since) < retireAfter {
			continue
		}
		up := d.upstreams[server]
		up.Close()
		delete(d.upstreams, server)
		delete(d.retired, server)
		if !d.hasNamed(up.String()) {
			d.metrics.Forget(up.String())
		}
	}
}

// hasNamed reports whether there is an upstream of that name: what it is trusted by may have changed, and not its name.
func (d *daemon) hasNamed(name string) bool {
	for _, up := range d.upstreams {
		if up.String() == name {
			return true
		}
	}
	return false
}
