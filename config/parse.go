package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func configKeys(c *Config) mapping {
	return mapping{
		"listen":           list(&c.Listen, ParseListen),
		"upstreams":        list(&c.Upstreams, ParseUpstream),
		"resolv_conf":      scalar(&c.ResolvConf, parseResolvConf),
		"policy":           scalar(&c.Policy, oneOf(Sequential, Random)),
		"reuse_port":       scalar(&c.ReusePort, parseBool),
		"routes":           listOf(&c.Routes, route),
		"bootstrap":        list(&c.Bootstrap, parseBootstrap),
		"tls_ca":           scalar(&c.TLSCA, parseFile),
		"tls_pins":         list(&c.TLSPins, parsePin),
		"cache":            cacheKeys(&c.Cache).read,
		"watch":            listOf(&c.Watch, watch),
		"notify":           notify(&c.Notify),
		"allow":            list(&c.Allow, ParseClients),
		"rate_limit":       scalar(&c.RateLimit, parseRateLimit),
		"admin":            scalar(&c.Admin, ParseAdmin),
		"admin_token_file": scalar(&c.AdminTokenFile, parseFile),
		"log":              scalar(&c.Log, ParseLevel),
		"log_format":       scalar(&c.LogFormat, ParseLogFormat),
		"query_log":        scalar(&c.QueryLog, ParseQueryLog),
		"state":            scalar(&c.State, parseDirectory),
	}
}

func cacheKeys(c *Cache) mapping {
	return mapping{
		"memory":           scalar(&c.Memory, parseMemory),
		"max_ttl":          scalar(&c.MaxTTL, parseMaxTTL),
		"max_negative_ttl": scalar(&c.MaxNegativeTTL, parseMaxNegativeTTL),
		"stale":            scalar(&c.Stale, parseStale),
		"snapshot":         scalar(&c.Snapshot, parseFile),
	}
}

func routeKeys(r *Route) mapping {
	return mapping{
		"zone":      scalar(&r.Zone, parseZone),
		"upstreams": list(&r.Upstreams, ParseUpstream),
	}
}

func watchKeys(w *Watch) mapping {
	return mapping{
		"zone":               scalar(&w.Zone, ParseWatchZone),
		"negative_ttl":       scalar(&w.NegativeTTL, ParseWatchTTL),
		"nodata_ttl":         scalar(&w.NODATATTL, ParseWatchTTL),
		"verify":             scalar(&w.Verify, ParseVerify),
		"upstream_after":     scalar(&w.UpstreamAfter, ParseUpstreamAfter),
		"hold":               scalar(&w.Hold, ParseHold),
		"poll":               scalar(&w.Poll, ParsePoll),
		"give_up":            scalar(&w.GiveUp, ParseGiveUp),
		"queries_per_second": scalar(&w.QueriesPerSecond, ParseQueriesPerSecond),
		"authorities":        list(&w.Authorities, ParseAuthority),
	}
}

func notifyKeys(n *Notify) mapping {
	return mapping{
		"allow": list(&n.Allow, ParseClients),
		"keys":  listOf(&n.Keys, tsigKey),
	}
}

func tsigKeys(k *Key) mapping {
	return mapping{
		"name":      scalar(&k.Name, parseKeyName),
		"algorithm": scalar(&k.Algorithm, parseAlgorithm),
		"secret":    scalar(&k.Secret, parseSecret),
	}
}

// parse reads a file on a machine that has the given addresses. It returns a Config or faults, never both.
func parse(data []byte, local []netip.Addr) (Config, []Fault) {
	root, bad := document(data)
	if bad != nil {
		return Config{}, []Fault{*bad}
	}
	c := Default()
	p := parser{lines: make(map[string]int)}
	if root != nil {
		p.read("", root, configKeys(&c).read)
	}
	for _, f := range c.faults(local) {
		// What was not even read has its fault already.
		if line, read := p.lines[f.Key]; read && !p.faulty(f.Key) {
			f.Line = line
			p.add(f)
		}
	}
	if len(p.faults) > 0 {
		slices.SortStableFunc(p.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
		return Config{}, p.faults
	}
	return c, nil
}

// parser walks the nodes of a file by hand: every fault knows its line and its key, and none hides another.
type parser struct {
	faults []Fault
	lines  map[string]int // key path → line, for the faults that show only when all values are known
}

// field reads the value of one key. A value with a fault leaves its destination as it was.
type field func(p *parser, key string, n *yaml.Node)

// mapping is the keys that a YAML mapping may have.
type mapping map[string]field

// read holds what every value has in common, whatever its type.
func (p *parser) read(key string, n *yaml.Node, f field) {
	p.lines[key] = n.Line
	switch {
	case n.Kind == yaml.AliasNode:
		p.reject(key, n, "write the value out: aliases are not followed")
	case n.Style&yaml.TaggedStyle != 0:
		p.reject(key, n, "write the value without the tag "+quote(n.Tag))
	case n.Tag == "!!null":
		p.reject(key, n, "write a value, or leave the key out for its default")
	default:
		f(p, key, n)
	}
}

func (m mapping) read(p *parser, key string, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		p.reject(key, n, "write keys, each with a colon and a value")
		return
	}
	given := make(map[string]int) // key → line
	for pair := range slices.Chunk(n.Content, 2) {
		name, value := pair[0], pair[1]
		path := below(key, name.Value)
		f, known := m[name.Value]
		line, again := given[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode:
			p.reject(key, name, "write a plain word as key")
		case !known:
			p.add(Fault{Line: name.Line, Key: path, Remedy: "unknown key: " + m.suggest(name.Value)})
		case again:
			p.add(Fault{Line: name.Line, Key: path, Remedy: fmt.Sprintf("remove it: already on line %d", line)})
		default:
			given[name.Value] = name.Line
			p.read(path, value, f)
		}
	}
}

