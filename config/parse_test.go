package config_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"notyet/config"
)

func TestFileWithoutAValueIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "\n\n", "# nothing yet\n", "---\n", "---\n...\n", "~\n", "{}\n", "\ufeff"} {
		got, err := config.Parse([]byte(file))
		if err != nil || !reflect.DeepEqual(got, config.Default()) {
			t.Errorf("Parse(%q) = %+v, %v, want the default", file, got, err)
		}
	}
}

func TestEveryKeyReplacesItsDefault(t *testing.T) {
	t.Parallel()
	const file = `
listen: [192.0.2.1, "[::1]:5353"]
upstreams: [tcp://192.0.2.53, system]
policy: random
reuse_port: true
routes:
  - {zone: Cluster.LOCAL, upstreams: [tcp://10.96.0.10]}
  - {zone: ., upstreams: [192.0.2.54]}
cache:
  memory: 1GiB
  max_ttl: 1h30m
  max_negative_ttl: 0
allow: [private, 192.0.2.0/24]
admin: unix:///run/notyet.sock
log: debug
log_format: json
query_log: denial
`
	want := config.Config{
		Listen:    []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[::1]:5353")},
		Upstreams: []config.Upstream{{TCP: true, Addr: netip.MustParseAddrPort("192.0.2.53:53")}, {System: true}},
		Policy:    config.Random,
		ReusePort: true,
		Routes: []config.Route{
			{Zone: "cluster.local.", Upstreams: []config.Upstream{{TCP: true, Addr: netip.MustParseAddrPort("10.96.0.10:53")}}},
			{Zone: ".", Upstreams: []config.Upstream{{Addr: netip.MustParseAddrPort("192.0.2.54:53")}}},
		},
		Cache:     config.Cache{Memory: 1 << 30, MaxTTL: 90 * time.Minute, MaxNegativeTTL: 0},
		Allow:     []config.Clients{clients(t, "private"), clients(t, "192.0.2.0/24")},
		Admin:     "unix:///run/notyet.sock",
		Log:       slog.LevelDebug,
		LogFormat: config.LogJSON,
		QueryLog:  config.QueryLogDenial,
	}
	got, err := config.Parse([]byte(file))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestKeysLeftOutKeepTheirDefault(t *testing.T) {
	t.Parallel()
	got, err := config.Parse([]byte("cache: {max_ttl: 1h}"))
	want := config.Default()
	want.Cache.MaxTTL = time.Hour
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestFaultNamesLineKeyValueAndRemedy(t *testing.T) {
	t.Parallel()
	const bracketHint = `: indent with spaces, put a space after each colon, and quotes around an address in brackets, such as "[::1]:53"`
	for _, tt := range []struct {
		name string
		file string
		want string // all faults, one a line
	}{
		{"unknown key", "\nlisen: []\n", "line 2: lisen: unknown key: did you mean listen?"},
		{"unknown key in a mapping", "cache:\n  max-ttl: 1h", "line 2: cache.max-ttl: unknown key: did you mean max_ttl?"},
		{"letters swapped", "lgo: info", "line 1: lgo: unknown key: did you mean log?"},
		{"unknown key like no other", "cache:\n  minimum: 1h", "line 2: cache.minimum: unknown key: there are max_negative_ttl, max_ttl, memory"},
		{"key of no language", "\"a\\nb\": 1", `line 1: "a\nb": unknown key: there are admin, allow, cache, listen, log, log_format, policy, query_log, reuse_port, routes, upstreams`},
		{"key twice", "log: info\npolicy: random\nlog: debug", "line 3: log: remove it: already on line 1"},
		{"key is a list", "? [a]\n: b", "line 1: write a plain word as key"},
		{"merge key", "cache: &c {memory: 8MiB}\nroutes:\n- <<: *c\n  zone: a\n  upstreams: [192.0.2.1]", `line 3: routes[0]."<<": unknown key: there are upstreams, zone`},
		{"alias", "listen: &l [192.0.2.1]\nupstreams: *l", `line 2: upstreams "*l": write the value out: aliases are not followed`},
		{"alias of itself", "listen: &l [*l]", `line 1: listen[0] "*l": write the value out: aliases are not followed`},
		{"tag", "policy: !!str random", `line 1: policy "random": write the value without the tag "!!str"`},
		{"no value", "admin:\nlog: info", "line 1: admin: write a value, or leave the key out for its default"},
		{"no mapping", "cache:\n", "line 1: cache: write a value, or leave the key out for its default"},
		{"file is a word", "listen", `line 1: "listen": write keys, each with a colon and a value`},
		{"file is a list", "- listen", "line 1: write keys, each with a colon and a value"},
		{"scalar for a list", "listen: 192.0.2.1", `line 1: listen "192.0.2.1": write a list: [a, b]`},
		{"scalar for a mapping", "cache: 64MiB", `line 1: cache "64MiB": write keys, each with a colon and a value`},
		{"list for a scalar", "policy: [random]", "line 1: policy: write a single value"},
		{"mapping for a list", "listen: {a: b}", "line 1: listen: write a list: [a, b]"},
		{"mapping for a scalar", "policy: {a: b}", "line 1: policy: write a single value"},
		{"word for a route", "routes:\n- cluster.local", `line 2: routes[0] "cluster.local": write keys, each with a colon and a value`},
		{"route without upstreams", "routes:\n- zone: a.example", "line 2: routes[0].upstreams: add it: a route has a zone and its upstreams"},
		{"route without zone", "routes:\n- upstreams: [192.0.2.1]", "line 2: routes[0].zone: add it: a route has a zone and its upstreams"},
		{"bool of YAML 1.1", "reuse_port: on", `line 1: reuse_port "on": write true or false`},
		{"word in capitals", "log: INFO", `line 1: log "INFO": write debug, info, warn or error`},
		{"value over many lines", "policy: |\n  a\n  b\n", `line 1: policy "a\nb\n": write sequential or random`},
		{"long value", "policy: " + strings.Repeat("x", 1000), `line 1: policy "` + strings.Repeat("x", 64) + `…": write sequential or random`},
		{"two documents", "log: info\n---\nlog: debug", "line 2: remove the second document: a file has one"},
		{"no YAML", "log: info\nadmin: @here\n", "line 2: not YAML (found character that cannot start any token)" + bracketHint},
		{"tab", "cache:\n\tmemory: 64MiB", "line 2: not YAML (found character that cannot start any token)" + bracketHint},
		{"bare brackets", "log: info\npolicy: random\nlisten: [[::1]:53]\nadmin: ''", "line 3: not YAML (did not find expected node content)" + bracketHint},
		{"quote left open after a long list", "listen: [\n  192.0.2.1,\n]\nadmin: '\nlog: info\n", "line 4: not YAML (found unexpected end of stream)" + bracketHint},
		{"bad indentation", "cache:\n  memory: 64MiB\n max_ttl: 1h", "line 3: not YAML (did not find expected key)" + bracketHint},
		{"alias of nothing", "log: info\nadmin: *x", "line 2: not YAML (unknown anchor 'x' referenced)" + bracketHint},
		{"not UTF-8", "log: info\nadmin: \xff", "line 2: not YAML (invalid leading UTF-8 octet)" + bracketHint},
		{"control character", "log: info\n\nadmin: \x01", "line 3: not YAML (control characters are not allowed)" + bracketHint},
		{
			"several faults, in the order of the file",
			"cache:\n  max_ttl: 1 day\n  memroy: 64MiB\nlisten: []\nlog: loud\nupstreams: [192.0.2.1, nowhere, 192.0.2.1]",
			`line 2: cache.max_ttl "1 day": write a duration such as 30s, 15m or 24h
line 3: cache.memroy: unknown key: did you mean memory?
line 4: listen: name at least one address, such as 127.0.0.1:53
line 5: log "loud": write debug, info, warn or error
line 6: upstreams[1] "nowhere": write an IP address, such as 192.0.2.1, 192.0.2.1:5353, "[2001:db8::1]:53" or tcp://192.0.2.1, or system
line 6: upstreams[2] "192.0.2.1:53": remove it: it is there twice`,
		},
		{
			"no second fault for a value that has one",
			"listen: [nowhere, nowhere]\nroutes:\n- {zone: a..b, upstreams: no}\n- {zone: '', upstreams: [system]}",
			`line 1: listen[0] "nowhere": write an IP address and a port, such as 127.0.0.1:53 or "[::1]:53"
line 1: listen[1] "nowhere": write an IP address and a port, such as 127.0.0.1:53 or "[::1]:53"
line 3: routes[0].zone "a..b": write a name such as cluster.local: a label is empty
line 3: routes[0].upstreams "no": write a list: [a, b]
line 4: routes[1].zone "": write a name such as cluster.local, or . for every name`,
		},
		{
			"zones equal once they are canonical",
			"routes:\n- {zone: A.example, upstreams: [system]}\n- zone: a.EXAMPLE.\n  upstreams: [system]",
			`line 3: routes[1].zone "a.example.": remove it: it is there twice`,
		},
		{
			"loop",
			"upstreams: [127.0.0.1:1053]\nroutes: [{zone: a.example, upstreams: [tcp://127.0.0.1:1053]}]",
			`line 1: upstreams[0] "127.0.0.1:1053": name another server: this one is notyet itself
line 2: routes[0].upstreams[0] "tcp://127.0.0.1:1053": name another server: this one is notyet itself`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Parse([]byte(tt.file))
			if err == nil || err.Error() != tt.want {
				t.Errorf("Parse(%q):\n got %v\nwant %s", tt.file, err, tt.want)
			}
			if !reflect.DeepEqual(c, config.Config{}) {
				t.Errorf("Parse(%q) = %+v beside its faults, want the zero Config", tt.file, c)
			}
		})
	}
}

func TestKeysOfLaterVersionsAreUnknown(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"watch", "notify", "state", "cache: {stale", "cache: {snapshot"} {
		file := key + ": x"
		if strings.Contains(key, "{") {
			file += "}"
		}
		if _, err := config.Parse([]byte(file)); err == nil || !strings.Contains(err.Error(), "unknown key: there are ") {
			t.Errorf("Parse(%q) = %v, want an unknown key", file, err)
		}
	}
}

