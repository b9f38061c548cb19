package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestYAMLReadsBackEqual(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"",
		"allow: []\nadmin: ''\nroutes: []",
		"listen: ['::']\nupstreams: ['fe80::1%eth0', 'tcp://[fd00::1]']\nallow: [192.0.2.1, '::/0', private]",
		"routes: [{zone: ., upstreams: [system]}, {zone: a, upstreams: [192.0.2.1, 'tcp://192.0.2.1']}]",
		"cache: {memory: 4097KiB, max_ttl: 3601s, max_negative_ttl: 0}",
		"cache: {stale: 0s, snapshot: /var/cache/notyet}\nrate_limit: 20\nbootstrap: [192.0.2.1]\ntls_ca: /etc/ca.pem",
		"upstreams: ['tls://192.0.2.1#dns.example.net', 'tls://dns.example.net:8853', 'https://dns.example.net/dns-query?a=b', 'https://[::1]/q#dns.example.net']\n" +
			"tls_pins: [dns.example.net=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]",
		"reuse_port: true\nlog: error\nlog_format: text\nquery_log: all\npolicy: random",
		"admin: 'unix:///a b: #c'",
		"watch: [{zone: a.example, negative_ttl: 0, nodata_ttl: 1h, upstream_after: 1.5s, hold: 2500ms, poll: 0.25s, give_up: 90m}]",
		"watch: [{zone: a.example, verify: off, queries_per_second: 10000, authorities: ['::1', 'fe80::1%eth0']}, {zone: b.example}]",
		"notify: {allow: [loopback], keys: [{name: K, algorithm: hmac-sha1, secret: c2VjcmV0}, {name: l, secret: 'bnVsbA=='}]}",
		"notify: {allow: []}\nwatch: []",
	} {
		wantSameAfterYAML(t, []byte(file))
	}
}

func TestYAMLHasEveryKeyAndNoComment(t *testing.T) {
	t.Parallel()
	const want = `listen:
  - 127.0.0.1:1053
upstreams:
  - system
resolv_conf: /etc/resolv.conf
policy: sequential
reuse_port: false
routes: []
bootstrap: []
tls_ca: ""
tls_pins: []
cache:
  memory: 64MiB
  max_ttl: 24h
  max_negative_ttl: 15m
  stale: 1h
  snapshot: ""
watch: []
notify:
  allow: []
  keys: []
allow:
  - loopback
  - private
rate_limit: 0
admin: 127.0.0.1:8053
admin_token_file: ""
log: info
log_format: auto
query_log: "off"
state: ""
`
	if got := string(Default().YAML()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestYAMLHasEveryKeyOfAWatch(t *testing.T) {
	t.Parallel()
	const want = `watch:
  - zone: preview.example.com.
    negative_ttl: 2s
    nodata_ttl: 30s
    verify: before
    upstream_after: 10s
    hold: 0s
    poll: 1s
    give_up: 15m
    queries_per_second: 50
    authorities: []
`
	c := Default()
	c.Watch = []Watch{DefaultWatch("preview.example.com.")}
	if got := string(c.YAML()); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant in it\n%s", got, want)
	}
}

func TestYAMLShowsNoSecret(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Notify = Notify{Allow: []Clients{loopback}, Keys: []Key{{Name: "k.", Algorithm: "hmac-sha256", Secret: "c2VjcmV0"}}}
	text := string(c.YAML())
	if strings.Contains(text, "c2VjcmV0") || !strings.Contains(text, "secret: (not shown)") {
		t.Errorf("the secret is c2VjcmV0, and YAML is\n%s", text)
	}
	if c.Notify.Keys[0].Secret != "c2VjcmV0" {
		t.Error("YAML changed the Config")
	}
	_, err := Parse([]byte(text))
	if want := "notify.keys[0].secret: write the secret: check does not show it"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("reading it back: got %v, want %s", err, want)
	}
	again, err := Parse([]byte(strings.Replace(text, "(not shown)", "c2VjcmV0", 1)))
	if err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("reading it back with its secret: got %+v, %v\nwant %+v", again, err, c)
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("reference.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, file := range []string{
		"routes: [{zone: a.example, upstreams: [system, '[fe80::1%x]:53']}]\nallow: [192.0.2.1, ::/0]\nadmin: 'unix:///x'",
		"cache: {memory: 1GiB, max_ttl: 1h30m, max_negative_ttl: 0}\nlisten: [:53, x]\nupstreams: [tls://x, 127.0.0.1:1053]",
		"listen: &a [*a]\n<<: *a\n? [b]\n: c",
		"a: 1\n---\nb: 'x",
		"watch: [{zone: a.example, hold: 2.5s, poll: 250ms, authorities: ['::1', 192.0.2.1:5353]}, {zone: b.example, verify: off}]",
		"watch: [{zone: com, negative_ttl: 1.5s, queries_per_second: 0}, {}, {zone: a, authorities: [127.0.0.1:1053]}, a]",
		"notify: {allow: [::1], keys: [{name: k, algorithm: hmac-sha512, secret: 'c2VjcmV0'}, {name: l, secret: \"YQ==\\n\"}]}",
		"notify:\n  keys: [{name: k, secret: (not shown)}, {name: K, secret: !!binary YQ==}, x]",
	} {
		f.Add([]byte(file))
	}
	line := regexp.MustCompile(`^line [1-9][0-9]*: [^\n]+$`)
	f.Fuzz(func(t *testing.T, file []byte) {
		_, err := Parse(file)
		if err == nil {
			wantSameAfterYAML(t, file)
			return
		}
		for fault := range strings.SplitSeq(err.Error(), "\n") {
			if !line.MatchString(fault) {
				t.Errorf("fault without line: %q", fault)
			}
		}
	})
}

// wantSameAfterYAML checks that a good file and the YAML of its Config stand for the same.
func wantSameAfterYAML(t *testing.T, file []byte) {
	t.Helper()
	c, err := Parse(file)
	if err != nil {
		t.Fatalf("%q: %v", file, err)
	}
	again, err := Parse(c.withSecrets())
	if err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("%q: got %+v, %v\nwant %+v\nafter\n%s", file, again, err, c, c.withSecrets())
	}
}
