package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"notyet/config"
	"notyet/upstream/upstreamtest"
	"notyet/wire"
)

// reloading is a program whose file and resolv.conf can change.
type reloading struct {
	*program
	file, resolvConf string
	hangup           chan os.Signal
}

// startReloading runs a program with a file, and flags that name its addresses and whatever the test adds.
func startReloading(t *testing.T, file, resolvConf string, flags ...func(*settings)) *reloading {
	t.Helper()
	dir := t.TempDir()
	r := &reloading{
		file: filepath.Join(dir, "notyet.yaml"), resolvConf: filepath.Join(dir, "resolv.conf"), hangup: make(chan os.Signal, 1),
	}
	put(t, r.file, file)
	put(t, r.resolvConf, resolvConf)
	admin := "127.0.0.1:0"
	s := &settings{file: &r.file, listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, admin: &admin}
	for _, flag := range flags {
		flag(s)
	}
	from := source{load: s.config, file: r.file, resolvConf: r.resolvConf, hangup: r.hangup}
	r.program = startRun(t, func(ctx context.Context, _, stderr *output) int {
		if err := serve(ctx, from, stderr); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	})
	r.addr = r.line(t, "listening")["addr"].(string)
	r.admin = r.line(t, "admin listening")["addr"].(string)
	return r
}

// becomes puts another file in the place of the program's and waits until it is in force.
func (r *reloading) becomes(t *testing.T, file string) (changed string) {
	t.Helper()
	replace(t, r.file, file)
	return r.line(t, "configuration reloaded")["changed"].(string)
}

// counts is the value of a metric.
func (r *reloading) counts(t *testing.T, metric string) string {
	t.Helper()
	_, body := r.get(t, "/metrics")
	for line := range strings.Lines(body) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == metric {
			return value
		}
	}
	return "none"
}

func TestChangedFileTakesEffect(t *testing.T) {
	t.Parallel()
	www := func(t *testing.T, r *reloading) string {
		return wire.RcodeName(r.ask(t, "udp", "www.example.com.", dns.TypeA).Rcode)
	}
	for _, tt := range []struct {
		key, before, after string // more of the file
		is                 func(t *testing.T, r *reloading) string
		was, becomes       string
	}{
		{"allow", "allow: [loopback]", "allow: []", www, "NOERROR", "REFUSED"},
		{"cache.memory", "cache: {memory: 8MiB}", "cache: {memory: 4MiB}", func(t *testing.T, r *reloading) string {
			return r.counts(t, `notyet_cache_limit_bytes{kind="positive"}`)
		}, "6.291456e+06", "3.145728e+06"},
		{"cache.max_ttl", "cache: {max_ttl: 1h}", "cache: {max_ttl: 7s}", func(t *testing.T, r *reloading) string {
			return fmt.Sprint(r.ask(t, "udp", "www.example.com.", dns.TypeA).Answer[0].Header().Ttl > 7)
		}, "true", "false"},
		{"watch", "", "watch: [{zone: a.example, verify: off}]", func(t *testing.T, r *reloading) string {
			return r.counts(t, `notyet_watch_degraded{watch="a.example."}`)
		}, "none", "0"},
		{"watch", "watch: [{zone: a.example, verify: off}]", "", func(t *testing.T, r *reloading) string {
			return r.counts(t, `notyet_watch_pending{watch="a.example."}`)
		}, "0", "none"},
		{"notify.allow", "", "notify: {allow: [loopback]}", func(t *testing.T, r *reloading) string {
			m, err := dns.Exchange(new(dns.Msg).SetNotify("a.example."), r.addr)
			if err != nil {
				t.Fatal(err)
			}
			return wire.RcodeName(m.Rcode)
		}, "REFUSED", "NOTAUTH"},
	} {
		t.Run(tt.key+" "+tt.after, func(t *testing.T) {
			t.Parallel()
			upstreams := fmt.Sprintf("upstreams: [%q]\n", upstreamOf(t, addressOf).addr)
			r := startReloading(t, upstreams+tt.before, "")
			if got := tt.is(t, r); got != tt.was {
				t.Errorf("before: got %s, want %s", got, tt.was)
			}
			if got := r.becomes(t, upstreams+tt.after); got != tt.key {
				t.Errorf("got %q told as changed, want %s", got, tt.key)
			}
			if got := tt.is(t, r); got != tt.becomes {
				t.Errorf("after: got %s, want %s", got, tt.becomes)
			}
		})
	}
}

