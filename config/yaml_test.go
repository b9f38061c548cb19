package config_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"notyet/config"
)

func TestYAMLReadsBackEqual(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"",
		"allow: []\nadmin: ''\nroutes: []",
		"listen: ['::']\nupstreams: ['fe80::1%eth0', 'tcp://[fd00::1]']\nallow: [192.0.2.1, '::/0', private]",
		"routes: [{zone: ., upstreams: [system]}, {zone: a, upstreams: [192.0.2.1, 'tcp://192.0.2.1']}]",
		"cache: {memory: 4097KiB, max_ttl: 3601s, max_negative_ttl: 0}",
		"reuse_port: true\nlog: error\nlog_format: text\nquery_log: all\npolicy: random",
		"admin: 'unix:///a b: #c'",
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
policy: sequential
reuse_port: false
routes: []
cache:
  memory: 64MiB
  max_ttl: 24h
  max_negative_ttl: 15m
allow:
  - loopback
  - private
admin: 127.0.0.1:8053
log: info
log_format: auto
query_log: "off"
`
	if got := string(config.Default().YAML()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
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
	} {
		f.Add([]byte(file))
	}
	line := regexp.MustCompile(`^line [1-9][0-9]*: [^\n]+$`)
	f.Fuzz(func(t *testing.T, file []byte) {
		_, err := config.Parse(file)
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
	c, err := config.Parse(file)
	if err != nil {
		t.Fatalf("%q: %v", file, err)
	}
	again, err := config.Parse(c.YAML())
	if err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("%q: got %+v, %v\nwant %+v\nafter\n%s", file, again, err, c, c.YAML())
	}
}
