package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// patience is how long a test waits for what comes at once unless something is broken.
const patience = 10 * time.Second

// fakeUpstream is a DNS server on a UDP port of the loopback.
type fakeUpstream struct {
	addr   string
	server *dns.Server
}

// upstreamOf starts one; it answers with what the handler makes of a query, whose qname is in lower case, nil being no answer.
func upstreamOf(t *testing.T, handler func(*dns.Msg) *dns.Msg) *fakeUpstream {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, done := make(chan struct{}), make(chan struct{})
	u := &fakeUpstream{addr: pc.LocalAddr().String()}
	u.server = &dns.Server{
		PacketConn:        pc,
		NotifyStartedFunc: func() { close(started) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			qname := q.Question[0].Name
			q.Question[0].Name = strings.ToLower(qname)
			if m := handler(q); m != nil {
				m.Question[0].Name = qname
				w.WriteMsg(m)
			}
		}),
	}
	go func() {
		defer close(done)
		u.server.ActivateAndServe()
	}()
	<-started
	t.Cleanup(func() {
		u.server.Shutdown()
		<-done
	})
	return u
}

// addressOf answers every A question with 192.0.2.1, and everything else with NODATA.
func addressOf(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	qname := q.Question[0].Name
	if q.Question[0].Qtype == dns.TypeA {
		m.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: qname, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: net.IPv4(192, 0, 2, 1),
		}}
	} else {
		m.Ns = []dns.RR{&dns.SOA{
			Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: ".", Mbox: ".", Minttl: 60,
		}}
	}
	return m
}

// output collects what a program writes, and lets tests wait for a line of it.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string // has room for all that a test's program writes
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range bytes.Lines(b) {
		o.lines <- string(bytes.TrimSuffix(line, []byte("\n")))
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// program is a notyet that serves.
type program struct {
	stderr *output
	stdout *output
	stop   context.CancelFunc
	done   chan struct{} // closed when run has returned code
	code   int

	addr  string // of the first listen address
	admin string // empty when off
}

// startProgram runs notyet serve until it listens. Its addresses are any free ports unless args say otherwise.
func startProgram(t *testing.T, args ...string) *program {
	t.Helper()
	p := startRun(t, func(ctx context.Context, stdout, stderr *output) int {
		return run(ctx, append([]string{"serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"}, args...), stdout, stderr)
	})
	p.addr = p.line(t, "listening")["addr"].(string)
	if !slices.Contains(args, "--admin=") {
		p.admin = p.line(t, "admin listening")["addr"].(string)
	}
	return p
}

// startRun runs a program that stops with the test at the latest.
func startRun(t *testing.T, run func(ctx context.Context, stdout, stderr *output) int) *program {
	t.Helper()
	p := &program{stderr: &output{lines: make(chan string, 1000)}, stdout: &output{lines: make(chan string, 1000)}, done: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() {
		defer close(p.done)
		p.code = run(ctx, p.stdout, p.stderr)
	}()
	t.Cleanup(func() {
		stop()
		<-p.done
	})
	return p
}

// line waits for the log line with this message.
func (p *program) line(t *testing.T, msg string) map[string]any {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case text := <-p.stderr.lines:
			var line map[string]any
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatalf("got %q on standard error, want JSON", text)
			}
			if line["msg"] == msg {
				return line
			}
		case <-p.done:
			t.Fatalf("exit code %d before a line %q: %s", p.code, msg, p.stderr)
		case <-deadline:
			t.Fatalf("no line %q: %s", msg, p.stderr)
		}
	}
}

// stopped stops the program and returns its exit code.
func (p *program) stopped() int {
	p.stop()
	<-p.done
	return p.code
}

// ask asks the program over "udp" or "tcp".
func (p *program) ask(t *testing.T, network, qname string, qtype uint16) *dns.Msg {
	t.Helper()
	client := dns.Client{Net: network, Timeout: patience}
	m, _, err := client.Exchange(new(dns.Msg).SetQuestion(qname, qtype), p.addr)
	if err != nil {
		t.Fatalf("%s over %s: %v\n%s", qname, network, err, p.stderr)
	}
	return m
}

// get fetches a page of the admin API.
func (p *program) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := http.Get("http://" + p.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