func TestQueryLogChanges(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf("upstreams: [%q]\n", upstreamOf(t, addressOf).addr)
	r := startReloading(t, good, "")
	for i, which := range []string{"all", "denial", "off"} {
		r.ask(t, "tcp", fmt.Sprintf("n%d.example.com.", i), dns.TypeA)
		r.becomes(t, good+"query_log: "+which)
	}
	r.ask(t, "tcp", "n3.example.com.", dns.TypeA)
	r.stopped() // by then all lines are written
	if got := strings.Count(r.stderr.String(), `"msg":"query"`); got != 1 || !strings.Contains(r.stderr.String(), `"n1.example.com."`) {
		t.Errorf("got %d queries logged, want the one while all were to be:\n%s", got, r.stderr)
	}
}

func TestUpstreamsChangeAndTheCacheStays(t *testing.T) {
	t.Parallel()
	first, asked := counted(t, addressOf)
	second, askedSecond := counted(t, addressOf)
	inside, askedInside := counted(t, addressOf)
	r := startReloading(t, fmt.Sprintf("upstreams: [%q]", first.addr), "")
	r.ask(t, "udp", "www.example.com.", dns.TypeA)
	r.becomes(t, fmt.Sprintf("upstreams: [%q]\nroutes: [{zone: cluster.local, upstreams: [%q]}]", second.addr, inside.addr))
	for _, qname := range []string{"www.example.com.", "other.example.com.", "a.cluster.local."} {
		r.ask(t, "udp", qname, dns.TypeA)
	}
	if a, b, c := asked.Load(), askedSecond.Load(), askedInside.Load(); a != 1 || b != 1 || c != 1 {
		t.Errorf("got %d questions asked at the first, %d at the second upstream and %d at the route's, want 1 each", a, b, c)
	}
}

func TestFailuresOfFormerUpstreamsAreForgotten(t *testing.T) {
	t.Parallel()
	refuses := upstreamOf(t, func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeRefused) })
	r := startReloading(t, fmt.Sprintf("upstreams: [%q]", refuses.addr), "")
	for range 3 { // the failure is kept longer each time that it is asked for anew
		if m := r.ask(t, "udp", "www.example.com.", dns.TypeA); m.Rcode != dns.RcodeServerFailure {
			t.Fatalf("got %s, want SERVFAIL", wire.RcodeName(m.Rcode))
		}
	}
	r.becomes(t, fmt.Sprintf("upstreams: [%q]", upstreamOf(t, addressOf).addr))
	if m := r.ask(t, "udp", "www.example.com.", dns.TypeA); m.Rcode != dns.RcodeSuccess {
		t.Errorf("got %s after the upstream was replaced, want NOERROR", wire.RcodeName(m.Rcode))
	}
}

func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	first, _ := counted(t, addressOf)
	second, asked := counted(t, addressOf)
	upstreams := fmt.Sprintf("upstreams: [%q, %q]\n", first.addr, second.addr)
	r := startReloading(t, upstreams, "")
	r.becomes(t, upstreams+"policy: random")
	for i := range 30 {
		r.ask(t, "udp", fmt.Sprintf("n%d.example.com.", i), dns.TypeA)
	}
	if asked.Load() == 0 {
		t.Error("got none of 30 questions at the second upstream, want some")
	}
}

func TestLogLevelChanges(t *testing.T) {
	t.Parallel()
	file := fmt.Sprintf("upstreams: [%q]\n", upstreamOf(t, addressOf).addr)
	r := startReloading(t, file, "")
	r.becomes(t, file+"policy: random")
	replace(t, r.file, file+"log: error\npolicy: nonesuch")
	r.line(t, "configuration has a fault: what runs stays")
	replace(t, r.file, file+"log: error") // which is not told
	for r.counts(t, "notyet_config_fault") != "0" {
	}
	if got := strings.Count(r.stderr.String(), "configuration reloaded"); got != 1 {
		t.Errorf("got %d lines at level info, want none after it was error:\n%s", got, r.stderr)
	}
}

func TestFileWithAFaultKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf("upstreams: [%q]\n", upstreamOf(t, addressOf).addr)
	r := startReloading(t, good, "")
	r.ask(t, "udp", "www.example.com.", dns.TypeA)
	for i, tt := range []struct {
		name, file string
		want       []string // a line each
	}{
		{"faults", "log: loud\nupstreams: [nonesuch]\nallow: []", []string{
			r.file + `: line 1: log "loud": write debug`, r.file + `: line 2: upstreams[0] "nonesuch": write an IP address`,
		}},
		{"not YAML", "a: b: c\n\t", []string{r.file + ": line 1: not YAML"}},
		{"a name server of the system, of which there is none", "upstreams: [system]", []string{"has no nameserver: name one"}},
	} {
		replace(t, r.file, tt.file)
		for _, want := range tt.want {
			if got := r.line(t, "configuration has a fault: what runs stays")["err"].(string); !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want %s", tt.name, got, want)
			}
		}
		if m := r.ask(t, "udp", "www.example.org.", dns.TypeA); m.Rcode != dns.RcodeSuccess {
			t.Errorf("%s: got %s, want NOERROR", tt.name, wire.RcodeName(m.Rcode))
		}
		if status, _ := r.get(t, "/readyz"); status != 200 {
			t.Errorf("%s: got readiness %d, want 200", tt.name, status)
		}
		got := r.counts(t, "notyet_config_fault") + " " + r.counts(t, `notyet_config_reloads_total{result="refused"}`)
		if want := fmt.Sprintf("1 %d", i+1); got != want {
			t.Errorf("%s: got %s for fault and refusals, want %s", tt.name, got, want)
		}
	}
	if got := r.becomes(t, good); got != "nothing" {
		t.Errorf("got %q told as changed, want nothing: it is what runs", got)
	}
	if got := r.counts(t, "notyet_config_fault"); got != "0" {
		t.Errorf("got fault %s once the file was good again, want 0", got)
	}
}

func TestFlagsOverrideTheFileAfterAReload(t *testing.T) {
	t.Parallel()
	u, asked := counted(t, addressOf)
	r := startReloading(t, "policy: random", "", func(s *settings) {
		s.upstreams = []config.Upstream{{Addr: netip.MustParseAddrPort(u.addr)}}
		s.watch = []config.Watch{config.DefaultWatch("a.example.")}
	})
	if got := r.becomes(t, "upstreams: [192.0.2.1]\nallow: [loopback]\nwatch: [{zone: b.example}]"); got != "policy, watch, allow" {
		t.Errorf("got %q told as changed, want policy, watch, allow: the flag's upstreams stay", got)
	}
	r.ask(t, "udp", "www.example.com.", dns.TypeA)
	if asked.Load() != 1 {
		t.Errorf("got %d questions asked at the flag's upstream, want 1", asked.Load())
	}
	for _, zone := range []string{"a.example.", "b.example."} {
		if got := r.counts(t, `notyet_watch_degraded{watch="`+zone+`"}`); got != "0" {
			t.Errorf("got no watch of %s", zone)
		}
	}
}

func TestWhatNeedsARestartIsToldAndTheRestTakesEffect(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf("upstreams: [%q]\n", upstreamOf(t, addressOf).addr)
	noFlags := func(s *settings) { s.listen, s.admin = nil, nil }
	r := startReloading(t, good+"listen: ['127.0.0.1:0']\nadmin: 127.0.0.1:0", "", noFlags)
	changed := r.becomes(t, good+"listen: [192.0.2.1]\nresolv_conf: /resolv.conf\nadmin: 0.0.0.0:8053\nadmin_token_file: /token\nstate: /state\nlog_format: text\nreuse_port: true\nallow: []")
	if want := "listen, resolv_conf, reuse_port, allow, admin, admin_token_file, log_format, state"; changed != want {
		t.Errorf("got %q told as changed, want %s", changed, want)
	}
	for _, want := range []string{"listen", "resolv_conf", "reuse_port", "admin", "admin_token_file", "log_format", "state"} {
		if got := r.line(t, "changed, and takes effect only after a restart")["key"]; got != want {
			t.Errorf("got %s told, want %s", got, want)
		}
	}
	if m := r.ask(t, "tcp", "www.example.com.", dns.TypeA); m.Rcode != dns.RcodeRefused {
		t.Errorf("got %s at the old address, want REFUSED as the new file has it", wire.RcodeName(m.Rcode))
	}
	r.becomes(t, good+"listen: ['127.0.0.1:0']\nadmin: 127.0.0.1:0")
	if got := strings.Count(r.stderr.String(), "only after a restart"); got != 7 {
		t.Errorf("got %d keys told, want 7: all is as it was", got)
	}
}

