//go:build e2e && linux

package e2e

import (
	"flag"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"notyet/e2e/testbed"
)

// run is what lives as long as the test run: the binary under test and the shared servers.
var run testbed.Program

// notyetBinary is the path of the notyet under test.
var notyetBinary string

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		// Most tests wait for a timeout most of their time; the processors are no measure.
		_ = flag.Set("test.parallel", "12")
	}
	// A program with the race detector waits for a second at its end, which tests would take for slowness.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	if signal.Ignored(syscall.SIGHUP) { // under nohup; what is started would ignore it too, unless it is caught here
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	if notyetBinary = os.Getenv("NOTYET_E2E_BINARY"); notyetBinary == "" {
		notyetBinary = testbed.Build(&run, os.Getenv("NOTYET_E2E_RACE") == "1")
	}
	code := m.Run()
	run.Close()
	if code == 0 && run.Failed() {
		code = 1
	}
	os.Exit(code)
}

// A bed is a notyet before an Unbound before a Knot. Tests that change nothing share one.
type bed struct {
	knot    *testbed.Knot
	unbound *testbed.Unbound
	notyet  *testbed.Notyet
}

// shared starts the bed at the first call.
var shared = sync.OnceValue(func() *bed {
	zones := []testbed.Zone{
		{Name: plainZone, Text: zoneText},
		{Name: signedZone, Text: zoneText, Sign: true},
		{Name: nsec3Zone, Text: zoneText, NSEC3: true},
		{Name: bogusZone, Text: zoneText, Sign: true},
		{Name: "child." + plainZone, Text: childText},
		{Name: "child." + signedZone, Text: childText},
		{Name: "child." + nsec3Zone, Text: childText},
		{Name: "child." + bogusZone, Text: childText},
		{Name: freshZone, Text: testbed.SOA("3600", "3600")},
	}
	b := &bed{knot: testbed.StartKnot(&run, testbed.KnotConfig{Zones: zones})}
	c := testbed.UnboundConfig{
		Anchors: []string{
			b.knot.Anchor(&run, signedZone, signedZone),
			b.knot.Anchor(&run, nsec3Zone, nsec3Zone),
			b.knot.Anchor(&run, signedZone, bogusZone),
		},
		Zones: map[string]netip.AddrPort{},
	}
	for _, z := range zones {
		c.Zones[z.Name] = b.knot.Addr
	}
	b.unbound = testbed.StartUnbound(&run, c)
	b.notyet = testbed.StartNotyet(&run, testbed.NotyetConfig{Binary: notyetBinary, Upstreams: []netip.AddrPort{b.unbound.Addr}})
	return b
})
