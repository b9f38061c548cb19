//go:build e2e && linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"notyet/e2e/testbed"
)

func TestKeepaliveIsToldOverTCPOnly(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		name    string
		proto   string
		options []dns.EDNS0
		want    bool
	}{
		{"asked for over tcp", "tcp", []dns.EDNS0{&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}}, true},
		{"not asked for over tcp", "tcp", nil, false},
		// RFC 7828, section 3.2.1: must be ignored.
		{"asked for over udp", "udp", []dns.EDNS0{&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}}, false},
	} {
		c := dial(t, test.proto, b.notyet.Addr)
		for _, qname := range []string{"www." + plainZone, "missing." + plainZone, "www." + plainZone} {
			q := ask(qname, dns.TypeA, withEDNS(1232, test.options...))
			r := c.exchange(t, q)
			var got *dns.EDNS0_TCP_KEEPALIVE
			for _, o := range r.IsEdns0().Option {
				if k, ok := o.(*dns.EDNS0_TCP_KEEPALIVE); ok {
					got = k
				}
			}
			switch {
			case (got != nil) != test.want:
				t.Errorf("%s: %s: got keepalive option %v, want one: %v", test.name, describe(q), got, test.want)
			case got != nil && got.Timeout != 100: // units of 100 ms: the idle timeout
				t.Errorf("%s: %s: got keepalive timeout %d, want 100", test.name, describe(q), got.Timeout)
			}
		}
	}
}

// TestPipelinedQueriesOvertakeASlowOne writes 100 queries at once; the first one gets no answer until the others have theirs.
func TestPipelinedQueriesOvertakeASlowOne(t *testing.T) {
	t.Parallel()
	slow := "slow." + plainZone + "."
	release := make(chan struct{})
	u := startUpstream(t, func(in *incoming) {
		if in.Question[0].Name == slow {
			select {
			case <-release:
			case <-in.done:
			}
		}
		in.reply(in.address(rightAddress))
	})
	n := front(t, "", u.addr)
	var burst bytes.Buffer
	waiting := map[uint16]*dns.Msg{}
	const burstSize = 100 // as many as may be under way on one connection
	for i := range burstSize {
		q := ask(label(i)+plainZone, dns.TypeA)
		if i == 0 {
			q.Question[0].Name = slow
		}
		q.Id = uint16(i)
		waiting[q.Id] = q
		burst.Write(frame(pack(t, q)))
	}
	c := dial(t, "tcp", n.Addr)
	if _, err := c.Write(burst.Bytes()); err != nil {
		t.Fatalf("write %d queries: %v", burstSize, err)
	}
	receive := func() *dns.Msg {
		t.Helper()
		b, err := c.receive(patience)
		if err != nil {
			t.Fatalf("%d of %d queries have no answer: %v", len(waiting), burstSize, err)
		}
		id := uint16(b[0])<<8 | uint16(b[1])
		q := waiting[id]
		if q == nil {
			t.Fatalf("got an answer with id %d, which nobody waits for", id)
		}
		delete(waiting, id)
		r := parse(t, q, b)
		wantRcode(t, q, r, dns.RcodeSuccess)
		return r
	}
	for len(waiting) > 1 {
		if r := receive(); r.Question[0].Name == slow {
			t.Fatalf("got the answer to the slow query with %d others under way", len(waiting))
		}
	}
	close(release)
	receive()
}

