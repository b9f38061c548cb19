package main

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"notyet/config"
)

func TestFlagsReplaceWhatTheFileSays(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "notyet.yaml")
	text := "listen: [127.0.0.1:5301]\nupstreams: [192.0.2.1, 192.0.2.2]\nadmin: ''\npolicy: random\nreuse_port: true\nlog: error\n" +
		"watch: [{zone: a.example, poll: 5s}, {zone: b.example, poll: 5s}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want func() config.Config
	}{
		{"nothing", nil, config.Default},
		{"file", []string{"--config", file}, func() config.Config { return fromFile }},
		{
			"flags", []string{
				"--listen=127.0.0.1:5302", "--listen=[::1]:5302", "--upstream=system", "--upstream=tcp://192.0.2.3",
				"--admin=localhost:0", "--log=debug", "--log=warn", "--log-format=json", "--query-log=all", "--reuse-port",
			},
			func() config.Config {
				c := config.Default()
				c.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5302"), netip.MustParseAddrPort("[::1]:5302")}
				c.Upstreams = []config.Upstream{{System: true}, {TCP: true, Addr: netip.MustParseAddrPort("192.0.2.3:53")}}
				c.Admin = "localhost:0"
				c.Log = slog.LevelWarn
				c.LogFormat = config.LogJSON
				c.QueryLog = config.QueryLogAll
				c.ReusePort = true
				return c
			},
		},
		{
			"file and flags", []string{"--upstream=192.0.2.3", "--config", file, "--reuse-port=false", "--admin=127.0.0.1:0"},
			func() config.Config {
				c := fromFile
				c.Upstreams = []config.Upstream{{Addr: netip.MustParseAddrPort("192.0.2.3:53")}}
				c.ReusePort = false
				c.Admin = "127.0.0.1:0"
				return c
			},
		},
		{
			"watches", []string{"--watch=b.example", "--watch", "A.example.,hold=4s,authorities=192.0.2.53,authorities=::1"},
			func() config.Config {
				c := config.Default()
				a := config.DefaultWatch("a.example.")
				a.Hold = 4 * time.Second
				a.Authorities = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("[::1]:53")}
				c.Watch = []config.Watch{config.DefaultWatch("b.example."), a}
				return c
			},
		},
		{
			"watches of file and flags", []string{"--watch=sub.a.example,hold=1s", "--watch=B.EXAMPLE,hold=4s", "--config", file},
			func() config.Config {
				c := fromFile
				sub, b := config.DefaultWatch("sub.a.example."), config.DefaultWatch("b.example.")
				sub.Hold, b.Hold = time.Second, 4*time.Second
				c.Watch = []config.Watch{fromFile.Watch[0], b, sub}
				return c
			},
		},
		{
			"off", []string{"--admin="},
			func() config.Config {
				c := config.Default()
				c.Admin = ""
				return c
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s settings
			flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
			s.register(flags)
			if err := flags.Parse(tt.args); err != nil {
				t.Fatal(err)
			}
			got, err := s.config()
			if want := tt.want(); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q:\n got %+v, %v\nwant %+v", tt.args, got, err, want)
			}
		})
	}
}
