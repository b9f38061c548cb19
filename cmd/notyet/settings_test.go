package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/socket"
	"notyet/wire"
)

// startWith runs notyet serve with a file.
func startWith(t *testing.T, file string, args ...string) *program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notyet.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return startProgram(t, append([]string{"--config=" + path}, args...)...)
}

// counted starts an upstream that counts the questions it is asked, those of the program itself aside.
func counted(t *testing.T, answer func(*dns.Msg) *dns.Msg) (*fakeUpstream, *atomic.Int64) {
	t.Helper()
	asked := new(atomic.Int64)
	return upstreamOf(t, func(q *dns.Msg) *dns.Msg {
		if q.Question[0].Qtype == dns.TypeA || q.Question[0].Qtype == dns.TypeMX {
			asked.Add(1)
		}
		return answer(q)
	}), asked
}

func TestCacheIsAsLargeAsTheFileSays(t *testing.T) {
	t.Parallel()
	p := startWith(t, "upstreams: [192.0.2.1]\ncache: {memory: 8MiB}")
	_, body := p.get(t, "/metrics")
	var limit float64
	for line := range strings.Lines(body) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, "notyet_cache_limit_bytes{") {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			limit += n
		}
	}
	if limit != 8<<20 {
		t.Errorf("got a limit of %v bytes, want 8 MiB:\n%s", limit, body)
	}
}

func TestTTLsAreCappedAsTheFileSays(t *testing.T) {
	t.Parallel()
	u, asked := counted(t, addressOf)
	p := startWith(t, fmt.Sprintf("upstreams: [%q]\ncache: {max_ttl: 7s, max_negative_ttl: 0s}", u.addr))
	if got := p.ask(t, "udp", "www.example.com.", dns.TypeA).Answer[0].Header().Ttl; got > 7 {
		t.Errorf("max_ttl: got TTL %d, want at most 7", got)
	}
	before := asked.Load()
	for range 3 {
		p.ask(t, "udp", "www.example.com.", dns.TypeMX) // there is none
	}
	if got := asked.Load() - before; got != 3 {
		t.Errorf("max_negative_ttl: got %d questions asked upstream, want 3", got)
	}
}

func TestClientsAreThoseOfTheFile(t *testing.T) {
	t.Parallel()
	p := startWith(t, "upstreams: [192.0.2.1]\nallow: [192.0.2.0/24]")
	for _, network := range []string{"udp", "tcp"} {
		if m := p.ask(t, network, "www.example.com.", dns.TypeA); m.Rcode != dns.RcodeRefused {
			t.Errorf("%s: got %s, want REFUSED", network, wire.RcodeName(m.Rcode))
		}
	}
}

func TestUpstreamsAreThoseOfTheRoute(t *testing.T) {
	t.Parallel()
	u, asked := counted(t, addressOf)
	inside, askedInside := counted(t, addressOf)
	p := startWith(t, fmt.Sprintf("upstreams: [%q]\nroutes: [{zone: cluster.local, upstreams: [%q]}]", u.addr, inside.addr))
	for _, qname := range []string{"www.example.com.", "a.cluster.local.", "b.Cluster.Local."} {
		p.ask(t, "udp", qname, dns.TypeA)
	}
	if got, gotInside := asked.Load(), askedInside.Load(); got != 1 || gotInside != 2 {
		t.Errorf("got %d questions asked and %d at the route's upstream, want 1 and 2", got, gotInside)
	}
}

func TestPolicyIsThatOfTheFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy string
		second bool // is asked too
	}{{"sequential", false}, {"random", true}} {
		first, _ := counted(t, addressOf)
		second, asked := counted(t, addressOf)
		p := startWith(t, fmt.Sprintf("upstreams: [%q, %q]\npolicy: %s", first.addr, second.addr, tt.policy))
		for i := range 30 {
			p.ask(t, "udp", fmt.Sprintf("n%d.example.com.", i), dns.TypeA)
		}
		const overtaken = 3 // the most that a slow machine has the second asked for, one in ten
		if got := asked.Load(); got > overtaken != tt.second {
			t.Errorf("%s: got %d of 30 questions at the second upstream, want its share: %v", tt.policy, got, tt.second)
		}
	}
}

// TestUpstreamOverTCP has nobody there who speaks it.
func TestUpstreamOverTCP(t *testing.T) {
	t.Parallel()
	u, asked := counted(t, addressOf)
	p := startWith(t, "", "--upstream=tcp://"+u.addr)
	if m := p.ask(t, "udp", "www.example.com.", dns.TypeA); m.Rcode != dns.RcodeServerFailure || asked.Load() != 0 {
		t.Errorf("got %s and %d questions asked over UDP, want SERVFAIL and none", wire.RcodeName(m.Rcode), asked.Load())
	}
}

func TestTwoProgramsShareAPort(t *testing.T) {
	t.Parallel()
	if !socket.CanShare {
		t.Skip("this system does not share ports")
	}
	u := upstreamOf(t, addressOf)
	first := startWith(t, fmt.Sprintf("upstreams: [%q]\nreuse_port: true", u.addr))
	second := startProgram(t, "--upstream="+u.addr, "--reuse-port", "--listen="+first.addr)
	if code := first.stopped(); code != 0 {
		t.Errorf("got exit code %d, want 0: %s", code, first.stderr)
	}
	second.addr = first.addr
	second.ask(t, "udp", "www.example.com.", dns.TypeA)
}

func TestStaleAnswersAreGivenAsLongAsTheFileSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stale string
		want  int
	}{{"1h", dns.RcodeSuccess}, {"0s", dns.RcodeServerFailure}} {
		var dead atomic.Bool
		u := upstreamOf(t, func(q *dns.Msg) *dns.Msg {
			if dead.Load() {
				return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
			}
			return addressOf(q)
		})
		p := startWith(t, fmt.Sprintf("upstreams: [%q]\ncache: {max_ttl: 1s, stale: %s}", u.addr, tt.stale))
		p.ask(t, "udp", "www.example.com.", dns.TypeA)
		dead.Store(true)
		<-time.After(1100 * time.Millisecond) // it has expired
		m := p.ask(t, "udp", "www.example.com.", dns.TypeA)
		if m.Rcode != tt.want {
			t.Errorf("stale %s: got %s, want %s", tt.stale, wire.RcodeName(m.Rcode), wire.RcodeName(tt.want))
		}
	}
}