// TestMoreQueriesThanMayBeUnderWayAreAnsweredInTheEnd writes far more than 100 queries at once.
func TestMoreQueriesThanMayBeUnderWayAreAnsweredInTheEnd(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, func(in *incoming) { in.reply(in.address(rightAddress)) })
	n := front(t, "", u.addr)
	const burstSize = 1000
	var burst bytes.Buffer
	for i := range burstSize {
		q := ask(label(i)+plainZone, dns.TypeA)
		q.Id = uint16(i)
		burst.Write(frame(pack(t, q)))
	}
	c := dial(t, "tcp", n.Addr)
	go func() { _, _ = c.Write(burst.Bytes()) }()
	seen := map[uint16]bool{}
	for len(seen) < burstSize {
		b, err := c.receive(patience)
		if err != nil {
			t.Fatalf("got %d answers, want %d: %v", len(seen), burstSize, err)
		}
		r := new(dns.Msg)
		if err := r.Unpack(b); err != nil || r.Rcode != dns.RcodeSuccess || seen[r.Id] {
			t.Fatalf("got answer %v (seen before: %v), want NOERROR once: %v", r, seen[r.Id], err)
		}
		seen[r.Id] = true
	}
}

// TestQueryInPiecesIsAnswered has the length, the header and the question arrive apart.
func TestQueryInPiecesIsAnswered(t *testing.T) {
	t.Parallel()
	b := shared()
	q := ask("www."+plainZone, dns.TypeA)
	c := dial(t, "tcp", b.notyet.Addr)
	for _, piece := range frame(pack(t, q)) {
		if _, err := c.Write([]byte{piece}); err != nil {
			t.Fatalf("%v", err)
		}
	}
	reply, err := c.receive(patience)
	if err != nil {
		t.Fatalf("%s: no answer: %v", describe(q), err)
	}
	wantRcode(t, q, parse(t, q, reply), dns.RcodeSuccess)
}

// TestHalfClosedConnectionGetsItsAnswers is a client that says with FIN that it has no more to ask.
func TestHalfClosedConnectionGetsItsAnswers(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	u := startUpstream(t, func(in *incoming) {
		select {
		case <-release:
		case <-in.done:
		}
		in.reply(in.address(rightAddress))
	})
	n := front(t, "", u.addr)
	q := ask("www."+plainZone, dns.TypeA)
	c := dial(t, "tcp", n.Addr)
	if err := c.send(pack(t, q)); err != nil {
		t.Fatalf("%v", err)
	}
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatalf("%v", err)
	}
	testbed.Until(t, patience, "the upstream to be asked", func() bool { return u.count("www."+plainZone) > 0 })
	close(release)
	reply, err := c.receive(patience)
	if err != nil {
		t.Fatalf("%s: no answer: %v", describe(q), err)
	}
	wantRcode(t, q, parse(t, q, reply), dns.RcodeSuccess)
	wantClosed(t, c, idleTimeout/2)
}

const idleTimeout = 10 * time.Second

func TestIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	b := shared()
	for _, test := range []struct {
		name  string
		first func(*testing.T, *client)
	}{
		{"nothing asked", func(*testing.T, *client) {}},
		{"one query asked", func(t *testing.T, c *client) { c.exchange(t, ask("www."+plainZone, dns.TypeA)) }},
		{"half a query", func(t *testing.T, c *client) {
			if _, err := c.Write(frame(plainQuery())[:10]); err != nil {
				t.Fatalf("%v", err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, "tcp", b.notyet.Addr)
			test.first(t, c)
			start := time.Now()
			wantClosed(t, c, 2*idleTimeout)
			if took := time.Since(start); took < idleTimeout-time.Second || took > idleTimeout+4*time.Second {
				t.Errorf("idle connection: got it closed after %v, want about %v", took, idleTimeout)
			}
		})
	}
}

// wantClosed waits until the other end closes the connection.
func wantClosed(t testing.TB, c *client, timeout time.Duration) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(timeout))
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("connection is open after %v", timeout)
	}
	if len(b) != 0 {
		t.Errorf("got %x before the connection was closed, want nothing", b)
	}
}

