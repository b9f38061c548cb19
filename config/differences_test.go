package config

import (
	"fmt"
	"testing"
)

func TestDifferencesAreTheKeysOfTheFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ a, b, want string }{
		{"", "", "[]"},
		{"allow: []", "allow: []\nroutes: []", "[]"},
		{"upstreams: [192.0.2.1]", "upstreams: ['192.0.2.1:53']", "[]"},
		{"", "log: debug\nlisten: ['[::1]:53']\nquery_log: all", "[listen log query_log]"},
		{"cache: {memory: 4MiB}", "cache: {memory: 8MiB, max_ttl: 1h}\nnotify: {allow: [loopback]}", "[cache.memory cache.max_ttl notify.allow]"},
		{"upstreams: [192.0.2.1, 192.0.2.2]", "upstreams: [192.0.2.2, 192.0.2.1]", "[upstreams]"},
		{"routes: [{zone: a, upstreams: [192.0.2.1]}]", "routes: [{zone: a, upstreams: ['tcp://192.0.2.1']}]", "[routes]"},
		{"", "state: /var/lib/notyet\nadmin_token_file: /etc/token", "[admin_token_file state]"},
		{"watch: [{zone: a.example}]", "watch: [{zone: a.example, hold: 2s}]", "[watch]"},
		{
			"notify: {allow: [loopback], keys: [{name: k, secret: YQ==}]}",
			"notify: {allow: [loopback], keys: [{name: k, secret: Yg==}]}", "[notify.keys]",
		},
	} {
		a, err := Parse([]byte(tt.a))
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse([]byte(tt.b))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(Differences(a, b)); got != tt.want {
			t.Errorf("%q and %q: got %s, want %s", tt.a, tt.b, got, tt.want)
		}
	}
}
