package config

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestReferenceIsTheDefault(t *testing.T) {
	t.Parallel()
	got, err := Parse(reference(t))
	if err != nil || !reflect.DeepEqual(got, Default()) {
		t.Errorf("reference.yaml is %+v, %v\nwant %+v", got, err, Default())
	}
}

func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	var file map[string]any
	if err := yaml.Unmarshal(reference(t), &file); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		keys mapping
		in   any
	}{
		{"", configKeys(new(Config)), file},
		{"cache.", cacheKeys(new(Cache)), file["cache"]},
		{"notify.", notifyKeys(new(Notify)), file["notify"]},
		{"routes[].", routeKeys(new(Route)), item(t, "routes")},
		{"watch[].", watchKeys(new(Watch)), item(t, "watch")},
		{"notify.keys[].", tsigKeys(new(Key)), item(t, "keys")},
	} {
		in, _ := tt.in.(map[string]any)
		for key := range tt.keys {
			if _, found := in[key]; !found {
				t.Errorf("reference.yaml lacks %s%s", tt.path, key)
			}
		}
	}
}

func TestReferenceItemsAreAtTheirDefaults(t *testing.T) {
	t.Parallel()
	got, err := Parse([]byte("watch:\n" + example(t, "watch")))
	if want := []Watch{DefaultWatch("preview.example.com.")}; err != nil || !reflect.DeepEqual(got.Watch, want) {
		t.Errorf("the watch in reference.yaml is %+v, %v\nwant %+v", got.Watch, err, want)
	}
	var keys []Key
	err = yaml.Unmarshal([]byte(example(t, "keys")), &keys)
	if err != nil || len(keys) != 1 || keys[0].Algorithm != defaultAlgorithm {
		t.Errorf("the keys in reference.yaml are %+v, %v, want one with %s", keys, err, defaultAlgorithm)
	}
}

// The examples in the comments are promises too.
func TestReferenceExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, example := range []string{
		`listen: [0.0.0.0:53, "[::1]:53"]`,
		`upstreams: [system, 192.0.2.1, "[2001:db8::1]:53", "tcp://192.0.2.1"]`,
		"routes:\n" + example(t, "routes"),
		"notify:\n  allow: [192.0.2.1]\n  keys:\n" + example(t, "keys"),
		`watch: [{zone: a.example, negative_ttl: 1h, nodata_ttl: 1h, upstream_after: 1h, hold: 10s, poll: 1m, give_up: 24h}]`,
		`watch: [{zone: a.example, negative_ttl: 0s, nodata_ttl: 0s, upstream_after: 0s, hold: 0s, poll: 0s, give_up: 1s}]`,
		`watch: [{zone: a.example, upstream_after: 1.5s, hold: 2.5s, poll: 250ms, verify: after, queries_per_second: 1}]`,
		`watch: [{zone: a.example, authorities: [192.0.2.1, 192.0.2.1:5353, "[2001:db8::1]:53"], queries_per_second: 10000}]`,
		`notify: {allow: [loopback, 192.0.2.0/24]}`,
		`cache: {memory: 4MiB, max_ttl: 1s, max_negative_ttl: 0s}`,
		`cache: {stale: 0s}`,
		`cache: {stale: 168h}`,
		`rate_limit: 1000000`,
		`upstreams: ["tls://192.0.2.1#dns.example.com", "tls://dns.example.com", "https://dns.example.com/dns-query", "https://192.0.2.1/dns-query#dns.example.com"]`,
		"upstreams: ['tls://dns.example.net']\ntls_pins:\n" + example(t, "tls_pins"),
		`bootstrap: [192.0.2.1, "[2001:db8::1]:5353"]`,
		`cache: {memory: 1024GiB, max_ttl: 168h, max_negative_ttl: 24h}`,
		`allow: [192.0.2.0/24]`,
		`allow: []`,
		`admin: unix:///run/notyet.sock`,
		`admin: ""`,
		`{admin: "0.0.0.0:8053", admin_token_file: /etc/notyet/token}`,
		`state: /var/lib/notyet`,
		`resolv_conf: /run/systemd/resolve/resolv.conf`,
		`resolv_conf: /run/NetworkManager/no-stub-resolv.conf`,
	} {
		if _, err := Parse([]byte(example)); err != nil {
			t.Errorf("%s: %v", example, err)
		}
	}
}

func TestReferenceListsThePrivatePrefixes(t *testing.T) {
	t.Parallel()
	for _, c := range []Clients{loopback, private} {
		for _, prefix := range c.Prefixes() {
			if !strings.Contains(string(reference(t)), prefix.String()) {
				t.Errorf("reference.yaml does not say that %s has %s", c, prefix)
			}
		}
	}
}

// item is the item that the comment above an empty list has as its example.
func item(t *testing.T, list string) map[string]any {
	t.Helper()
	var items []map[string]any
	if err := yaml.Unmarshal([]byte(example(t, list)), &items); err != nil || len(items) != 1 {
		t.Fatalf("the example of %s is %v, %v, want one item", list, items, err)
	}
	return items[0]
}

// example is the text of that item: the comment's lines from the one with its dash to the list.
func example(t *testing.T, list string) string {
	t.Helper()
	text, _, found := strings.Cut(string(reference(t)), list+": []\n")
	start := strings.LastIndex(text, "#   - ")
	if !found || start < 0 {
		t.Fatalf("reference.yaml has no example of %s", list)
	}
	var b strings.Builder
	for line := range strings.Lines(text[start:]) {
		b.WriteString(strings.TrimPrefix(strings.TrimLeft(line, " "), "#"))
	}
	return b.String()
}

func reference(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}