// TestManyIdleConnectionsAndASlowOneHinderNobody opens more connections than notyet keeps.
func TestManyIdleConnectionsAndASlowOneHinderNobody(t *testing.T) {
	t.Parallel()
	b := shared()
	n := front(t, "", b.unbound.Addr)
	before := n.Goroutines(t)

	const limit, more = 1000, 100 // connections
	var closed atomic.Int64
	start := time.Now()
	hold := func() {
		c := dial(t, "tcp", n.Addr)
		go func() {
			_, _ = io.Copy(io.Discard, c)
			closed.Add(1)
		}()
	}
	for range limit {
		hold()
	}
	if got := closed.Load(); got != 0 && time.Since(start) < idleTimeout {
		t.Errorf("%d idle connections: got %d closed, want all kept", limit, got)
	}
	slow := dial(t, "tcp", n.Addr)
	cut := make(chan time.Duration, 1)
	go func() { cut <- trickle(slow) }()
	for range 5 {
		for _, proto := range []string{"udp", "tcp"} {
			for _, qname := range []string{"www.", "four.", "missing."} {
				q := ask(qname+plainZone, dns.TypeA)
				want := direct(t, b.knot.Addr, q)
				timely(t, func() error {
					start := time.Now()
					sameAnswer(t, q, over(t, proto, n.Addr, q), want)
					if took := time.Since(start); took > time.Second {
						return fmt.Errorf("%s over %s beside %d idle connections: got the answer after %v, want it at once", describe(q), proto, limit, took)
					}
					return nil
				})
			}
		}
	}
	for range more {
		hold()
	}
	testbed.Until(t, patience, "the connections over the limit to be closed", func() bool { return closed.Load() >= more })
	wantCutOff(t, cut)
	testbed.Until(t, 2*idleTimeout, "the idle connections to be closed", func() bool { return closed.Load() == limit+more })
	testbed.Until(t, patience, "the goroutines of the connections to end", func() bool { return n.Goroutines(t) <= before+10 })
}

// TestSlowClientIsCutOff has it alone, so that the limit of connections is not what ends it.
func TestSlowClientIsCutOff(t *testing.T) {
	t.Parallel()
	b := shared()
	slow := dial(t, "tcp", b.notyet.Addr)
	cut := make(chan time.Duration, 1)
	go func() { cut <- trickle(slow) }()
	wantCutOff(t, cut)
}

// wantCutOff wants the end of a slow client within the idle timeout and some more.
func wantCutOff(t testing.TB, cut <-chan time.Duration) {
	t.Helper()
	select {
	case after := <-cut:
		t.Logf("the slow client was cut off after %v", after)
	case <-time.After(2 * idleTimeout):
		t.Errorf("the client that sends one byte a second has its connection after %v", 2*idleTimeout)
	}
}

// TestClientThatDoesNotReadIsCutOff asks for large answers and leaves them where they are.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	b := shared()
	n := front(t, "", b.unbound.Addr)
	q := ask("txt4000."+plainZone, dns.TypeTXT)
	query := frame(pack(t, q))
	deaf := dial(t, "tcp", n.Addr)
	if err := deaf.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatalf("%v", err)
	}
	start := time.Now()
	_ = deaf.SetWriteDeadline(start.Add(4 * idleTimeout))
	cut := make(chan error, 1)
	go func() {
		for {
			if _, err := deaf.Write(query); err != nil {
				cut <- err
				return
			}
		}
	}()
	for range 10 {
		sameAnswer(t, q, lookup(t, n.Addr, q), direct(t, b.knot.Addr, q))
	}
	if err := <-cut; errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client that does not read has its connection after %v", time.Since(start))
	}
	t.Logf("the client that does not read was cut off after %v", time.Since(start))
}

// trickle sends a query of 100 bytes at one byte a second and returns how long the other end put up with it.
func trickle(c *client) time.Duration {
	start := time.Now()
	query := frame(append(plainQuery(), strings.Repeat("x", 100)...))
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, err := io.Copy(io.Discard, c)
		_ = err // However it ends, it has ended.
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for _, b := range query {
		if _, err := c.Write([]byte{b}); errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			break
		}
		select {
		case <-closed:
			return time.Since(start)
		case <-tick.C:
		}
	}
	return time.Since(start)
}
