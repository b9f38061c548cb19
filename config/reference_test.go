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
	cache, _ := file["cache"].(map[string]any)
	for key := range configKeys(new(Config)) {
		if _, found := file[key]; !found {
			t.Errorf("reference.yaml lacks %s", key)
		}
	}
	for key := range cacheKeys(new(Cache)) {
		if _, found := cache[key]; !found {
			t.Errorf("reference.yaml lacks cache.%s", key)
		}
	}
	for key := range routeKeys(new(Route)) { // there is none by default, so they are in the comment
		if !strings.Contains(string(reference(t)), key+": ") {
			t.Errorf("reference.yaml lacks routes[].%s", key)
		}
	}
}

// The examples in the comments are promises too.
func TestReferenceExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, example := range []string{
		`listen: [0.0.0.0:53, "[::1]:53"]`,
		`upstreams: [system, 192.0.2.1, "[2001:db8::1]:53", "tcp://192.0.2.1"]`,
		`routes: [{zone: cluster.local, upstreams: ["tcp://10.96.0.10"]}]`,
		`cache: {memory: 4MiB, max_ttl: 1s, max_negative_ttl: 0s}`,
		`cache: {memory: 1024GiB, max_ttl: 168h, max_negative_ttl: 24h}`,
		`allow: [192.0.2.0/24]`,
		`allow: []`,
		`admin: unix:///run/notyet.sock`,
		`admin: ""`,
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

func reference(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}