func TestHangupReadsEverythingAgain(t *testing.T) {
	t.Parallel()
	r := startReloading(t, fmt.Sprintf("upstreams: [%q]", upstreamOf(t, addressOf).addr), "")
	r.hangup <- syscall.SIGHUP
	if got := r.line(t, "configuration reloaded")["changed"]; got != "nothing" {
		t.Errorf("got %q told as changed, want nothing", got)
	}
	if got := r.counts(t, `notyet_config_reloads_total{result="applied"}`); got != "1" {
		t.Errorf("got %s reloads counted, want 1", got)
	}
	put(t, r.file, "log: loud")
	for want := range 2 { // at the change, and when asked
		if want == 1 {
			r.hangup <- syscall.SIGHUP
		}
		r.line(t, "configuration has a fault: what runs stays")
	}
}

func TestSystemServersAreFollowed(t *testing.T) {
	t.Parallel()
	const (
		changed = "name servers of the system"
		lost    = "name servers of the system are not to be had: those from before stay"
	)
	r := startReloading(t, "upstreams: [system]", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
	for _, tt := range []struct {
		name      string
		change    func()
		msg, want string
	}{
		{"replaced", func() { replace(t, r.resolvConf, "nameserver 192.0.2.3\n") }, changed, "192.0.2.3:53"},
		{"emptied", func() { put(t, r.resolvConf, "") }, lost, ""},
		{"written again", func() { put(t, r.resolvConf, "nameserver 192.0.2.3\n") }, changed, "192.0.2.3:53"},
		{"gone", func() { rename(t, r.resolvConf, r.resolvConf+"~") }, lost, ""},
		{"there again, with options", func() {
			put(t, r.resolvConf, "nameserver 192.0.2.4\nnameserver 192.0.2.2\noptions use-vc rotate\n")
		}, changed, "tcp://192.0.2.4:53, tcp://192.0.2.2:53"},
		{"while the file has a fault", func() {
			put(t, r.file, "log: loud")
			r.line(t, "configuration has a fault: what runs stays")
			put(t, r.resolvConf, "nameserver 192.0.2.5\n")
		}, changed, "192.0.2.5:53"},
	} {
		tt.change()
		line := r.line(t, tt.msg)
		if got, _ := line["upstreams"].(string); got != tt.want {
			t.Errorf("%s: got upstreams %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := r.counts(t, `notyet_config_reloads_total{result="applied"}`); got != "0" {
		t.Errorf("got %s reloads counted, want none: the configuration is what it was", got)
	}
}

func TestSystemServersAreThoseOfTheFileThatIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, resolvConf := filepath.Join(dir, "notyet.yaml"), filepath.Join(dir, "uplinks")
	put(t, resolvConf, "nameserver 192.0.2.7\n")
	put(t, file, fmt.Sprintf("resolv_conf: %q\nadmin: ''\n", resolvConf))
	p := startProgram(t, "--config="+file)
	if got := p.line(t, "forwarding")["upstream"]; got != "192.0.2.7:53" {
		t.Errorf("got upstream %v at the start, want 192.0.2.7:53", got)
	}
	put(t, resolvConf, "nameserver 192.0.2.8\n")
	if got := p.line(t, "name servers of the system")["upstreams"]; got != "192.0.2.8:53" {
		t.Errorf("got upstreams %v after a change, want 192.0.2.8:53", got)
	}
}

// built is a daemon that doesn't run, for what only its own goroutine may look at.
func built(t *testing.T, file, resolvConf string) *daemon {
	t.Helper()
	dir := t.TempDir()
	from := source{file: filepath.Join(dir, "notyet.yaml"), resolvConf: filepath.Join(dir, "resolv.conf")}
	from.load = func() (config.Config, error) { return config.Load(from.file) }
	put(t, from.file, "listen: ['127.0.0.1:0']\nadmin: ''\n"+file)
	put(t, from.resolvConf, resolvConf)
	cfg, err := from.load()
	if err != nil {
		t.Fatal(err)
	}
	d, err := build(t.Context(), cfg, from, new(strings.Builder))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.close(context.Background()) })
	return d
}

