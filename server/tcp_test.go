package server

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/miekg/dns"

	"notyet/resolver"
)

func TestHundredQueriesInOneWrite(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	c := f.dial(t, "tcp")
	var batch []byte
	for i := range 100 {
		q := query(strconv.Itoa(i%7) + ".any.example.com. A") // misses, then hits
		q.Id = uint16(i)
		batch = append(batch, framed(pack(t, q))...)
	}
	if _, err := c.Write(batch); err != nil {
		t.Fatal(err)
	}
	seen := make(map[uint16]bool)
	for range 100 {
		m := c.reply(t)
		if want := strconv.Itoa(int(m.Id)%7) + ".any.example.com."; m.Question[0].Name != want || len(m.Answer) != 1 {
			t.Errorf("id %d: got %s, want an address of %s", m.Id, render(m), want)
		}
		seen[m.Id] = true
	}
	if len(seen) != 100 {
		t.Errorf("got replies to %d queries, want 100", len(seen))
	}
}

func TestQueryInSingleBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := startInMemory(t, nil).listener.connect(t)
		for i := range 3 {
			q := query("www.example.com. A")
			for _, b := range framed(pack(t, q)) {
				if _, err := c.Write([]byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			if m := c.reply(t); m.Id != q.Id || len(m.Answer) != 1 {
				t.Errorf("query %d: got %d %s, want %d and an address", i, m.Id, render(m), q.Id)
			}
		}
	})
}

func TestQueriesInAnyPieces(t *testing.T) {
	t.Parallel()
	var all []byte
	for i := range 50 {
		all = append(all, framed(pack(t, query(strconv.Itoa(i)+".any.example.com. A")))...)
	}
	for _, size := range []int{2, 3, 7, 64, 1000} {
		synctest.Test(t, func(t *testing.T) {
			c := startInMemory(t, nil).listener.connect(t)
			go func() {
				for piece := range slices.Chunk(all, size) {
					c.Write(piece)
				}
			}()
			for i := range 50 {
				if m := c.reply(t); len(m.Answer) != 1 {
					t.Errorf("pieces of %d: reply %d: got %s, want an address", size, i, render(m))
				}
			}
		})
	}
}

func TestSlowAnswerDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	waiting := make(held, 1)
	f := start(t, func(c *Config, u *upstream) {
		c.Resolve = func(q *resolver.Query) {
			if question(q) == "slow.any.example.com. A rd" {
				waiting.resolve(q)
				return
			}
			u.resolve(q)
		}
	})
	c := f.dial(t, "tcp")
	slow := query("slow.any.example.com. A")
	c.send(t, pack(t, slow))
	q := <-waiting
	for i := range 10 {
		c.ask(t, query(strconv.Itoa(i)+".any.example.com. A"))
	}
	q.Done(f.upstream.answer(q.Key))
	if m := c.reply(t); m.Id != slow.Id {
		t.Errorf("got the reply with id %d, want the slow one", m.Id)
	}
}

func TestHundredQueriesUnderWayOnAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waiting := make(held, 200)
		m := startInMemory(t, func(c *Config, _ *upstream) { c.Resolve = waiting.resolve })
		c, other := m.listener.connect(t), m.listener.connect(t)
		go func() {
			for i := range 150 {
				c.send(t, pack(t, query(strconv.Itoa(i)+".any.example.com. A")))
			}
		}()
		for answered := range 50 {
			synctest.Wait()
			if got, want := len(waiting), 100; got != want {
				t.Fatalf("after %d replies: got %d queries under way, want %d", answered, got, want)
			}
			q := <-waiting
			q.Done(m.upstream.answer(q.Key))
			c.reply(t)
		}
		other.send(t, pack(t, query("other.any.example.com. A")))
		synctest.Wait()
		if got := len(waiting); got != 101 {
			t.Errorf("after a query on another connection: got %d under way, want 101", got)
		}
		for range 101 {
			q := <-waiting
			q.Done(m.upstream.answer(q.Key))
			if question(q) == "other.any.example.com. A rd" {
				other.reply(t)
			} else {
				c.reply(t)
			}
		}
	})
}

