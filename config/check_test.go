package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	const itself = "name another server: this one is notyet itself"
	local := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("fe80::7%eth0")}
	for _, tt := range []struct {
		name      string
		listen    string
		upstreams string
		want      string
	}{
		{"other address", "127.0.0.1:53", "127.0.0.2:53", ""},
		{"other port", "127.0.0.1:1053", "127.0.0.1:53", ""},
		{"same address", "127.0.0.1:53", "192.0.2.1 127.0.0.1", `upstreams[1] "127.0.0.1:53": ` + itself},
		{"same address over TCP", "[::1]:53", "tcp://[::1]", `upstreams[0] "tcp://[::1]:53": ` + itself},
		{"second listener", "127.0.0.1:53 127.0.0.1:1053", "127.0.0.1:1053", `upstreams[0] "127.0.0.1:1053": ` + itself},
		{"wildcard has loopback", "0.0.0.0:53", "127.1.2.3:53", `upstreams[0] "127.1.2.3:53": ` + itself},
		{"wildcard has not Docker's resolver", "0.0.0.0:53", "127.0.0.11", ""},
		{"Docker's resolver", "127.0.0.11:53", "127.0.0.11", `upstreams[0] "127.0.0.11:53": ` + itself},
		{"wildcard has not the other family", "[::]:53 0.0.0.0:1053", "127.0.0.1:53", ""},
		{"wildcard has IPv6 loopback", "[::]:53", "::1", `upstreams[0] "[::1]:53": ` + itself},
		{"wildcard has this machine", "0.0.0.0:53", "192.0.2.7", `upstreams[0] "192.0.2.7:53": ` + itself},
		{"wildcard has this machine's link", "[::]:53", "fe80::7%eth0", `upstreams[0] "[fe80::7%eth0]:53": ` + itself},
		{"same link-local address on another link", "[::]:53", "fe80::7%eth1", ""},
		{"wildcard has no other machine", "0.0.0.0:53", "192.0.2.8", ""},
		{"wildcard on another port", "0.0.0.0:1053", "127.0.0.1:53 192.0.2.7", ""},
		{"any free port", "127.0.0.1:0", "127.0.0.1:53", ""},
		{"this machine, not listened on", "127.0.0.1:53", "192.0.2.7", ""},
		{"system is no address", "0.0.0.0:53", "system", ""},
		{"no listen", "", "system", "listen: name at least one address, such as 127.0.0.1:53"},
		{"no upstreams", "127.0.0.1:53", "", "upstreams: name at least one server, such as 192.0.2.1 or system"},
		{"as many upstreams as may be", "127.0.0.1:53", strings.Join(servers(64), " "), ""},
		{"too many upstreams", "127.0.0.1:53", strings.Join(servers(65), " "), `upstreams "65 servers": name at most 64`},
		{"listen twice", "127.0.0.1:53 127.0.0.1", "system", `listen[1] "127.0.0.1:53": remove it: it is there twice`},
		{"free port twice", "127.0.0.1:0 127.0.0.1:0", "system", ""},
		{"upstream twice", "127.0.0.1:53", "system 192.0.2.1 system", `upstreams[2] "system": remove it: it is there twice`},
		{"upstream with UDP and with TCP", "127.0.0.1:53", "192.0.2.1 tcp://192.0.2.1", ""},
		{
			"several", "127.0.0.1:53 127.0.0.1", "127.0.0.1:53",
			`listen[1] "127.0.0.1:53": remove it: it is there twice` + "\n" + `upstreams[0] "127.0.0.1:53": ` + itself,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Default()
			c.Listen = parseAll(t, tt.listen, ParseListen)
			c.Upstreams = parseAll(t, tt.upstreams, ParseUpstream)
			wantFaults(t, c.faults(local), tt.want)
		})
	}
}

// servers are the addresses of n different servers.
func servers(n int) (all []string) {
	for addr := netip.MustParseAddr("198.51.100.1"); len(all) < n; addr = addr.Next() {
		all = append(all, addr.String())
	}
	return all
}

func TestCheckReadsTheUpstreamsOfRoutes(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Routes = []Route{
		{Zone: "a.example.", Upstreams: parseAll(t, "192.0.2.1 192.0.2.1", ParseUpstream)},
		{Zone: "b.example.", Upstreams: parseAll(t, "127.0.0.1:1053", ParseUpstream)},
		{Zone: "c.example."},
		{Zone: "a.example.", Upstreams: parseAll(t, "system", ParseUpstream)},
	}
	wantFaults(t, c.faults(nil), `routes[0].upstreams[1] "192.0.2.1:53": remove it: it is there twice
routes[1].upstreams[0] "127.0.0.1:1053": name another server: this one is notyet itself
routes[2].upstreams: name at least one server, such as 192.0.2.1 or system
routes[3].zone "a.example.": remove it: it is there twice`)
}

func TestCheckReadsWatches(t *testing.T) {
	t.Parallel()
	local := []netip.Addr{netip.MustParseAddr("192.0.2.7")}
	c := Default()
	c.Listen = parseAll(t, "0.0.0.0:53", ParseListen)
	watch := func(zone, authorities string) Watch {
		w := DefaultWatch(zone)
		w.Authorities = parseAll(t, authorities, ParseAuthority)
		return w
	}
	c.Watch = []Watch{
		watch("a.example.", strings.Join(servers(13), " ")),
		watch("b.example.", strings.Join(servers(14), " ")),
		watch("c.example.", "192.0.2.1 192.0.2.7 192.0.2.1"),
		watch("sub.a.example.", ""),
		watch("a.example.", "192.0.2.7:5353"),
	}
	wantFaults(t, c.faults(local), `watch[1].authorities "14 servers": name at most 13
watch[2].authorities[1] "192.0.2.7:53": name another server: this one is notyet itself
watch[2].authorities[2] "192.0.2.1:53": remove it: it is there twice
watch[4].zone "a.example.": remove it: it is there twice`)
}

func TestCheckTakesAThousandWatches(t *testing.T) {
	t.Parallel()
	c := Default()
	for i := range 1000 {
		c.Watch = append(c.Watch, DefaultWatch(fmt.Sprintf("pr-%d.example.", i)))
	}
	wantFaults(t, c.faults(nil), "")
	c.Watch = append(c.Watch, DefaultWatch("one.too.many.example."))
	wantFaults(t, c.faults(nil), `watch "1001 watches": name at most 1000`)
}

func TestCheckKnowsTheAddressesOfThisMachine(t *testing.T) {
	t.Parallel()
	for _, ip := range localAddrs() {
		c := Default()
		c.Listen = parseAll(t, "0.0.0.0:53 [::]:53", ParseListen)
		c.Upstreams = []Upstream{{Addr: netip.AddrPortFrom(ip, 53)}}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), "notyet itself") {
			t.Errorf("Check() with upstream %s of this machine = %v, want a loop", ip, err)
		}
	}
}

func TestDefaultIsWithoutFault(t *testing.T) {
	t.Parallel()
	if err := Default().Check(); err != nil {
		t.Error(err)
	}
}

func parseAll[T any](t *testing.T, words string, parse func(string) (T, error)) []T {
	t.Helper()
	var all []T
	for _, word := range strings.Fields(words) {
		v, err := parse(word)
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		all = append(all, v)
	}
	return all
}

func wantFaults(t *testing.T, faults []Fault, want string) {
	t.Helper()
	var got string
	if err := join(faults); err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
