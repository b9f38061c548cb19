package config_test

import (
	"crypto/sha256"
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
resolv_conf: /run/systemd/resolve/resolv.conf
policy: random
reuse_port: true
routes:
  - {zone: Cluster.LOCAL, upstreams: [tcp://10.96.0.10]}
  - {zone: ., upstreams: [192.0.2.54, "tls://192.0.2.54#dns.example.net"]}
bootstrap: [192.0.2.55, "[2001:db8::55]:5353"]
tls_ca: /etc/ssl/roots.pem
tls_pins: [DNS.example.net=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]
cache:
  memory: 1GiB
  max_ttl: 1h30m
  max_negative_ttl: 0
  stale: 0
  snapshot: /var/cache/notyet/snapshot
watch:
  - zone: Preview.Example.com
    negative_ttl: 0
    nodata_ttl: 5s
    verify: after
    upstream_after: 1.5s
    hold: 2500ms
    poll: 250ms
    give_up: 1h
    queries_per_second: 7
    authorities: [192.0.2.53, "[2001:db8::53]:5353"]
  - zone: 2.0.192.in-addr.arpa
notify:
  allow: [loopback, 192.0.2.53]
  keys:
    - {name: Notify.example, secret: c2VjcmV0}
    - {name: other.example, algorithm: hmac-sha512, secret: b3RoZXI=}
allow: [private, 192.0.2.0/24]
rate_limit: 20
admin: unix:///run/notyet.sock
admin_token_file: /etc/notyet/token
log: debug
log_format: json
query_log: denial
state: /var/lib/notyet/
`
	want := config.Config{
		Listen:     []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[::1]:5353")},
		Upstreams:  []config.Upstream{{TCP: true, Addr: netip.MustParseAddrPort("192.0.2.53:53")}, {System: true}},
		ResolvConf: "/run/systemd/resolve/resolv.conf",
		Policy:     config.Random,
		ReusePort:  true,
		Routes: []config.Route{
			{Zone: "cluster.local.", Upstreams: []config.Upstream{{TCP: true, Addr: netip.MustParseAddrPort("10.96.0.10:53")}}},
			{Zone: ".", Upstreams: []config.Upstream{
				{Addr: netip.MustParseAddrPort("192.0.2.54:53")},
				{TLS: true, Addr: netip.MustParseAddrPort("192.0.2.54:853"), Name: "dns.example.net"},
			}},
		},
		Bootstrap: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.55:53"), netip.MustParseAddrPort("[2001:db8::55]:5353")},
		TLSCA:     "/etc/ssl/roots.pem",
		TLSPins:   []config.Pin{{Name: "dns.example.net", Key: sha256.Sum256(nil)}},
		Cache:     config.Cache{Memory: 1 << 30, MaxTTL: 90 * time.Minute, MaxNegativeTTL: 0, Snapshot: "/var/cache/notyet/snapshot"},
		Watch: []config.Watch{
			{
				Zone:             "preview.example.com.",
				NegativeTTL:      0,
				NODATATTL:        5 * time.Second,
				Verify:           config.VerifyAfter,
				UpstreamAfter:    1500 * time.Millisecond,
				Hold:             2500 * time.Millisecond,
				Poll:             250 * time.Millisecond,
				GiveUp:           time.Hour,
				QueriesPerSecond: 7,
				Authorities:      []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("[2001:db8::53]:5353")},
			},
			config.DefaultWatch("2.0.192.in-addr.arpa."),
		},
		Notify: config.Notify{
			Allow: []config.Clients{clients(t, "loopback"), clients(t, "192.0.2.53")},
			Keys: []config.Key{
				{Name: "notify.example.", Algorithm: "hmac-sha256", Secret: "c2VjcmV0"},
				{Name: "other.example.", Algorithm: "hmac-sha512", Secret: "b3RoZXI="},
			},
		},
		Allow:          []config.Clients{clients(t, "private"), clients(t, "192.0.2.0/24")},
		RateLimit:      20,
		Admin:          "unix:///run/notyet.sock",
		Log:            slog.LevelDebug,
		LogFormat:      config.LogJSON,
		QueryLog:       config.QueryLogDenial,
		AdminTokenFile: "/etc/notyet/token",
		State:          "/var/lib/notyet",
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
	const belowSuffix = "name a zone below it: the names under a public suffix are other people's too"
	for _, tt := range []struct {
		name string
		file string
		want string // all faults, one a line
	}{
		{"unknown key", "\nlisen: []\n", "line 2: lisen: unknown key: did you mean listen?"},
		{"unknown key in a mapping", "cache:\n  max-ttl: 1h", "line 2: cache.max-ttl: unknown key: did you mean max_ttl?"},
		{"letters swapped", "lgo: info", "line 1: lgo: unknown key: did you mean log?"},
		{"unknown key like no other", "cache:\n  minimum: 1h", "line 2: cache.minimum: unknown key: there are max_negative_ttl, max_ttl, memory, snapshot, stale"},
		{"stale", "cache:\n  stale: 200h", `line 2: cache.stale "200h": write a duration from 0s to 168h`},
		{"relative file", "cache:\n  snapshot: here", `line 2: cache.snapshot "here": write the absolute path of a file, or "" for none`},
		{"directory", "tls_ca: /etc/", `line 1: tls_ca "/etc/": write the absolute path of a file, or "" for none`},
		{"file with a newline", `tls_ca: "/a\nb"`, `line 1: tls_ca "/a\nb": write a path without control characters`},
		{"no resolv.conf", `resolv_conf: ""`, `line 1: resolv_conf "": write the absolute path of a file, such as /etc/resolv.conf`},
		{"directory for a resolv.conf", `resolv_conf: /etc/`, `line 1: resolv_conf "/etc/": write the absolute path of a file, such as /etc/resolv.conf`},
		{"relative directory", "state: here", `line 1: state "here": write the absolute path of a directory, or "" for none`},
		{"directory with a newline", `state: "/a\nb"`, `line 1: state "/a\nb": write a path without control characters`},
		{"admin for other machines", "log: info\nadmin: 0.0.0.0:8053", `line 2: admin "0.0.0.0:8053": write a token into a file and name it in admin_token_file: other machines reach this address; or write 127.0.0.1 in its place`},
		{"rate limit", "rate_limit: -1", `line 1: rate_limit "-1": write a whole number of queries a second from 1 to 1000000, or 0 for no limit`},
		{"rate limit too high", "rate_limit: 1000001", `line 1: rate_limit "1000001": write a whole number of queries a second from 1 to 1000000, or 0 for no limit`},
		{"bootstrap by name", "bootstrap: [dns.example]", `line 1: bootstrap[0] "dns.example": write the IP address of a DNS server, such as 192.0.2.1 or "[2001:db8::1]:53"`},
		{"pin of nothing", "tls_pins: [a]", `line 1: tls_pins[0] "a": write the name of an upstream, = and the SHA-256 of its key in base64, as curl's --pinnedpubkey takes it`},
		{"short pin", "tls_pins: [a=YQ==]", `line 1: tls_pins[0] "a=YQ==": write the name of an upstream, = and the SHA-256 of its key in base64, as curl's --pinnedpubkey takes it`},
		{"key of no language", "\"a\\nb\": 1", `line 1: "a\nb": unknown key: there are admin, admin_token_file, allow, bootstrap, cache, listen, log, log_format, notify, policy, query_log, rate_limit, resolv_conf, reuse_port, routes, state, tls_ca, tls_pins, upstreams, watch`},
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
line 3: routes[0].zone "a..b": write a name such as www.example.com: a label is empty
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
		{"watch without zone", "watch:\n- hold: 4s", "line 2: watch[0].zone: add it: a watch has a zone"},
		{"word for a watch", "watch: [a.example]", `line 1: watch[0] "a.example": write keys, each with a colon and a value`},
		{"unknown key in a watch", "watch: [{zone: a.example, negativ_ttl: 2s}]", "line 1: watch[0].negativ_ttl: unknown key: did you mean negative_ttl?"},
		{"watch on every name", "watch: [{zone: .}]", `line 1: watch[0].zone ".": ` + belowSuffix},
		{"watch on a public suffix", "watch:\n- zone: a.example\n- zone: co.uk", `line 3: watch[1].zone "co.uk": ` + belowSuffix},
		{
			"value out of its range in every key of a watch",
			`watch:
- zone: preview.example.com
- zone: '*.example.com'
  negative_ttl: 1h1s
  nodata_ttl: 1500ms
  verify: always
  upstream_after: -1s
  hold: 90s
  poll: 100ms
  give_up: 0s
  queries_per_second: 0
  authorities: [ns1.example.com, 0.0.0.0, '192.0.2.1:0', 'tcp://192.0.2.1', '[ff02::1]']
`,
			`line 3: watch[1].zone "*.example.com": leave the * out: a zone covers all names below it
line 4: watch[1].negative_ttl "1h1s": write a duration from 0s to 1h
line 5: watch[1].nodata_ttl "1500ms": write whole seconds
line 6: watch[1].verify "always": write before, after or off
line 7: watch[1].upstream_after "-1s": write a duration from 0s to 1h
line 8: watch[1].hold "90s": write a duration from 0s to 10s
line 9: watch[1].poll "100ms": write a duration from 250ms to 1m, or 0s for none
line 10: watch[1].give_up "0s": write a duration from 1s to 24h
line 11: watch[1].queries_per_second "0": write a whole number from 1 to 10000
line 12: watch[1].authorities[0] "ns1.example.com": write the IP address of a server, such as 192.0.2.1, 192.0.2.1:5353 or "[2001:db8::1]:53"
line 12: watch[1].authorities[1] "0.0.0.0": write the address of one server
line 12: watch[1].authorities[2] "192.0.2.1:0": write the server's port, or none for 53
line 12: watch[1].authorities[3] "tcp://192.0.2.1": write the IP address of a server, such as 192.0.2.1, 192.0.2.1:5353 or "[2001:db8::1]:53"
line 12: watch[1].authorities[4] "[ff02::1]": write the address of one server`,
		},
		{
			"watches equal once they are canonical",
			"watch:\n- zone: A.example\n- zone: a.EXAMPLE.\n  hold: 4s",
			`line 3: watch[1].zone "a.example.": remove it: it is there twice`,
		},
		{
			"authorities that can't be asked",
			"watch:\n- zone: a.example\n  authorities:\n  - 192.0.2.1\n  - 127.0.0.1:1053\n  - 192.0.2.1:53",
			`line 5: watch[0].authorities[1] "127.0.0.1:1053": name another server: this one is notyet itself
line 6: watch[0].authorities[2] "192.0.2.1:53": remove it: it is there twice`,
		},
		{"sources of NOTIFY", "notify: {allow: [everyone]}", `line 1: notify.allow[0] "everyone": write loopback, private, or a prefix such as 192.0.2.0/24; everyone is 0.0.0.0/0 and ::/0`},
		{
			"keys without sources",
			"notify:\n  keys:\n  - {name: a, secret: c2VjcmV0}",
			"line 2: notify.allow: name the sources too, such as 192.0.2.0/24: a key alone lets nobody in",
		},
		{
			"keys with an empty list of sources",
			"notify:\n  keys:\n  - {name: a, secret: c2VjcmV0}\n  allow: []",
			"line 4: notify.allow: name the sources too, such as 192.0.2.0/24: a key alone lets nobody in",
		},
		{
			"keys with a fault in their sources",
			"notify:\n  keys:\n  - {name: a, secret: c2VjcmV0}\n  allow: private",
			`line 4: notify.allow "private": write a list: [a, b]`,
		},
		{
			"keys",
			`notify:
  allow: [192.0.2.1]
  keys:
  - algorithm: hmac-md5
  - name: ""
    secret: c2VjcmV0
  - {name: k.example, secret: c2VjcmV0}
  - {name: K.example., secret: c2VjcmV0}
`,
			`line 4: notify.keys[0].algorithm "hmac-md5": write hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512
line 4: notify.keys[0].name: add it: a key has a name and a secret
line 4: notify.keys[0].secret: add it: a key has a name and a secret
line 5: notify.keys[1].name "": write the name that the key has at its other end, such as notify.example.com
line 8: notify.keys[3].name "k.example.": remove it: it is there twice`,
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

func TestKeyOfALaterVersionIsUnknown(t *testing.T) {
	t.Parallel()
	if _, err := config.Parse([]byte("plugins: x")); err == nil || !strings.Contains(err.Error(), "unknown key: there are ") {
		t.Errorf("got %v, want an unknown key", err)
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
	if err == nil || !strings.HasPrefix(err.Error(), path+": ") || strings.Count(err.Error(), path) != 1 {
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