func TestLongMessageIsAFormatErrorAndTheConnectionGoesOn(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, tt := range []struct {
		length int
		want   string
	}{
		{4096, "NOERROR qr rd ra | www.example.com. IN A | www.example.com. IN A 192.0.2.1 | OPT 1232"},
		{4097, "FORMERR qr rd ra | www.example.com. IN A"},
		{65535, "FORMERR qr rd ra | www.example.com. IN A"},
	} {
		c := f.dial(t, "tcp")
		q := query("www.example.com. A", edns(1232))
		room := tt.length - len(pack(t, q)) - 4
		edns(1232, &dns.EDNS0_PADDING{Padding: make([]byte, room)})(q)
		q.Extra = q.Extra[1:]
		if got := render(c.ask(t, q)); got != tt.want {
			t.Errorf("query of %d bytes: got %s, want %s", tt.length, got, tt.want)
		}
		c.ask(t, query("www.example.com. TXT"))
		c.Write(append([]byte{0xFF, 0xFF}, bytes.Repeat([]byte{0xFF}, 65535)...)) // a response
		c.ask(t, query("www.example.com. TXT"))
	}
}

// TestLongMessageThatBeginsWithAWholeQuery has the query's end at the limit of what is read.
func TestLongMessageThatBeginsWithAWholeQuery(t *testing.T) {
	t.Parallel()
	c := start(t, nil).dial(t, "tcp")
	q := query("www.example.com. A", edns(1232))
	room := maxTCPQuery - len(pack(t, q)) - 4
	q.Extra = nil
	edns(1232, &dns.EDNS0_PADDING{Padding: make([]byte, room)})(q)
	c.send(t, append(pack(t, q), 0))
	if m := c.reply(t); m.Rcode != dns.RcodeFormatError || m.Id != q.Id {
		t.Errorf("trailing garbage behind %d bytes: got %s, want FORMERR", maxTCPQuery, render(m))
	}
}

func TestKeepaliveIsAnnouncedOverTCP(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	keepalive := &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}
	for _, tt := range []struct {
		proto  string
		option dns.EDNS0
		want   string
	}{
		{"tcp", keepalive, " | OPT 1232 keepalive 100"},
		{"tcp", &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE, Length: 2, Timeout: 3000}, " | OPT 1232 keepalive 100"},
		{"tcp", &dns.EDNS0_PADDING{}, " | OPT 1232"},
		{"udp", keepalive, " | OPT 1232"},
	} {
		c := f.dial(t, tt.proto)
		for i, qname := range []string{"www.example.com.", fmt.Sprintf("%s%p.any.example.com.", tt.proto, tt.option)} {
			for range 2 {
				m := c.ask(t, query(qname+" A", edns(1232, tt.option)))
				if got, want := render(m), "NOERROR qr rd ra | "+qname+" IN A | "+qname+" IN A 192.0.2."+[]string{"1", "7"}[i]+tt.want; got != want {
					t.Errorf("%s, %T: got %s, want %s", tt.proto, tt.option, got, want)
				}
			}
		}
	}
}

func TestClientThatClosesItsSideGetsItsReplies(t *testing.T) {
	t.Parallel()
	waiting := make(held, 2)
	f := start(t, func(c *Config, _ *upstream) { c.Resolve = waiting.resolve })
	c := f.dial(t, "tcp")
	for i := range 2 {
		c.send(t, pack(t, query(strconv.Itoa(i)+".any.example.com. A")))
	}
	queries := []*resolver.Query{<-waiting, <-waiting}
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for _, q := range queries {
		q.Done(f.upstream.answer(q.Key))
		c.reply(t)
	}
	c.closedAfter(t)
}

func TestClientThatGoesAwayLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waiting := make(held, 2)
		m := startInMemory(t, func(c *Config, _ *upstream) { c.Resolve = waiting.resolve })
		c := m.listener.connect(t)
		c.send(t, pack(t, query("www.example.com. A")))
		c.send(t, pack(t, query("www.example.com. TXT")))
		c.Close()
		for range 2 {
			q := <-waiting
			q.Done(m.upstream.answer(q.Key))
		}
		synctest.Wait()
		if got := m.conns.count(); got != 0 {
			t.Errorf("got %d connections, want 0", got)
		}
	})
}
