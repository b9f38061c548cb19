package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestJSONIsTheFileInAnotherSpelling(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"",
		"allow: []\nadmin: 'unix:///a&b<c>'\nquery_log: off\nreuse_port: true\nrate_limit: 20",
		"routes: [{zone: a, upstreams: [192.0.2.1, 'tcp://192.0.2.1']}]\ncache: {stale: 0s}",
		"watch: [{zone: a.example, verify: off, hold: 2500ms, authorities: ['::1']}, {zone: b.example}]",
	} {
		c, err := Parse([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		text := c.JSON()
		again, err := Parse(text)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%q: reading back %s\ngot %+v, %v\nwant %+v", file, text, again, err, c)
		}
		var fromJSON, fromYAML map[string]any
		if err := json.Unmarshal(text, &fromJSON); err != nil {
			t.Errorf("%q: %v", file, err)
		}
		if err := yaml.Unmarshal(c.YAML(), &fromYAML); err != nil || len(fromJSON) != len(fromYAML) {
			t.Errorf("%q: got %d keys, want %d, %v", file, len(fromJSON), len(fromYAML), err)
		}
	}
}

func TestJSONShowsNoSecret(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Notify = Notify{Allow: []Clients{loopback}, Keys: []Key{{Name: "k.", Algorithm: "hmac-sha256", Secret: "c2VjcmV0"}}}
	if text := c.JSON(); bytes.Contains(text, []byte("c2VjcmV0")) || !bytes.Contains(text, []byte(`"secret": "(not shown)"`)) {
		t.Errorf("the secret is c2VjcmV0, and JSON is\n%s", text)
	}
}