// scalar reads a value from its text, which alone is what the operator wrote, not from the type that YAML guesses.
func scalar[T any](to *T, parse func(string) (T, error)) field {
	return func(p *parser, key string, n *yaml.Node) {
		if n.Kind != yaml.ScalarNode {
			p.reject(key, n, "write a single value")
			return
		}
		value, err := parse(n.Value)
		if err != nil {
			p.reject(key, n, err.Error())
			return
		}
		*to = value
	}
}

func list[T any](to *[]T, parse func(string) (T, error)) field {
	return listOf(to, func(item *T) field { return scalar(item, parse) })
}

// listOf replaces the list at to. An item with a fault keeps its place in it, so that indexes stay those of the file.
func listOf[T any](to *[]T, item func(*T) field) field {
	return func(p *parser, key string, n *yaml.Node) {
		if n.Kind != yaml.SequenceNode {
			p.reject(key, n, "write a list: [a, b]")
			return
		}
		var items []T // nil when empty: one spelling, one value
		if len(n.Content) > 0 {
			items = make([]T, len(n.Content))
		}
		for i, node := range n.Content {
			p.read(fmt.Sprintf("%s[%d]", key, i), node, item(&items[i]))
		}
		*to = items
	}
}

func route(r *Route) field {
	return routeKeys(r).having("a route has a zone and its upstreams", "upstreams", "zone")
}

func watch(w *Watch) field {
	*w = DefaultWatch("")
	return watchKeys(w).having("a watch has a zone", "zone")
}

func tsigKey(k *Key) field {
	k.Algorithm = defaultAlgorithm
	return tsigKeys(k).having("a key has a name and a secret", "name", "secret")
}

// having reads a mapping in which some keys have no default.
func (m mapping) having(remedy string, names ...string) field {
	return func(p *parser, key string, n *yaml.Node) {
		m.read(p, key, n)
		if n.Kind != yaml.MappingNode {
			return
		}
		for _, name := range names {
			path := below(key, name)
			if _, given := p.lines[path]; !given {
				p.add(Fault{Line: n.Line, Key: path, Remedy: "add it: " + remedy})
			}
		}
	}
}

func notify(to *Notify) field {
	return func(p *parser, key string, n *yaml.Node) {
		notifyKeys(to).read(p, key, n)
		if allow := below(key, "allow"); p.lines[allow] == 0 {
			p.lines[allow] = n.Line // where its lack is a fault
		}
	}
}

func (p *parser) reject(key string, n *yaml.Node, remedy string) {
	f := Fault{Line: n.Line, Key: key, Remedy: remedy}
	switch {
	case n.Kind == yaml.AliasNode:
		f.Value = quote("*" + n.Value)
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null" && !isSecret(key):
		f.Value = quote(n.Value)
	}
	p.add(f)
}

// isSecret reports whether the value of a key must not be seen in its fault.
func isSecret(key string) bool {
	if strings.HasSuffix(key, ".name") || strings.HasSuffix(key, ".algorithm") {
		return false
	}
	return strings.HasPrefix(key, "notify.keys") // also a whole item, written as for dig's -y
}

func (p *parser) add(f Fault) {
	p.faults = append(p.faults, f)
}

func (p *parser) faulty(key string) bool {
	return slices.ContainsFunc(p.faults, func(f Fault) bool { return f.Key == key })
}

// below is the path of a key inside the mapping at parent.
func below(parent, name string) string {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		name = quote(name)
	}
	if parent == "" {
		return name
	}
	return parent + "." + name
}