func TestHugeFileWithAnOpenQuoteEndsSoon(t *testing.T) {
	t.Parallel()
	file := "admin: '" + strings.Repeat("\n", 1<<20)
	start := time.Now()
	_, err := config.Parse([]byte(file))
	if err == nil || !strings.HasPrefix(err.Error(), "line ") {
		t.Errorf("got %v, want a fault with a line", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestLoadSaysTheFileInEveryFault(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notyet.yaml")
	if err := os.WriteFile(path, []byte("log: loud\npolicy: none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(path)
	want := path + `: line 1: log "loud": write debug, info, warn or error` + "\n" +
		path + `: line 2: policy "none": write sequential or random`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestLoadSaysAMissingFileOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notyet.yaml")
	_, err := config.Load(path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), path+": ") || strings.Count(err.Error(), path) != 1 {
		t.Errorf("got %v, want that %s does not exist", err, path)
	}
}

func TestDefaultsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	changed := config.Default()
	changed.Listen[0] = netip.AddrPort{}
	changed.Upstreams[0] = config.Upstream{}
	changed.Allow[0].Prefixes()[0] = netip.Prefix{}
	changed.Allow[0] = config.Clients{}
	if got := config.Default(); !got.Listen[0].IsValid() || !got.Upstreams[0].System || !got.Allow[0].Prefixes()[0].IsValid() {
		t.Errorf("Default() = %+v after its caller changed an earlier one", got)
	}
}

func clients(t *testing.T, s string) config.Clients {
	t.Helper()
	c, err := config.ParseClients(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
