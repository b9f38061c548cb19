package config_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"notyet/config"
)

func TestLeaseHasTheKeysOfAWatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in     string
		change func(*config.Lease) // from 15 minutes of preview.example.com at its defaults
	}{
		{`{"name": "Preview.Example.com"}`, func(*config.Lease) {}},
		{"{\n\t\"name\":\t\"preview.example.com.\",\r\n\t\"for\" : \"24h\"\n}\n", func(l *config.Lease) { l.For = 24 * time.Hour }},
		{`{"name":"preview.example.com","for":"1s","hold":"4s","verify":"after"}`, func(l *config.Lease) {
			l.For, l.Hold, l.Verify = time.Second, 4*time.Second, config.VerifyAfter
		}},
		{`{"name":"preview\u002eexample.com","negative_ttl":"0s","nodata_ttl":"1s","upstream_after":"1.5s","poll":"0s","give_up":"1h"}`, func(l *config.Lease) {
			l.NegativeTTL, l.NODATATTL, l.UpstreamAfter, l.Poll, l.GiveUp = 0, time.Second, 1500*time.Millisecond, 0, time.Hour
		}},
		{`{"name":"preview.example.com","queries_per_second":7,"authorities":["192.0.2.1","[2001:db8::1]:5353"]}`, func(l *config.Lease) {
			l.QueriesPerSecond = 7
			l.Authorities = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[2001:db8::1]:5353")}
		}},
	} {
		want := config.Lease{Watch: config.DefaultWatch("preview.example.com."), For: 15 * time.Minute}
		tt.change(&want)
		if got, err := config.Default().ParseLease([]byte(tt.in)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseLease(%s) = %+v, %v\nwant %+v", tt.in, got, err, want)
		}
	}
}

func TestLeaseFaultsNameKeyValueAndRemedy(t *testing.T) {
	t.Parallel()
	const object = `write a JSON object, such as {"name": "preview.example.com", "for": "15m"}`
	for _, tt := range []struct{ in, want string }{
		{``, object},
		{`name: preview.example.com`, object},
		{`{"name": "a.example",}`, object},
		{`{"name": "a.example"} {}`, object},
		{`null`, "write a JSON object of keys and values, without control characters"},
		{`[]`, "write keys, each with a colon and a value"},
		{`"a.example"`, `"a.example": write keys, each with a colon and a value`},
		{`{}`, "name: add it: a lease has a name"},
		{`{"zone": "a.example"}`, "zone: unknown key: there are authorities, for, give_up, hold, name, negative_ttl, nodata_ttl, poll, queries_per_second, upstream_after, verify\n" +
			"name: add it: a lease has a name"},
		{`{"name": "a.example", "holt": "1s"}`, "holt: unknown key: did you mean hold?"},
		{`{"name": "a.example", "hold": "90s", "for": "25h"}`, "hold \"90s\": write a duration from 0s to 10s\nfor \"25h\": write a duration from 1s to 24h"},
		{`{"name": "a.example", "for": 900}`, `for "900": write its unit, as in 900s`},
		{`{"name": "a.example", "for": "0s"}`, `for "0s": write a duration from 1s to 24h`},
		{`{"name": "a.example", "for": "1500ms"}`, `for "1500ms": write whole seconds`},
		{`{"name": "a.example", "for": null}`, "for: write a value, or leave the key out for its default"},
		{`{"name": "a.example", "name": "b.example"}`, "name: remove it: already on line 1"},
		{`{"name": "co.uk"}`, `name "co.uk": name a zone below it: the names under a public suffix are other people's too`},
		{`{"name": ""}`, `name "": write a name such as preview.example.com`},
		{`{"name": {"a": "b"}}`, "name: write a single value"},
		{`{"name": "a.example", "authorities": "192.0.2.1"}`, `authorities "192.0.2.1": write a list: [a, b]`},
		{`{"name": "a.example", "authorities": ["127.0.0.1:1053"]}`, `authorities[0] "127.0.0.1:1053": name another server: this one is notyet itself`},
		{`{"name": "a.example", "authorities": ["192.0.2.1", "192.0.2.1:53"]}`, `authorities[1] "192.0.2.1:53": remove it: it is there twice`},
	} {
		got, err := config.Default().ParseLease([]byte(tt.in))
		if err == nil || err.Error() != tt.want || !reflect.DeepEqual(got, config.Lease{}) {
			t.Errorf("ParseLease(%s) = %+v\n got %v\nwant %s", tt.in, got, err, tt.want)
		}
	}
}

func TestAdminForOtherMachinesNeedsAToken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		admin, token string
		fault        bool
	}{
		{"", "", false},
		{"127.0.0.1:8053", "", false},
		{"127.0.0.2:8053", "", false},
		{"[::1]:8053", "", false},
		{"[::ffff:127.0.0.1]:8053", "", false},
		{"localhost:8053", "", false},
		{"unix:///run/notyet.sock", "", false},
		{"0.0.0.0:8053", "", true},
		{"[::]:8053", "", true},
		{"192.0.2.1:8053", "", true},
		{"10.0.0.1:8053", "", true},
		{"10.0.0.1:8053", "/etc/notyet/token", false},
	} {
		c := config.Default()
		c.Admin, c.AdminTokenFile = tt.admin, tt.token
		err := c.Check()
		if (err != nil) != tt.fault || tt.fault && !strings.Contains(err.Error(), "name it in admin_token_file") {
			t.Errorf("admin %q, token file %q: got %v, want a fault %v", tt.admin, tt.token, err, tt.fault)
		}
	}
}

// FuzzLease wants a lease or faults of whatever comes, and what is taken to be the same again when it is written out.
func FuzzLease(f *testing.F) {
	for _, seed := range []string{
		`{"name": "preview.example.com", "for": "15m", "hold": "4s"}`, `{"name":"a.example","authorities":["192.0.2.1"]}`,
		`{"name":"a","name":"b"}`, `{"<<": {}}`, `[[[[`, `{"\ud83d\ude00": null}`, "{\"name\":\"\u2028\"}", `"&a [*a]"`, "{\"a\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	c := config.Default()
	f.Fuzz(func(t *testing.T, in []byte) {
		l, err := c.ParseLease(in)
		if err != nil {
			if err.Error() == "" || !reflect.DeepEqual(l, config.Lease{}) {
				t.Errorf("ParseLease(%q) = %+v, %q", in, l, err)
			}
			return
		}
		if l.For < time.Second || l.For > 24*time.Hour || !strings.HasSuffix(l.Zone, ".") || len(l.Zone) < 2 {
			t.Errorf("ParseLease(%q) = %+v", in, l)
		}
		again, err := json.Marshal(map[string]any{
			"name": l.Zone, "for": l.For.String(), "negative_ttl": l.NegativeTTL.String(), "nodata_ttl": l.NODATATTL.String(),
			"verify": l.Verify, "upstream_after": l.UpstreamAfter.String(), "hold": l.Hold.String(), "poll": l.Poll.String(),
			"give_up": l.GiveUp.String(), "queries_per_second": l.QueriesPerSecond, "authorities": append([]netip.AddrPort{}, l.Authorities...),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.ParseLease(again); err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("ParseLease(%q) = %+v, but of %s %+v, %v", in, l, again, got, err)
		}
	})
}