// says makes the daemon's file say something else and reads it.
func (d *daemon) says(t *testing.T, file string) {
	t.Helper()
	put(t, d.from.file, "listen: ['127.0.0.1:0']\nadmin: ''\n"+file)
	d.reload(false)
	if d.fault != "" {
		t.Fatalf("%s: %s", file, d.fault)
	}
}

// order is the upstreams of the route for all names.
func (d *daemon) order() string {
	var all []string
	for _, up := range d.routes[0].Upstreams {
		all = append(all, up.String())
	}
	return strings.Join(all, " ")
}

func TestUpstreamsThatStayAreTheSame(t *testing.T) {
	t.Parallel()
	d := built(t, "upstreams: [192.0.2.1, 192.0.2.2]", "")
	kept, left := d.routes[0].Upstreams[1], d.routes[0].Upstreams[0]
	d.says(t, "upstreams: [192.0.2.2, 'tcp://192.0.2.2']")
	if d.routes[0].Upstreams[0] != kept || d.order() != "192.0.2.2:53 tcp://192.0.2.2:53" {
		t.Errorf("got upstreams %s, want 192.0.2.2 to be the one from before", d.order())
	}
	now := time.Now()
	d.closeRetired(now.Add(retireAfter / 2))
	if len(d.upstreams) != 3 {
		t.Errorf("got %d upstreams open, want 3: something may be under way", len(d.upstreams))
	}
	d.says(t, "upstreams: [192.0.2.1]")
	if d.routes[0].Upstreams[0] != left {
		t.Errorf("got a new upstream for the one that came back in time")
	}
	d.closeRetired(time.Now().Add(retireAfter))
	if len(d.upstreams) != 1 || len(d.retired) != 0 {
		t.Errorf("got %d upstreams open and %d retired, want 1 and none", len(d.upstreams), len(d.retired))
	}
	if n := testutil.CollectAndCount(d.metrics.Collectors()[2], "notyet_upstream_up"); n != 1 {
		t.Errorf("got %d upstreams in the metrics, want 1", n)
	}
}

func TestRotateConcernsTheSystemAlone(t *testing.T) {
	t.Parallel()
	d := built(t, "upstreams: [system]", "nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate\n")
	for _, tt := range []struct {
		file, order string
		policy      config.Policy
	}{
		{"upstreams: [system]", "192.0.2.1:53 192.0.2.2:53", config.Random},
		{"upstreams: [system, 192.0.2.3, 192.0.2.2]", "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53", config.Sequential},
		{"upstreams: [192.0.2.3]", "192.0.2.3:53", config.Sequential},
	} {
		d.says(t, tt.file)
		if got := d.routes[0].Policy; got != policies[tt.policy] || d.order() != tt.order {
			t.Errorf("%s: got policy %v for %s, want %s for %s", tt.file, got, d.order(), tt.policy, tt.order)
		}
	}
}

func TestHangupReadsTheRootsAgain(t *testing.T) {
	t.Parallel()
	s := newSecretUpstream(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	put(t, ca, string(upstreamtest.NewAuthority(t).PEM())) // a stranger's
	r := startReloading(t, fmt.Sprintf("upstreams: [%q]\ntls_ca: %q\n", "tls://"+s.tls+"#dns.example.net", ca), "")
	if m := r.ask(t, "udp", "www.example.com.", dns.TypeA); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("with the roots of another: got %s, want SERVFAIL", wire.RcodeName(m.Rcode))
	}
	right, err := os.ReadFile(s.ca)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, ca, string(right))
	r.hangup <- syscall.SIGHUP
	r.line(t, "configuration reloaded")
	if m := r.ask(t, "udp", "www.example.com.", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("with its own roots: got %v, want an address", m)
	}
}
