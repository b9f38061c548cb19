package config_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"notyet/config"
)

func TestWatchFlag(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in     string
		change func(*config.Watch) // from the default of preview.example.com
	}{
		{"Preview.Example.com", func(*config.Watch) {}},
		{"preview.example.com.,hold=4s", func(w *config.Watch) { w.Hold = 4 * time.Second }},
		{"preview.example.com,verify=off,poll=0,queries_per_second=1", func(w *config.Watch) {
			w.Verify, w.Poll, w.QueriesPerSecond = config.VerifyOff, 0, 1
		}},
		{"preview.example.com,negative_ttl=0s,nodata_ttl=1s,upstream_after=1.5s,give_up=1h", func(w *config.Watch) {
			w.NegativeTTL, w.NODATATTL, w.UpstreamAfter, w.GiveUp = 0, time.Second, 1500*time.Millisecond, time.Hour
		}},
		{"preview.example.com,authorities=192.0.2.1,hold=1s,authorities=[2001:db8::1]:5353", func(w *config.Watch) {
			w.Authorities = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[2001:db8::1]:5353")}
			w.Hold = time.Second
		}},
	} {
		want := config.DefaultWatch("preview.example.com.")
		tt.change(&want)
		if got, err := config.ParseWatch(tt.in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseWatch(%q) = %+v, %v\nwant %+v", tt.in, got, err, want)
		}
	}
}

func TestWatchFlagNamesKeyValueAndRemedy(t *testing.T) {
	t.Parallel()
	const pairs = "write key=value, such as hold=4s; another zone needs a flag of its own"
	for _, tt := range []struct{ in, want string }{
		{"", `zone "": write a name such as preview.example.com`},
		{"co.uk,hold=1s", `zone "co.uk": name a zone below it: the names under a public suffix are other people's too`},
		{"a.example,hold=90s", `hold "90s": write a duration from 0s to 10s`},
		{"a.example,hold=", `hold "": write a duration such as 30s, 15m or 24h`},
		{"a.example,holt=1s", `holt: unknown key: did you mean hold?`},
		{"a.example,hold=1s,hold=2s", `hold "2s": remove it: it is there twice`},
		{"a.example,zone=b.example", `zone "b.example": remove it: it is there twice`},
		{"a.example,b.example", `"b.example": ` + pairs},
		{"a.example,", `"": ` + pairs},
		{"a.example,hold", `"hold": ` + pairs},
		{"a.example,=1s", `"": unknown key: there are authorities, give_up`},
		{"a.example,authorities=192.0.2.1,authorities=ns1.example", `authorities[1] "ns1.example": write the IP address of a server`},
		{"a.example,authorities=[192.0.2.1]", `authorities[0] "[192.0.2.1]": write the IP address of a server`},
	} {
		got, err := config.ParseWatch(tt.in)
		wantRemedy(t, "ParseWatch", tt.in, err, tt.want)
		if err != nil && !strings.HasPrefix(err.Error(), tt.want) || !reflect.DeepEqual(got, config.Watch{}) {
			t.Errorf("ParseWatch(%q) = %+v, %v, want the zero Watch, and %s first", tt.in, got, err, tt.want)
		}
	}
}

func TestPublicSuffixIsNotWatched(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{".", "com", "COM.", "uk", "co.uk", "arpa", "in-addr.arpa", "ip6.arpa", "ck", "co.ck", "xn--p1ai"} {
		_, err := config.ParseWatch(zone)
		wantRemedy(t, "ParseWatch", zone, err, "name a zone below it")
	}
	for _, zone := range []string{
		"example.com", "example.co.uk", "www.ck", // which *.ck leaves out
		"github.io", "blogspot.com", "s3.amazonaws.com", // private suffixes are ordinary zones
		"internal", "lan", "local", "cluster.local", "test", // not in the list
		"10.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if w, err := config.ParseWatch(zone); err != nil || w.Zone != zone+"." {
			t.Errorf("ParseWatch(%q) = %q, %v", zone, w.Zone, err)
		}
	}
}
