//go:build linux

package testbed

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Notyet is the program under test.
type Notyet struct {
	*Process
	Addr  netip.AddrPort // the first listen address
	Admin netip.AddrPort
	File  string // its configuration
}

// NotyetConfig is what differs from the defaults.
type NotyetConfig struct {
	Binary    string           // as built by Build
	Upstreams []netip.AddrPort // none: the default, which is the system's
	Listen    []netip.AddrPort // none: one address of its own
	Extra     string           // more of the configuration file, in YAML
	Args      []string         // flags after "serve --config F"
}

// Build builds notyet into a directory of o's and returns the path of the binary.
func Build(o Owner, race bool) string {
	o.Helper()
	dir := o.TempDir()
	// Whoever a test runs it as may do so.
	if err := os.Chmod(dir, 0o755); err != nil {
		o.Fatalf("%v", err)
	}
	path := dir + "/notyet"
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "notyet/cmd/notyet")...).CombinedOutput(); err != nil {
		o.Fatalf("build notyet: %v\n%s", err, out)
	}
	return path
}

// StartNotyet starts a notyet and waits until it answers on every listen address.
func StartNotyet(o Owner, c NotyetConfig) *Notyet {
	o.Helper()
	n := LaunchNotyet(o, c)
	listen := c.Listen
	if len(listen) == 0 {
		listen = []netip.AddrPort{n.Addr}
	}
	for _, at := range listen {
		n.ready(o, func() bool { return up(at) })
	}
	n.ready(o, func() bool { code, _ := n.Get("/healthz"); return code == http.StatusOK })
	return n
}

// LaunchNotyet starts a notyet and does not wait.
func LaunchNotyet(o Owner, c NotyetConfig) *Notyet {
	o.Helper()
	if len(c.Listen) == 0 {
		c.Listen = []netip.AddrPort{netip.AddrPortFrom(Address(o), Port)}
	}
	n := &Notyet{Addr: c.Listen[0], Admin: netip.AddrPortFrom(Address(o), Port)}
	o.Cleanup(func() { n.endedWell(o) })
	conf := fmt.Sprintf("listen: %s\nadmin: %q\nlog_format: json\n%s\n", list(c.Listen), n.Admin, c.Extra)
	if len(c.Upstreams) > 0 {
		conf += "upstreams: " + list(c.Upstreams) + "\n"
	}
	n.File = write(o, o.TempDir(), "notyet.yaml", conf)
	n.Process = Start(o, c.Binary, append([]string{"serve", "--config", n.File}, c.Args...)...)
	return n
}

// endedWell wants no panic, no data race, and a good end when it was its owner's end that ended it.
func (n *Notyet) endedWell(o Owner) {
	if n.Process == nil {
		return
	}
	for _, word := range []string{"panic", "DATA RACE", "fatal error"} {
		if out := n.Output(); strings.Contains(out, word) {
			o.Errorf("notyet (pid %d) wrote %q:\n%s", n.PID, word, out)
		}
	}
	if n.asked && n.code != 0 {
		o.Errorf("notyet (pid %d): got exit code %d at SIGTERM, want 0:\n%s", n.PID, n.code, tail(n.Output(), 40))
	}
}

// list writes addresses as a YAML list.
func list(addrs []netip.AddrPort) string {
	quoted := make([]string, len(addrs))
	for i, a := range addrs {
		quoted[i] = strconv.Quote(a.String())
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// up tells whether something answers at an address over UDP and accepts over TCP. The question
// goes no further than the server, and any answer will do: it may refuse us.
func up(at netip.AddrPort) bool {
	if at.Addr().IsUnspecified() {
		loopback := netip.MustParseAddr("127.0.0.1")
		if at.Addr().Is6() {
			loopback = netip.IPv6Loopback()
		}
		at = netip.AddrPortFrom(loopback, at.Port())
	}
	conn, err := net.DialTimeout("tcp", at.String(), time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	m := new(dns.Msg)
	m.Id = dns.Id()
	m.Question = []dns.Question{{Name: "version.bind.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}}
	c := dns.Client{Timeout: time.Second}
	_, _, err = c.Exchange(m, at.String())
	return err == nil
}

// Get asks the admin server for a path; code 0: it gave no answer.
func (n *Notyet) Get(path string) (code int, body string) {
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + n.Admin.String() + path)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, err.Error()
	}
	return r.StatusCode, string(b)
}

// Metric returns the sum of the samples of a metric whose labels hold all of those given, such as `proto="udp"`.
func (n *Notyet) Metric(o Owner, name string, labels ...string) float64 {
	o.Helper()
	code, body := n.Get("/metrics")
	if code != http.StatusOK {
		o.Fatalf("GET /metrics: got status %d, want 200: %s", code, body)
	}
	var sum float64
	for line := range strings.Lines(body) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		metric, set, _ := strings.Cut(series, "{")
		if metric != name || !holds(set, labels) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			o.Fatalf("metric %q: %v", line, err)
		}
		sum += v
	}
	return sum
}

func holds(set string, labels []string) bool {
	for _, l := range labels {
		if !strings.Contains(set, l) {
			return false
		}
	}
	return true
}

// Goroutines returns how many goroutines notyet has, by its own profile.
func (n *Notyet) Goroutines(o Owner) int {
	o.Helper()
	_, body := n.Get("/debug/pprof/goroutine?debug=1")
	var total int
	if _, err := fmt.Sscanf(body, "goroutine profile: total %d", &total); err != nil {
		o.Fatalf("GET /debug/pprof/goroutine: %v: %.200s", err, body)
	}
	return total
}
